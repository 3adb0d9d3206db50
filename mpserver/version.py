"""The names and numbers that the server tells about itself."""

VERSION = "0.1.0"

#: What applications see as the version of mod_python (``mod_python.mp_version``).
MOD_PYTHON_VERSION = "3.5.0"

#: The httpd whose behaviour is followed; ``<IfVersion>`` compares with it.
HTTPD_VERSION = (2, 4, 62)
