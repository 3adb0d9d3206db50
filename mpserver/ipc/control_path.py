"""Where a server's control socket is, and what sockets with files have in common."""

from __future__ import annotations

import os

EVERY = "all"


def path(pid_file: str) -> str:
    """Where the control socket of a server is, by its pid file: beside it.

    No other pid file has the same (``shop.example.com`` and ``shop.example.org`` may both be one), but that whose name
    has no ``.pid`` at its end where this has one.
    """
    return pid_file.removesuffix(".pid") + ".control"


def near(name: str) -> tuple[int, str]:
    """A descriptor of a file's folder (the caller closes it), and a short name for the file while that is open.

    Names of Unix sockets can't be longer than 107 bytes.

    :raises OSError: there is no such folder.
    """
    folder = os.open(os.path.dirname(name) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return folder, f"/proc/self/fd/{folder}/{os.path.basename(name)}"
