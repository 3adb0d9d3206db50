"""PythonInterpSoftMemory: looking at the memory of an interpreter that wants a successor where it has too much."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic

from mpserver.system.usage import resident

#: Seconds between two looks, and between two wishes for a successor where there was none.
EVERY, AGAIN = 0.25, 10.0


class MemoryLimit:
    """Looks at the resident memory of this process, for any thread, and tells when it is more than it should be."""

    __slots__ = ("_next", "_reached", "size")

    def __init__(self, size: int, reached: Callable[[int], None]) -> None:
        """``size``: PythonInterpSoftMemory, in bytes; ``reached`` is called with what there is."""
        self.size, self._reached = size, reached
        self._next = 0.0

    def count(self) -> None:
        """A request has ended."""
        now = monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        size = resident(os.getpid())
        if size is not None and size > self.size:
            self._next = now + AGAIN
            self._reached(size)
