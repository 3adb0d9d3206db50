"""Which members of balancers have failed their health checks, for all interpreters of the server.

The process that checks them (`mpserver.modules.proxy.checker`) alone writes it, in the page of the scoreboard behind
those of the workers; every interpreter reads it there. One `ENTRY` for each check::

    0     its number, 0: the entry is free
    8     1: the member has failed, and gets no requests
    16    when that changed last, in seconds by the monotonic clock; 0: it never did

A check's number is made of what is checked, and how: so a restart finds how members stood.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

from mpserver.ipc.scoreboard_layout import HEALTH, HEALTH_ENTRIES, PAGE
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard

ENTRY = struct.Struct("=QB7xd")
_NUMBER = struct.Struct("=Q")


class Health(NamedTuple):
    """How a member stands: whether it has failed, and since when that is so (monotonic seconds; 0: since ever)."""

    failed: bool
    since: float


#: What is thought of a member that was not checked yet.
UNKNOWN = Health(False, 0.0)


def number_of(what: str) -> int:
    """The number of a check, by what is checked and how."""
    data = what.encode("utf-8", "surrogateescape")
    return zlib.crc32(data) << 32 | zlib.crc32(data[::-1]) or 1


class MemberHealth:
    """The entries."""

    __slots__ = ("_end", "_memory", "_places", "_start")

    def __init__(self, board: Scoreboard) -> None:
        self._memory = board.memory
        self._start = board.slots * PAGE + HEALTH
        self._end = self._start + HEALTH_ENTRIES * ENTRY.size
        self._places: dict[int, int] = {}

    def of(self, number: int) -> Health:
        """How the member of a check stands."""
        at = self._places.get(number)
        if at is not None:
            known, failed, since = ENTRY.unpack_from(self._memory, at)
            if known == number:
                return Health(bool(failed), since)
        at = self._find(number)
        if at < 0:
            return UNKNOWN
        self._places[number] = at
        return Health(bool(self._memory[at + 8]), ENTRY.unpack_from(self._memory, at)[2])

    def claim(self, checks: Iterable[tuple[int, bool]]) -> None:
        """Give each check an entry, and forget all others.

        :param checks: their numbers, of `HEALTH_ENTRIES` at most, and whether those that are new have failed.
        """
        wanted = dict(checks)
        kept: set[int] = set()
        free: list[int] = []
        for at in range(self._start, self._end, ENTRY.size):
            (number,) = _NUMBER.unpack_from(self._memory, at)
            if number in wanted and number not in kept:
                kept.add(number)
                self._places[number] = at
            else:
                free.append(at)
                if number:
                    ENTRY.pack_into(self._memory, at, 0, 0, 0.0)
        for (number, failed), at in zip([one for one in wanted.items() if one[0] not in kept], free, strict=False):
            self._places[number] = at
            ENTRY.pack_into(self._memory, at, number, failed, 0.0)

    def tell(self, number: int, failed: bool, now: float) -> None:
        """The member of a check that has an entry stands otherwise from now on."""
        ENTRY.pack_into(self._memory, self._places[number], number, failed, now)

    def _find(self, number: int) -> int:
        wanted, at = _NUMBER.pack(number), self._start
        while (at := self._memory.find(wanted, at, self._end)) >= 0:
            if not (at - self._start) % ENTRY.size:
                return at
            at += 1
        return -1
