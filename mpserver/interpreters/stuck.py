"""Interpreters with a request that does not end: what merely waits there goes elsewhere, then nobody waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable

from mpserver.interpreters.handle import InterpreterHandle
from mpserver.system.loop import Loop

#: How long such an interpreter has to give back the connections that are in no request, in seconds.
GIVING_BACK = 2.0


class StuckInterpreters:
    """Those of a worker, which leaves because of them."""

    __slots__ = ("_loop", "_over", "_until", "deadline")

    def __init__(self, loop: Loop, over: Callable[[InterpreterHandle], None]) -> None:
        """``over``: called when nobody has to wait for an interpreter any more."""
        self._loop, self._over = loop, over
        self._until: dict[InterpreterHandle, float] = {}
        self.deadline = float("inf")

    def add(self, interp: InterpreterHandle) -> None:
        """A request does not end in it, and it was told to give back all that is in none."""
        self._until[interp] = deadline = time.monotonic() + GIVING_BACK
        self._look_at(deadline)

    def _look_at(self, deadline: float) -> None:
        if deadline < self.deadline:
            self.deadline = deadline
            self._loop.watch(self)
            self._loop.hasten(deadline)

    def expire(self, now: float) -> None:
        """Some have had their time."""
        self.deadline = float("inf")
        self._loop.unwatch(self)
        for interp, until in list(self._until.items()):
            if until <= now:
                del self._until[interp]
                self._over(interp)
            else:
                self._look_at(until)
