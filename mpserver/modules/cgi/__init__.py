"""CGI: a program of its own answers the request (httpd's mod_cgi; RFC 3875).

hooks         is the file a script that may run?
variables     its environment
exchange      the body goes in, the output comes back, what it says on stderr goes to the log
subprocesses  the program
"""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.typing import NamedTuple


class Limit(NamedTuple):
    """A limit of a program: the soft and the hard one; -1: none."""

    soft: int
    hard: int


#: Limits of scripts and of what they start: seconds of CPU time, bytes of memory, processes of the user.
RLIMIT_CPU: Setting[Limit | None] = Setting("RLimitCPU", None)
RLIMIT_MEM: Setting[Limit | None] = Setting("RLimitMEM", None)
RLIMIT_NPROC: Setting[Limit | None] = Setting("RLimitNPROC", None)

#: Seconds between two signs of life of a script; None: as Timeout.
SCRIPT_TIMEOUT: Setting[float | None] = Setting("CGIScriptTimeout", None)
