"""The states of the connections that a process interpreter has, in memory that its worker can read after a crash.

Who writes what: the worker gives each connection that it sends a byte, which says SENT. From then on the process
alone writes it, without telling anybody (`mpserver.serving.tracked_connection`)::

    SENT      it is on its way to the process           taken, with a request: FIRST;  taken without one: IDLE
    FIRST     the request that came along is read       a byte of the answer is sent: ANSWERED
    IDLE      all requests that were read are answered  the client sends: ASKED
    ASKED     a later request is read, maybe in part    a byte of the answer is sent: ANSWERED
    ANSWERED  bytes of an answer are sent, and there may be more     the whole of it is sent: IDLE or ASKED

Where the process crashes, the worker reads them: another interpreter serves those that are SENT or IDLE, requests
in FIRST and ASKED are answered with 500, and connections that are ANSWERED are closed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator

from mpserver.enumeration import IntEnum
from mpserver.ipc.mapping import mapped


class ConnectionState(IntEnum):
    """What the byte of a connection says."""

    SENT = 0
    IDLE = 1
    FIRST = 2
    ASKED = 3
    ANSWERED = 4


SENT, IDLE, FIRST, ASKED, ANSWERED = ConnectionState

#: How many connections have a byte of their own; further ones share the first, and count as ``ANSWERED``.
ENTRIES = 1 << 16

_NUMBER = struct.Struct("=Q")


class ConnectionStates:
    """The worker's side: gives connections their bytes, and reads them."""

    __slots__ = ("_free", "_memory", "_next", "fd")

    def __init__(self) -> None:
        """Make the memory.

        :raises OSError: there is no descriptor or no memory left.
        """
        self.fd = os.memfd_create("mpserver-connection-states", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, ENTRIES)
        self._memory = mapped(self.fd)
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
        """What the byte says; a `ConnectionState`, unless the process wrote something else there."""
        return self._memory[entry] if entry else ANSWERED

    def close(self) -> None:
        """The process is gone, and all was read."""
        self._memory.close()
        os.close(self.fd)


def pack_numbers(numbers: Iterable[int]) -> bytes:
    """The numbers of connections that a process has closed, as it tells them to its worker."""
    return b"".join(map(_NUMBER.pack, numbers))


def unpack_numbers(data: bytes) -> Iterator[int]:
    """The inverse of `pack_numbers`."""
    return (number for (number,) in _NUMBER.iter_unpack(data))
