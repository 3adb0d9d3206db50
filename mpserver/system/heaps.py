"""How many heaps the C library has, and so how much memory that is free it keeps for later.

Each thread of each interpreter may get a heap (arena) of its own from glibc: up to eight for each core in a process.
What one of them has free no other can use. So a worker of many interpreters keeps more than it needs: with 12 that had
each kept and let go of blocks of 600 bytes to 70 KB, a worker had 154 MiB with 16 heaps and 143 MiB with four, for the
same CPU time per request (hello, PSP, answers of 200 KB and of 2 MB; two interpreters at work in parallel).

Blocks from which on they have pages of their own, and what stays free at the end of a heap, are left as glibc adapts
them to what a process asks for. With fixed 128 KiB an answer of 200 KB took 440 microseconds in place of 100, with
1 and 2 MiB one of 700 KB 1,600 in place of 500, for pages that come anew each time; and the worker had no less.

What is free between blocks that are in use stays with the process, and grows with each mixture of sizes that it has not
had before: of 40,000 requests of all sorts, most of them broken, a worker with ten interpreters kept 10 MiB so, a sixth
of its heaps, and more with each thousand. So a worker that works gives it back now and then (`GivingBack`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from mpserver.typing import Any

#: How many heaps a process may have; where it may use more cores than this, as many as these.
HEAPS = 4

#: How often what is free is given back, in seconds, and after how much work, in seconds of processor time: that takes
#: some milliseconds, and as long again for the pages that are needed anew.
EVERY, WORK = 30.0, 1.0

#: M_ARENA_MAX, of <malloc.h>.
_ARENA_MAX = -8
#: Where an operator tells glibc the same (mallopt(3)), or anything (the last).
_TOLD = "MALLOC_ARENA_MAX", "MALLOC_ARENA_TEST", "GLIBC_TUNABLES"


def share(environment: Mapping[str, str]) -> bool:
    """Have the threads of this process, and of those that it forks from now on, share few heaps.

    It counts for a process that has had but one thread: glibc decides how many there may be when a second one comes.

    :returns: whether that was done: not where ``environment`` tells the C library what to do, and not with a C library
        other than glibc.
    """
    mallopt = _function("mallopt", environment)
    return mallopt is not None and bool(mallopt(_ARENA_MAX, max(HEAPS, len(os.sched_getaffinity(0)))))


class GivingBack:
    """Gives back what is free in this process' heaps, while it works; see `mpserver.system.loop.Timed`.

    :param environment: tells whether to, as for `share`.
    """

    __slots__ = ("_trim", "_worked", "deadline")

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._trim = _function("malloc_trim", environment)
        self._worked = time.process_time()
        self.deadline = float("inf") if self._trim is None else time.monotonic() + EVERY

    def expire(self, now: float) -> None:
        """It is time to look how much was worked."""
        self.deadline = now + EVERY
        worked = time.process_time()
        if self._trim is not None and worked - self._worked >= WORK:
            self._worked = worked
            self._trim(0)


def _function(name: str, environment: Mapping[str, str]) -> Callable[..., Any] | None:
    """A function of glibc's; None: there is none, or ``environment`` tells glibc what to do."""
    if not environment.keys().isdisjoint(_TOLD) or not _is_glibc():
        return None
    try:
        import ctypes  # (the library has no other way; it stays in the interpreter that the server starts with)

        found: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
    except (ImportError, MemoryError, AttributeError):  # (a Python may lack it, and a system what it takes)
        return None
    return found


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):  # (the name is glibc's own)
        return False
