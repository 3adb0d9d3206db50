"""What a worker loads before it serves, while others serve: the interpreters of PythonImport.

A graceful restart, an upgrade or a worker more is no gain where its first clients wait for an application to be
loaded, which others have: so such a worker serves only when that is done, or can't be. A worker that nobody stands in
for serves at once; who wants an interpreter that is being loaded waits for that one alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from mpserver.interpreters.handle import InterpreterState
from mpserver.interpreters.pool import Pool
from mpserver.phases.plan import InterpreterId
from mpserver.system.loop import Loop

#: How often they are looked at, in seconds.
LOOK = 0.05


class Awaited:
    """Some interpreters that were started, until each of them serves or has failed."""

    def __init__(
        self,
        pool: Pool,
        loop: Loop,
        wanted: Iterable[InterpreterId],
        patience: float,
        done: Callable[[list[str]], None],
    ) -> None:
        """Start them.

        :param patience: how long they may take, in seconds.
        :param done: is called once, with the names of those that are not there by then.
        """
        self._pool, self._loop, self._done = pool, loop, done
        #: With how often each was started: one that a subinterpreter refused becomes a process.
        self._wanted = dict.fromkeys(wanted, 1)
        self._until = self.deadline = time.monotonic() + patience
        for interpreter_id in self._wanted:
            pool.use(interpreter_id)
        loop.watch(self)
        self.expire(time.monotonic())

    def expire(self, now: float) -> None:
        """Look at them."""
        left = [interpreter_id.name for interpreter_id in self._wanted if not self._is_settled(interpreter_id)]
        if left and now < self._until and not self._pool.closing:
            self.deadline = min(now + LOOK, self._until)
            self._loop.hasten(self.deadline)
            return
        self._loop.unwatch(self)
        self._done(left)

    def _is_settled(self, interpreter_id: InterpreterId) -> bool:
        interp = self._pool.interpreters.get(interpreter_id)
        if interp is not None:
            return interp.state is not InterpreterState.STARTING
        if self._wanted[interpreter_id] > 1 or not self._pool.is_refused(interpreter_id):
            return True  # (it has failed, which the log says)
        self._wanted[interpreter_id] += 1
        self._pool.use(interpreter_id)
        return False
