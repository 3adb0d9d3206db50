"""The requests of an interpreter that serves many at a time for others: since when, and what was asked for.

An interpreter of the server's own whose requests wait for other servers (`mpserver.modules.mpm.THREADED`) has an area
in the scoreboard's memory file, before the lines of access logs (`mpserver.ipc.log_lines`), and alone writes it. Each
of its requests has a place there as long as it runs; those past `PLACES` are counted alone::

    0    when it began, in seconds since the epoch; 0: the place is free
    8    its head, as far as there is room
"""

from __future__ import annotations

import os
import struct

from mpserver.ipc.mapping import mapped
from mpserver.ipc.request_counts import seconds_of
from mpserver.ipc.scoreboard_layout import COMMON, INTERPRETERS, LINES_AREA, PER_WORKER, WAITING_AREA
from mpserver.typing import NamedTuple

PLACE = struct.Struct("=d248s")
PLACES = WAITING_AREA // PLACE.size
#: What one worker's interpreters have.
WAITING = INTERPRETERS * WAITING_AREA
#: There is no place left.
NOWHERE = -1

_TIME = struct.Struct("=d")


class WaitingRequest(NamedTuple):
    """A request that runs: when it began (seconds since the epoch), and its line."""

    began: float
    line: str


class WaitingRequests:
    """An interpreter's own area."""

    __slots__ = ("_free", "_memory")

    def __init__(self, fd: int, slot: int, index: int) -> None:
        """``fd``: the scoreboard's; ``index``: of the interpreter among those of the worker in ``slot``."""
        has_area = 0 < index < INTERPRETERS - 1
        self._memory = mapped(fd, WAITING_AREA, area_at(fd, slot, index)) if has_area else None
        if self._memory is not None:
            self._memory[:] = bytes(WAITING_AREA)
        #: Where places are that nobody has; the last is the next.
        self._free: list[int] = [*range(WAITING_AREA - PLACE.size, -1, -PLACE.size)] if has_area else []

    def enter(self, began: float, head: bytes) -> int:
        """A request runs. :returns: its place, or `NOWHERE`."""
        if self._memory is None or not self._free:
            return NOWHERE
        at = self._free.pop()
        PLACE.pack_into(self._memory, at, began, head)
        return at

    def leave(self, at: int) -> None:
        """The request of a place is over."""
        if self._memory is not None and at != NOWHERE:
            _TIME.pack_into(self._memory, at, 0.0)
            self._free.append(at)


def area_at(fd: int, slot: int, index: int) -> int:
    """Where the area of an interpreter is in the memory file."""
    size = os.fstat(fd).st_size
    slots = (size - COMMON) // PER_WORKER
    return size - slots * INTERPRETERS * LINES_AREA - (slots - slot) * WAITING + index * WAITING_AREA


def read(fd: int, slot: int, index: int) -> list[WaitingRequest]:
    """The requests that have a place, the oldest first."""
    data = os.pread(fd, WAITING_AREA, area_at(fd, slot, index))
    found = []
    for began, head in PLACE.iter_unpack(data):
        if seconds_of(began):
            line = head.rstrip(b"\0").lstrip(b"\r\n").partition(b"\r\n")[0]
            found.append(WaitingRequest(began, line.decode("latin-1")))
    return sorted(found)
