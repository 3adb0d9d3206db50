"""Standard streams that were closed when the server was started (``mpserver >&-``)."""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Have descriptors 0 to 2 open, on /dev/null where they were not, and Python's streams on them.

    Otherwise they would become whatever is opened next: an epoll, a socket, the pid file.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)  # programs have them, too
    os.close(fd)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
