"""mpserver: mod_python applications served by isolated Python interpreters."""
