"""How long an interpreter lives: the figures of its configuration, and counting towards them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: MaxRequests is spread over this part of itself, so that the workers' interpreters don't all end at once.
JITTER = 10


class Limits(NamedTuple):
    """``requests`` and ``idle`` (seconds) are 0 where there is no limit; ``reload``: changed files replace it."""

    requests: int
    idle: float
    reload: bool


NONE = Limits(0, 0.0, False)


class Wear:
    """What happens at the end of each request of an interpreter that wants a successor after so many."""

    __slots__ = ("_count", "_ended", "_requests", "_worn")

    def __init__(self, ended: Callable[[Request | None], None], requests: int, worn: Callable[[int], None]) -> None:
        self._ended, self._requests, self._worn = ended, requests, worn
        self._count = itertools.count(1)

    def __call__(self, req: Request | None = None) -> None:
        self._ended(req)
        if next(self._count) % self._requests == 0:  # (again, where there was no successor)
            self._worn(self._requests)


def spread(requests: int) -> int:
    """A number of requests, or somewhat less."""
    import random  # (only where there is such a limit)

    return requests - random.randrange(requests // JITTER + 1)
