"""Descriptors: how many a process may have open (RLIMIT_NOFILE), and what happens before they are used up.

The soft limit is raised at the start to what the configuration can use, as far as the hard limit lets it, which is
the administrator's. (httpd's apachectl raises it to the hard one.) A part of it is a reserve for what serves the
connections that are there: files, programs, a message between interpreters. The kernel gives the lowest number that
is free, so a new descriptor's number tells at no cost whether the reserve has begun.

Programs get the limit back that the server was started with, for those that use ``select`` expect numbers below 1024.
Nothing of ours runs in them between fork and exec, so ours is lowered for the moment of their start. That harms no
thread beside as long as numbers below it are free; where more are in use, they get their limit right after the start.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from _thread import allocate_lock
from collections.abc import Callable

from mpserver.typing import Any, NamedTuple

#: What a worker has open for itself: streams, signals, the scoreboard, the control socket, its loop.
BASE = 32
#: What an interpreter of the worker's has open, and the router for one in a process.
INTERPRETER = 10
PROCESS = 4
#: Connections, idle ones among them, for each request at a time; and how many there are room for at least.
CONNECTIONS = 8
LEAST_CONNECTIONS = 1024
#: The reserve: a part of the limit, within bounds; and of very small limits at most so large a part.
PART = 8
LEAST_RESERVE, MOST_RESERVE = 24, 64
LARGEST_PART = 4

#: Seconds between two lines of the log about the same shortage.
MINUTE = 60.0
#: When clients that found no room may ask again, in seconds.
RETRY_AFTER = 1.0


class Limit(NamedTuple):
    """``soft``: how many descriptors there may be; ``reserve``: how many of them new connections leave alone."""

    soft: int
    reserve: int

    @property
    def ceiling(self) -> int:
        """The number from which on a descriptor is of the reserve."""
        return self.soft - self.reserve


def soft() -> int:
    """The soft limit of this process."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def limit() -> Limit:
    """That of this process, as it is now."""
    now = soft()
    return Limit(now, max(min(LEAST_RESERVE, now // LARGEST_PART), min(now // PART, MOST_RESERVE)))


def original() -> int:
    """The soft limit as programs are to have it, before it is raised."""
    now = soft()
    return 0 if now == sys.maxsize else now


class ProgramStarter:
    """Starts programs with the soft limit that the server was started with."""

    __slots__ = ("_gate", "_raised", "_soft")

    def __init__(self, original: int) -> None:
        """``original`` is that limit, 0: it was not raised."""
        self._raised = soft()
        self._soft = 0 if original == self._raised else original
        self._gate = allocate_lock()

    def __bool__(self) -> bool:
        """Whether it is another one than ours."""
        return self._soft > 0

    def start(self, function: Callable[..., int], *arguments: Any, **options: Any) -> int:
        """Call a function that starts a program. :returns: its process."""
        # (an application that sets another limit means it for its programs, too)
        if not self._soft or soft() not in (self._raised, self._soft):
            return function(*arguments, **options)
        with self._gate:
            lowers = lowest_free(0) + BASE < self._soft
            if lowers:
                _set(self._soft)
            try:
                pid = function(*arguments, **options)
            finally:
                if lowers:
                    _set(self._raised)
        self.give(pid)  # (an interpreter beside may have raised it just then)
        return pid

    def give(self, pid: int) -> None:
        """Give it to a process, 0: to this one."""
        if self._soft:
            give_back(pid, self._soft)


def _set(value: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (value, hard))
    except (OSError, ValueError):
        pass  # an application has lowered the hard one


def give_back(pid: int, original: int) -> None:
    """Give a process a soft limit."""
    try:
        _now, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        if original <= hard or hard == resource.RLIM_INFINITY:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (original, hard))
    except (OSError, ValueError):
        pass  # it has ended, or runs as somebody else


def used() -> int:
    """How many descriptors this process has open; as many as there may be, where that can't be found out."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:
        return 0  # a system without: what it can't do will show
    except OSError:
        return sys.maxsize


def lowest_free(known: int) -> int:
    """The number that the next descriptor will have. ``known``: any that is open."""
    try:
        fd = os.dup(known)
    except OSError:
        return sys.maxsize
    os.close(fd)
    return fd


def has_room(need: int, urgent: bool) -> bool:
    """Whether another interpreter can be made, so that connections still have room beside it.

    ``need``: its descriptors. An ``urgent`` one may have them of the reserve.
    """
    may = limit()
    return may.soft - used() >= need + (0 if urgent else 2 * may.reserve)


class Seldom:
    """Lets what is told about a subject pass once in a `MINUTE`."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, subject: str) -> bool:
        """Whether it is time again."""
        now = time.monotonic()
        if now - self._last.get(subject, float("-inf")) < MINUTE:
            return False
        self._last[subject] = now
        return True
