"""The connections of a process interpreter, with their states kept where a crash of the process can't reach.

A router keeps a duplicate of each descriptor that it gave to a process, until the process says that it has closed the
connection. When the process crashes, the router must know of each connection whether a request was lost. So the two
share memory with a byte for each connection. The process writes the byte when a request begins and when its answer is
sent; no message is needed for that.
"""

from __future__ import annotations

import _socket
import mmap
import time
from collections.abc import Callable

from mpserver.ipc.connection_states import ANSWERED, FIRST, IDLE, pack_numbers
from mpserver.serving.marked_connection import MarkedConnection
from mpserver.serving.states import GONE
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.connection import Connection
    from mpserver.serving.owner import Owner

#: A process tells its router of closed connections as soon as there are so many, or so many seconds after the first.
CLOSINGS = 16
TELL_AFTER = 0.2


def findable(base: type[Connection], marks: int) -> type[Connection]:
    """The class of an owner's connections: ``base``, or one whose connections are found where the worker hangs.

    :param marks: the descriptor of the marks, see `mpserver.ipc.descriptor_marks`; -1: there are none.
    """
    if marks < 0:
        return base
    from mpserver.serving.found_connection import found  # (few servers look for workers that hang)

    return found(base, marks)


class Closings:
    """What a process tells its router of connections that it has closed."""

    __slots__ = ("_loop", "_numbers", "_tell", "deadline")

    def __init__(self, loop: Loop, tell: Callable[[bytes], None]) -> None:
        self._loop, self._tell = loop, tell
        self._numbers: list[int] = []
        self.deadline = 0.0

    def add(self, number: int) -> None:
        """A connection is closed."""
        self._numbers.append(number)
        if len(self._numbers) >= CLOSINGS:
            self.expire(0.0)
        elif len(self._numbers) == 1:
            self.deadline = time.monotonic() + TELL_AFTER
            self._loop.watch(self)

    def expire(self, now: float) -> None:
        """Tell it now."""
        self._loop.unwatch(self)
        self._tell(pack_numbers(self._numbers))
        self._numbers.clear()


class TrackedConnection(MarkedConnection):
    """A connection in a process: writes its byte, and tells the router when it is closed."""

    __slots__ = ("_closings",)

    def __init__(
        self, owner: Owner, sock: _socket.socket, number: int, served: int, data: bytes,
        connection_states: mmap.mmap, entry: int, closings: Closings,
    ) -> None:  # fmt: skip
        super().__init__(owner, sock, number, served, data)
        self._marks, self._entry, self._closings = connection_states, entry, closings
        connection_states[entry] = FIRST if data else IDLE

    def untrack(self) -> None:
        """See `Connection`; if the process crashes, all that is left to do is to close it."""
        self._marks[self._entry] = ANSWERED
        super().untrack()

    def close(self) -> None:
        """Close at once: for the client by a shutdown, as the router has the descriptor too; then tell the router."""
        if self.state != GONE:
            try:
                self.sock.shutdown(_socket.SHUT_RDWR)
            except OSError:
                pass  # the client was first
            super().close()
            self._marks[self._entry] = ANSWERED
            self._closings.add(self.number)
