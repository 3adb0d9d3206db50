"""The states of the connections that a process interpreter has, in memory that its worker can read after a crash."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator

#: What the byte of a connection says.
SENT = 0  # it is on its way to the process


IDLE = 1  # all requests that were read are answered


FIRST = 2  # the request that came along is read, no byte of its answer is sent


ASKED = 3  # (a part of) a later request is read, no byte of its answer is sent


ANSWERED = 4  # bytes of an answer are sent, and there may be more


#: How many connections have a byte of their own; further ones share the first, and count as `ANSWERED`.
ENTRIES = 1 << 16


_NUMBER = struct.Struct("=Q")


class ConnectionStates:
    """A router's side: gives connections their bytes, and reads them."""

    __slots__ = ("_free", "_memory", "_next", "fd")

    def __init__(self) -> None:
        self.fd = os.memfd_create("mpserver-ledger", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, ENTRIES)
        self._memory = mmap.mmap(self.fd, 0)
        self._next = 1
        self._free: list[int] = []

    def enter(self) -> int:
        """A byte for a connection that will be sent."""
        if self._free:
            entry = self._free.pop()
        elif self._next < ENTRIES:
            entry, self._next = self._next, self._next + 1
        else:
            return 0
        self._memory[entry] = SENT
        return entry

    def leave(self, entry: int) -> None:
        """The connection is not the process' any more."""
        if entry:
            self._free.append(entry)

    def state(self, entry: int) -> int:
        """What the byte says."""
        return self._memory[entry] if entry else ANSWERED

    def close(self) -> None:
        """The process is gone, and all was read."""
        self._memory.close()
        os.close(self.fd)


def pack_numbers(numbers: Iterable[int]) -> bytes:
    """What a process tells of connections that it has closed, by their numbers; see `closed`."""
    return b"".join(map(_NUMBER.pack, numbers))


def closed(told: bytes) -> Iterator[int]:
    """The numbers of the connections that were closed."""
    return (number for (number,) in _NUMBER.iter_unpack(told))
