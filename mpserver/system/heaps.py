"""How many heaps the C library has, and so how much memory that is free it keeps for later.

Each thread of each interpreter may get a heap (arena) of its own from glibc: up to eight for each core in a process.
What one of them has free no other can use. So a worker of many interpreters keeps more than it needs: with 12 that had
each kept and let go of blocks of 600 bytes to 70 KB, a worker had 154 MiB with 16 heaps and 143 MiB with four, for the
same CPU time per request (hello, PSP, answers of 200 KB and of 2 MB; two interpreters at work in parallel).

Blocks from which on they have pages of their own, and what stays free at the end of a heap, are left as glibc adapts
them to what a process asks for. With fixed 128 KiB an answer of 200 KB took 440 microseconds in place of 100, with
1 and 2 MiB one of 700 KB 1,600 in place of 500, for pages that come anew each time; and the worker had no less.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

#: How many heaps a process may have; where it may use more cores than this, as many as these.
HEAPS = 4

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
    if not environment.keys().isdisjoint(_TOLD) or not _is_glibc():
        return False
    try:
        import ctypes  # (the library has no other way; it stays in the interpreter that the server starts with)

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, MemoryError, AttributeError):  # (a Python may lack it, and a system what it takes)
        return False
    return bool(mallopt(_ARENA_MAX, max(HEAPS, len(os.sched_getaffinity(0)))))


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):  # (the name is glibc's own)
        return False
