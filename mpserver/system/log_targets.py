"""What a log may be, by what a directive says.

A target is a file (relative to ServerRoot), a program behind a pipe: ``|program arguments``, ``||`` the same,
``|$command`` through the shell (httpd's piped logs), or ``syslog``. `log_key` gives the name under which a target is
found among the descriptors that the master has opened (`mpserver.system.log_files`).
"""

from __future__ import annotations

import os

#: What the targets begin with that no directive can name: a module of the server and its arguments follow, a program
#: that reads messages.
QUEUE = "\0"

#: Where the system's log listens.
SYSLOG = "/dev/log"


def log_key(root: str, target: str) -> str:
    """The name of a log's target among the open descriptors: its absolute path; of a pipe or syslog its text."""
    if target.startswith(("|", "syslog:", QUEUE)) or target == "syslog":
        return target
    return os.path.normpath(os.path.join(root, target))
