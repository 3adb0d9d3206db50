"""Interpreters with a request that does not end: what merely waits there goes elsewhere, then nobody waits for them.

Other requests that run there (under the worker MPM) have some time for their end.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mpserver.interpreters.handle import InterpreterHandle
from mpserver.system.loop import Loop

#: How long such an interpreter has to give back the connections that are in no request, in seconds.
GIVING_BACK = 2.0
#: How long its other requests have, and how often they are looked at, in seconds. (They may wait for the stuck one.)
OTHERS, AGAIN = 30.0, 0.25


class StuckInterpreters:
    """Those of a worker, which leaves because of them."""

    __slots__ = ("_loop", "_others", "_over", "_running", "_stuck", "_until", "deadline")

    def __init__(
        self, loop: Loop, running: Callable[[InterpreterHandle], int], over: Callable[[InterpreterHandle], None]
    ) -> None:
        """``running``: how many threads of an interpreter are in a request.

        ``over``: called when nobody has to wait for an interpreter any more.
        """
        self._loop, self._running, self._over = loop, running, over
        self._until: dict[InterpreterHandle, float] = {}
        #: How many requests do not end, and until when the others are waited for.
        self._stuck: dict[InterpreterHandle, int] = {}
        self._others: dict[InterpreterHandle, float] = {}
        self.deadline = float("inf")

    def add(self, interp: InterpreterHandle) -> None:
        """A request does not end in it, and it was told to give back all that is in none."""
        now = time.monotonic()
        self._until[interp] = deadline = now + GIVING_BACK
        self._stuck[interp] = self._stuck.get(interp, 0) + 1
        self._others.setdefault(interp, now + OTHERS)
        self._look_at(deadline)

    def freed(self, interp: InterpreterHandle) -> None:
        """One of its requests has ended after all."""
        if interp in self._stuck:
            self._stuck[interp] -= 1

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
            if until > now:
                self._look_at(until)
            elif now < self._others[interp] and self._running(interp) > self._stuck[interp]:
                self._until[interp] = now + AGAIN
                self._look_at(now + AGAIN)
            else:
                del self._until[interp], self._stuck[interp], self._others[interp]
                self._over(interp)
