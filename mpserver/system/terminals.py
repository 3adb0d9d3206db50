"""The terminal that a server was started at: the size of its window, and whether it is being closed."""

from __future__ import annotations

import os

#: Seconds after the end of a terminal in which a SIGHUP tells of that; a later one is an order.
CLOSING = 10.0


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


class Terminal:
    """What standard input was at the start: whoever closes a terminal sends SIGHUP to those who were started there."""

    __slots__ = ("_closed_at", "_fd", "_is_there")

    def __init__(self, fd: int = 0) -> None:
        """``fd``: standard input."""
        self._fd = fd
        self._is_there = os.isatty(fd)
        self._closed_at = float("-inf")

    def look(self, now: float) -> None:
        """Take note of its end (``time.monotonic()``)."""
        if self._is_there:
            import select  # (as above)

            poll = select.poll()
            poll.register(self._fd, 0)
            if any(event & select.POLLHUP for _fd, event in poll.poll(0)):
                self._is_there, self._closed_at = False, now

    def is_closing(self, now: float) -> bool:
        """Whether it is a moment since its end."""
        self.look(now)
        return now < self._closed_at + CLOSING
