"""Connections that workers pass on to others: the master carries them.

A worker that is busy names the one that is free; one that leaves has whom the master finds (`mpserver.routing.heirs`).
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping

from mpserver.ipc.worker_messages import ANYONE
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.typing import NamedTuple

#: How long connections of workers that are gone wait for one that takes them, and how often they are offered, in
#: seconds.
PATIENCE = 30.0
AGAIN = 0.05


class Parcel(NamedTuple):
    """A connection on its way: the message with it, its descriptors, and who gave it."""

    giver: WorkerHandle
    data: bytes
    fds: list[int]
    #: ``time.monotonic()`` when it is given up.
    until: float

    def send(self, takers: Iterable[WorkerHandle]) -> bool:
        """Give it to the first one that takes it; the descriptors are closed then."""
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

    __slots__ = ("_children", "_generations", "_turn", "_waiting")

    def __init__(self, children: Mapping[int, WorkerHandle], generations: Mapping[int, Generation]) -> None:
        self._children, self._generations = children, generations
        #: Those that nobody can take yet, and that can't go home: their worker is gone.
        self._waiting: deque[Parcel] = deque()
        self._turn = 0

    def pass_on(self, giver: WorkerHandle, data: bytes, fds: list[int]) -> None:
        """Give a connection to the worker that it is for, or back, or (a giver that leaves may be gone) to any.

        :param data: the worker's slot (4 bytes, little endian; `ANYONE` for any but the giver) and the message.
        :param fds: the message's descriptors, which are ours now.
        """
        slot = int.from_bytes(data[:4], "little")
        parcel = Parcel(giver, data[4:], fds, time.monotonic() + PATIENCE)
        if slot == ANYONE:
            takers = [*self._takers(giver), giver]
        else:
            named = [child for child in self._able(giver) if child.slot == slot]
            takers = [*named, giver, *self._takers(giver)]
        if not parcel.send(takers):
            self._waiting.append(parcel)

    def _able(self, giver: WorkerHandle) -> list[WorkerHandle]:
        """The workers that may have connections of another one."""
        return [
            child
            for child in self._children.values()
            if not child.leaving
            and child is not giver
            and self._generations[child.generation].oldest <= giver.generation <= child.generation
        ]

    def _takers(self, giver: WorkerHandle) -> list[WorkerHandle]:
        """Those of them that serve, each time another one first."""
        found = [child for child in self._able(giver) if child.ready]
        self._turn += 1
        first = self._turn % len(found) if found else 0
        return found[first:] + found[:first]

    def deadline(self) -> float:
        """When those that wait are offered again, ``time.monotonic()``."""
        return time.monotonic() + AGAIN if self._waiting else float("inf")

    def due(self, now: float) -> None:
        """Offer those that wait; give up those that have waited long enough."""
        for _ in range(len(self._waiting)):
            parcel = self._waiting.popleft()
            if parcel.until <= now:
                parcel.close()
            elif not parcel.send(self._takers(parcel.giver)):
                self._waiting.append(parcel)

    def close(self) -> None:
        """Nobody will take them any more."""
        while self._waiting:
            self._waiting.popleft().close()
