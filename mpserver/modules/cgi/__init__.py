"""CGI: a program of its own answers the request (httpd's mod_cgi; RFC 3875).

hooks         is the file a script that may run?
variables     its environment
exchange      the body goes in, the output comes back, what it says on stderr goes to the log
subprocesses  the program
"""

from __future__ import annotations

from mpserver.config.settings import Setting

#: Seconds between two signs of life of a script; None: as Timeout.
SCRIPT_TIMEOUT: Setting[float | None] = Setting("CGIScriptTimeout", None)
