"""Where sessions are kept: what `mod_python.Session` stands on."""
