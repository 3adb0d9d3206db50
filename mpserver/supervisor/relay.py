"""Connections that workers pass on to others, over the master.

A busy worker names the free one that is to have a connection; a worker that leaves names none, and the master finds
one (`mpserver.routing.heirs`).
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Iterable

from mpserver.ipc.worker_messages import ANYONE
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.typing import NamedTuple

#: For how many seconds a connection whose worker is gone waits for one that takes it, and how often it is offered.
KEPT_FOR = 30.0
OFFERED_EVERY = 0.05


class PassedConnection(NamedTuple):
    """A connection on its way: the message with it, its descriptors, and who gave it."""

    giver: WorkerHandle
    data: bytes
    fds: list[int]
    #: ``time.monotonic()`` when it is given up.
    until: float

    def send(self, takers: Iterable[WorkerHandle]) -> bool:
        """Give it to the first worker that takes it, and close the descriptors. :returns: whether one did."""
        for taker in takers:
            try:
                socket.send_fds(taker.control, [self.data], self.fds)
            except OSError:
                continue  # it is gone, or has more to read than there is room for
            self.close()
            return True
        return False

    def close(self) -> None:
        """Close the descriptors."""
        for fd in self.fds:
            os.close(fd)


class Relay:
    """The connections that are on their way."""

    __slots__ = ("_turn", "_waiting", "_workers")

    def __init__(self, workers: Iterable[WorkerHandle]) -> None:
        """``workers`` are always all that there are."""
        self._workers = workers
        #: Those that nobody can take yet, and that can't go home: their worker is gone.
        self._waiting: deque[PassedConnection] = deque()
        self._turn = 0

    def pass_on(self, giver: WorkerHandle, data: bytes, fds: list[int]) -> None:
        """Give a connection to the worker that it is for, or back, or (a giver that leaves may be gone) to any.

        :param data: the worker's slot (4 bytes, little endian; `ANYONE` for any but the giver) and the message.
        :param fds: the message's descriptors, which are ours now.
        """
        slot = int.from_bytes(data[:4], "little")
        passed = PassedConnection(giver, data[4:], fds, time.monotonic() + KEPT_FOR)
        if slot == ANYONE:
            takers = [*self._takers(giver), giver]
        else:
            named = [worker for worker in self._able(giver) if worker.slot == slot]
            takers = [*named, giver, *self._takers(giver)]
        if not passed.send(takers):
            self._waiting.append(passed)

    def _able(self, giver: WorkerHandle) -> list[WorkerHandle]:
        """The workers that may have connections of another one."""
        return [
            worker
            for worker in self._workers
            if not worker.leaving
            and worker is not giver
            and worker.generation.oldest <= giver.generation.number <= worker.generation.number
        ]

    def _takers(self, giver: WorkerHandle) -> list[WorkerHandle]:
        """Those of them that serve, each time another one first."""
        found = [worker for worker in self._able(giver) if worker.ready]
        self._turn += 1
        first = self._turn % len(found) if found else 0
        return found[first:] + found[:first]

    def deadline(self) -> float:
        """When the connections that wait are offered again (``time.monotonic()``)."""
        return time.monotonic() + OFFERED_EVERY if self._waiting else float("inf")

    def due(self, now: float) -> None:
        """Offer the connections that wait; give up those that have waited long enough."""
        for _ in range(len(self._waiting)):
            passed = self._waiting.popleft()
            if passed.until <= now:
                passed.close()
            elif not passed.send(self._takers(passed.giver)):
                self._waiting.append(passed)

    def close(self) -> None:
        """Give up all that wait: nobody will take them any more."""
        while self._waiting:
            self._waiting.popleft().close()
