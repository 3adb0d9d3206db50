"""The interpreter under the worker MPM: up to ThreadsPerChild of its requests overlap.

Its own thread keeps the loop: the connections, their deadlines, the inbox. A request that is complete leaves
the loop with its connection, for a thread of the pool; that serves it, sends what the client takes at once,
and puts the connection back into the loop. Threads are started inside the interpreter when there is none that
waits, and are used again.

Everything that concerns the loop, except for putting a connection back to wait, happens in the loop's thread:
other threads ask for it by `SharedLoop.call`.
"""

from __future__ import annotations

import time
from _thread import allocate_lock, get_ident

from mpserver.http1.head import refused
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_entry import ScoreboardEntry
from mpserver.serving.connection import Connection
from mpserver.serving.states import IN_THREAD, LAST_WAIT, WAITING
from mpserver.serving.tracked_connection import TrackedConnection
from mpserver.system.loop import COARSE
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.ipc.request_counts import HasLabel
    from mpserver.serving.owner import SharedOwner

#: Stands for the request of a connection that a connection handler gets.
FOR_HANDLER = refused("")
#: For that of one that goes on with a request whose body has come (`mpserver.serving.bodies`).
RESUMED = refused("")
#: For that of one whose task is to go on in a thread (`mpserver.serving.tasks`).
TASK = refused("")


class SharedConnection(Connection):
    """A connection whose requests are served by threads of the pool."""

    __slots__ = ()

    owner: SharedOwner
    lets_wait = True

    def start(self) -> None:
        """Wait for the client in the owner's loop, which a request leaves with its connection; serve what was read."""
        self.owner.loop.add(self.fd, self.on_event)
        self.owner.loop.watch(self)
        if self.buffer:
            self.serve_read()

    def done(self) -> None:
        """The request is over: where nothing is left to do, wait for the next; the loop does the rest."""
        owner = self.owner
        loop = owner.loop
        if loop.is_ours():
            super().done()
            return
        body = self.input
        if body is not None:
            self.input = None
            self.leave_body(body)
        if self.is_taken:
            self.leave_stream()
        if self.keep_alive and not (self.buffer or self._outgoing or self.skip or self._is_aborted()):
            with loop.gate:  # a drain gives those that wait a new deadline, handing over gives them away
                waits = not owner.draining
                if waits:
                    self.deadline = time.monotonic() + self.keep_alive_timeout
                    self.state = WAITING
                    loop.back(self.fd)
            if waits:
                return
        loop.call(self._go_on)

    def may_wait(self) -> bool:
        """The loop may not: others wait for that."""
        return not self.owner.loop.is_ours()

    def _is_aborted(self) -> bool:
        return self._object is not None and bool(self._object.mp_aborted)

    def _go_on(self) -> None:
        """In the loop again: send the rest, close, or serve the requests that came meanwhile."""
        try:
            self.owner.loop.back(self.fd)
            super().done()
            if self.state == WAITING and self.owner.draining:
                limit = time.monotonic() + LAST_WAIT
                self.hurry(limit)
                self.owner.loop.hasten(limit)
            self.advance()
        except Exception as error:
            self.owner.broken(self, error)

    def expire(self, now: float) -> None:
        """The deadline has passed; while a request is served there is none."""
        if self.state == IN_THREAD:
            self.deadline = now + max(self.keep_alive_timeout, COARSE)
        elif self.deadline <= now:  # (a thread may have put it back this moment)
            super().expire(now)


class SharedTrackedConnection(SharedConnection, TrackedConnection):
    """The same in a process."""

    __slots__ = ()


class SharedEntry(ScoreboardEntry):
    """An interpreter's place on the scoreboard, when threads of it count their requests there."""

    __slots__ = ("_gate", "_running")

    state_after = 0  # (the pool tells how many threads are busy)

    def __init__(self, board: Scoreboard, slot: int, index: int) -> None:
        super().__init__(board.memory, board.numbers, slot, index, board.writer(slot, index))
        self._gate = allocate_lock()
        #: The threads whose requests have a program run, by the program's number.
        self._running: dict[int, int] = {}

    def working(self, now: float, head: bytes) -> None:
        """A request enters its handlers: the pool tells how many are there."""
        self.writer.begin(now, head)

    def pause(self) -> None:
        """A request stands aside: the pool tells how many are left."""

    def done(self, now: float, began: float, size: int = 0, status: int = 0, host: HasLabel | None = None) -> None:
        """A request was served: count it."""
        with self._gate:
            super().done(now, began, size, status, host)

    def fail(self, now: float, why: str) -> None:
        """A request failed."""
        with self._gate:
            self.writer.fail(now, why)

    def runs(self, group: int) -> None:
        """Tell what program the request of this thread has run; 0: it has ended."""
        with self._gate:
            mine = get_ident()
            number = next((number for number, thread in self._running.items() if thread == mine), -1)
            if number < 0:
                number = next(number for number in range(len(self._running) + 1) if number not in self._running)
                self._running[number] = mine
            self.runs_also(group, number)
            if not group:
                del self._running[number]
