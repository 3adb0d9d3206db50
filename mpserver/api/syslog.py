"""The system's log as an error log: ``syslog[:facility[:tag]]`` (httpd's ErrorLog; RFC 3164 is what it listens to)."""

from __future__ import annotations

import os
import time

from mpserver.http1.dates import MONTHS
from mpserver.system.log_targets import SYSLOG
from mpserver.typing import NamedTuple

#: The facilities by name (RFC 3164 section 4.1.1).
FACILITIES: dict[str, int] = {
    "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
    "authpriv": 10, "ftp": 11, **{f"local{n}": 16 + n for n in range(8)},
}  # fmt: skip
DEFAULT_FACILITY, DEFAULT_TAG = "local7", "mpserver"

#: For how long, in seconds, a line waits for a log that is behind, and for how long none does after that was in vain.
LONGEST, GIVEN_UP = 0.1, 1.0

#: The numbers of levels in messages: what is below debug is told as debug.
LOWEST_LEVEL = 7


class Syslog(NamedTuple):
    """What messages to the system's log begin with."""

    facility: int
    tag: str

    def message(self, level: int, line: str, seconds: float) -> str:
        """A line as a message: the system's log takes one for each datagram."""
        t = time.localtime(seconds)
        when = f"{MONTHS[t.tm_mon - 1]} {t.tm_mday:2d} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
        priority = self.facility * 8 + min(level, LOWEST_LEVEL)
        return f"<{priority}>{when} {self.tag}[{os.getpid()}]: {line}"


def is_syslog(target: str) -> bool:
    """Whether a target of ErrorLog is the system's log."""
    return target == "syslog" or target.startswith("syslog:")


def parse(target: str) -> Syslog:
    """What a target says. :raises ValueError: there is no such facility, or the tag can't be one."""
    _, _, rest = target.partition(":")
    facility, _, tag = rest.partition(":")
    name = (facility or DEFAULT_FACILITY).lower()
    if name not in FACILITIES:
        raise ValueError(f"there is no facility {facility!r}: write one of {', '.join(FACILITIES)}")
    tag = tag or DEFAULT_TAG
    if not tag.isascii() or not tag.isprintable() or any(c in tag for c in " :[]") or len(tag) > 32:
        raise ValueError(f"{tag!r} can't be a tag: write up to 32 letters, digits and signs but : and []")
    return Syslog(FACILITIES[name], tag)


class Patience:
    """Waits a little where the system's log does not keep up, but not for each line of one that has stopped."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = 0.0

    def wait(self, fd: int) -> bool:
        """Wait until the log takes a line. :returns: whether it does."""
        import select  # (only where that one is used)

        if time.monotonic() < self._until:
            return False
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if poll.poll(int(LONGEST * 1000)):
            return True
        self._until = time.monotonic() + GIVEN_UP
        return False


def connect_again(fd: int) -> bool:
    """Connect a descriptor to the system's log, which was started anew. :returns: whether it listens."""
    import socket  # (only where that one is used)

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(SYSLOG)
            os.dup2(sock.fileno(), fd, inheritable=False)
    except OSError:
        return False
    return True
