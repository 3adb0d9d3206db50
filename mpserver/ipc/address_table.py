"""How many connections each address has (MaxConnectionsPerAddress): a table that all workers share.

A connection that counts has a place there from its acceptance to its end, wherever it goes meanwhile: the place travels
with it (`mpserver.ipc.messages.Message.place`). A worker's router alone gives places of its worker, so there are no
locks; whoever ends the connection empties its place. Where a worker ends, its places are empty; and so is that of a
connection which is on its way to another worker, for that may end before it has taken it.

The table is in the scoreboard's memory file::

    0      when an address was told of in the log last, by the crc32 of its key
    4096   how many places each worker has used     written by its router
    266240 the workers' places: a key and the connection's number, both 0: it is empty

Each worker has `PLACES`; connections beyond these do not count. A key is an IPv4 address, or the first half of one of
IPv6: of those a client has as many as it likes.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array

from mpserver.ipc.scoreboard_layout import ADDRESSES, ADDRESSES_HEAD, HISTORY, PLACE, PLACES
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard

#: The room for what was told.
TOLD = 4096
#: A key, and when it was told of, in seconds since the epoch.
_TOLD = struct.Struct("=8sd")
_USED = struct.Struct("=I")
#: So many places more are used at a time.
_MORE = 64
#: How often the log tells of an address, and how soon after one that of another in its place, in seconds.
TOLD_EVERY, TOLD_INSTEAD = 60.0, 1.0

_EMPTY = bytes(PLACE.size)


def key_of(address: bytes) -> bytes:
    """What stands for an address of 4 or 16 bytes."""
    if len(address) == 4:
        return b"\0\0\xff\xff" + address
    return address[:8] if any(address[:8]) else address[8:]


class AddressTable:
    """The table as one worker has it, or an interpreter of it."""

    __slots__ = ("_fd", "_free", "_places", "_slot", "_slots", "_start", "_used")

    def __init__(self, board: Scoreboard, slot: int) -> None:
        """``slot``: the worker's."""
        self._fd, self._slots, self._slot = board.fd, board.slots, slot
        self._start = board.history_at + HISTORY
        self._places = self._start + ADDRESSES_HEAD
        self._used = 0
        #: Places that are empty, the lowest last.
        self._free: list[int] = []

    def enter(self, address: bytes, number: int) -> int:
        """Give a connection a place; for the router. :returns: 0 where there is none."""
        return self._enter(key_of(address), number)

    def _enter(self, key: bytes, number: int) -> int:
        if not self._free:
            self._find_empty()
            if not self._free:
                return 0
        place = self._slot * PLACES + self._free.pop() + 1
        os.pwrite(self._fd, PLACE.pack(key, number), self._at(place))
        return place

    def _at(self, place: int) -> int:
        return self._places + (place - 1) * PLACE.size

    def _find_empty(self) -> None:
        """Look for places that were left, and use some more where these are few."""
        used, first = self._used, self._slot * PLACES + 1
        numbers = array("Q", os.pread(self._fd, used * PLACE.size, self._at(first)))[1::2]
        free = [index for index, number in enumerate(numbers) if not number]
        if len(free) <= used // 4 and used < PLACES:
            free += range(used, used + _MORE)
            self._used = used + _MORE
            os.pwrite(self._fd, _USED.pack(self._used), self._start + TOLD + self._slot * _USED.size)
        self._free = free[::-1]

    def _read(self, place: int) -> tuple[bytes, int]:
        """What is in a place; no number where there is no such place: an application may have made it up."""
        if not 0 < place <= self._slots * PLACES:
            return b"", -1
        key, number = PLACE.unpack(os.pread(self._fd, PLACE.size, self._at(place)))
        return key, number

    def move(self, place: int, number: int, new_number: int) -> int:
        """A connection of another worker is this one's now, and has another number; for the router.

        :returns: its place here; 0: it does not count, for that worker is gone.
        """
        key, its = self._read(place)
        if its != number:
            return 0
        here = self._enter(key, new_number)
        self.leave(place, number)
        return here

    def leave(self, place: int, number: int) -> None:
        """A connection has ended; it may have been told already that it has."""
        if self._read(place)[1] == number:
            os.pwrite(self._fd, _EMPTY, self._at(place))

    def count(self, address: bytes) -> int:
        """How many connections an address has."""
        key, found = key_of(address), 0
        used = array("I", os.pread(self._fd, self._slots * _USED.size, self._start + TOLD))
        for slot, places in enumerate(used):
            if places:
                size = min(places, PLACES) * PLACE.size
                found += os.pread(self._fd, size, self._places + slot * ADDRESSES).count(key)
        return found

    def may_tell(self, address: bytes, now: float) -> bool:
        """Whether the log may tell of an address, which is remembered. ``now``: seconds since the epoch."""
        key = key_of(address)
        at = self._start + zlib.crc32(key) % (TOLD // _TOLD.size) * _TOLD.size
        its, when = _TOLD.unpack(os.pread(self._fd, _TOLD.size, at))
        if abs(now - when) < (TOLD_EVERY if its == key else TOLD_INSTEAD):
            return False
        os.pwrite(self._fd, _TOLD.pack(key, now), at)
        return True
