"""The comparison of mpserver with Apache and the published mod_python (tools/compare)."""
