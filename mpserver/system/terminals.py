"""The terminal that a server was started at, and the size of its window."""

from __future__ import annotations

import os


def window() -> bytes | None:
    """The size of our terminal's window, as the kernel has it; None: there is none, or we are not in its foreground.

    Whoever is there is told by SIGWINCH when it changes, as who is told to end gracefully.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        import fcntl  # (few servers have a terminal, and interpreters do without)
        import termios

        if os.tcgetpgrp(terminal) != os.getpgrp():
            return None
        return fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    finally:
        os.close(terminal)
