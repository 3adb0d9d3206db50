"""PythonInterpMaxRequests: counting the requests of an interpreter that wants a successor after so many."""

from __future__ import annotations

import itertools
from collections.abc import Callable

#: A limit is lowered by up to this part of itself, so that the workers' interpreters don't all end at once.
SPREAD = 10


class RequestLimit:
    """Counts requests, for any thread, and tells whenever the limit is reached."""

    __slots__ = ("_count", "_reached", "requests")

    def __init__(self, requests: int, reached: Callable[[int], None]) -> None:
        """``requests``: PythonInterpMaxRequests; ``reached`` is called with the limit in effect."""
        import random  # (only where there is such a limit)

        self.requests = requests - random.randrange(requests // SPREAD + 1)  # noqa: S311 - spreads what would come at once
        self._reached = reached
        self._count = itertools.count(1)

    def count(self) -> None:
        """A request has ended."""
        if next(self._count) % self.requests == 0:  # (again, where there was no successor)
            self._reached(self.requests)
