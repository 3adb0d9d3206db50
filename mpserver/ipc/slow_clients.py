"""How much all interpreters of the server keep for slow clients, and whether one may keep more.

Each of them tells on the scoreboard what it keeps, and looks at what the others do whenever that has grown by `STEP`:
so all of them together are at most by so much for each above what is allowed.
"""

from __future__ import annotations

import struct
from _thread import RLock

from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_layout import INTERPRETERS, PAGE, SLOW_CLIENTS, WORKER

#: After so many bytes more the others are looked at again.
STEP = 1 << 20
#: What is told is in units of so many bytes.
UNIT = 1 << 10

_ALL = struct.Struct(f"={INTERPRETERS}I")
_ONE = struct.Struct("=I")
_MOST_TOLD = (1 << 32) - 1


class Portion:
    """What one interpreter keeps in one place, memory or disk; for any thread."""

    __slots__ = ("_allowed", "_at", "_board", "_gate", "_limit", "_place", "_used")

    def __init__(self, board: Scoreboard, slot: int, index: int, place: int, limit: int) -> None:
        """One of an interpreter.

        :param place: 0 for memory, 1 for the disk.
        :param limit: how much all interpreters may keep there, in bytes.
        """
        self._board, self._place, self._limit = board, SLOW_CLIENTS + place * _ALL.size, limit
        self._at = slot * PAGE + self._place + min(index, INTERPRETERS - 1) * _ONE.size
        self._gate = RLock()  # (what is thrown away meanwhile may give back what it kept)
        self._used = self._allowed = 0

    def take(self, size: int) -> bool:
        """Keep so many bytes more. :returns: whether there is room for them."""
        with self._gate:
            if self._used + size > self._allowed and not self._look(size):
                return False
            self._used += size
            self._tell()
            return True

    def give(self, size: int) -> None:
        """Keep so many less."""
        with self._gate:
            self._used -= size
            self._allowed = min(self._allowed, self._used + STEP)
            self._tell()

    def _look(self, size: int) -> bool:
        left = self._limit - kept(self._board, self._place, self._at) - self._used
        if size > left:
            return False
        self._allowed = self._used + max(size, min(left, STEP))
        return True

    def _tell(self) -> None:
        told = min((self._used + UNIT - 1) // UNIT, _MOST_TOLD)
        _ONE.pack_into(self._board.memory, self._at, told)


def kept(board: Scoreboard, place: int, but: int) -> int:
    """What all interpreters keep together, in bytes.

    :param place: where that stands in the page of a worker.
    :param but: where that of one stands which does not count.
    """
    memory, found = board.memory, 0
    for slot in range(board.used()):
        start = slot * PAGE
        if WORKER.unpack_from(memory, start)[0]:
            found += sum(_ALL.unpack_from(memory, start + place))
            if start < but < start + PAGE:
                found -= _ONE.unpack_from(memory, but)[0]
    return found * UNIT


class SlowClients:
    """What one interpreter keeps for slow clients."""

    __slots__ = ("disk", "memory")

    def __init__(self, board: Scoreboard, slot: int, index: int, memory: int, disk: int) -> None:
        """``memory``, ``disk``: how much all interpreters may keep there, in bytes."""
        self.memory = Portion(board, slot, index, 0, memory)
        self.disk = Portion(board, slot, index, 1, disk)
