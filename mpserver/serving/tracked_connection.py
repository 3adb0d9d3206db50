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

from mpserver.api.parts import Part
from mpserver.ipc.connection_states import ANSWERED, ASKED, FIRST, IDLE, pack_numbers
from mpserver.serving.connection import Connection
from mpserver.serving.states import GONE, READING
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.owner import Owner

#: A process tells its router of closed connections as soon as there are so many, or so many seconds after the first.
CLOSINGS = 16
TELL_AFTER = 0.2


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


class TrackedConnection(Connection):
    """A connection in a process: writes its byte, and tells the router when it is closed."""

    __slots__ = ("_closings", "_entry", "_connection_states")

    def __init__(
        self, owner: Owner, sock: _socket.socket, number: int, served: int, data: bytes,
        connection_states: mmap.mmap, entry: int, closings: Closings,
    ) -> None:  # fmt: skip
        super().__init__(owner, sock, number, served, data)
        self._connection_states: mmap.mmap | bytearray = connection_states
        self._entry, self._closings = entry, closings
        connection_states[entry] = FIRST if data else IDLE

    def untrack(self) -> None:
        """See `Connection`; if the process crashes, all that is left to do is to close it."""
        self._connection_states[self._entry] = ANSWERED
        self._connection_states, self._entry = bytearray(1), 0

    def on_event(self, event: int) -> None:
        """As for every connection."""
        if self.state <= READING:
            self._connection_states[self._entry] = ASKED
        Connection.on_event(self, event)

    def send(self, parts: list[Part]) -> None:
        """As for every connection."""
        self._connection_states[self._entry] = ANSWERED
        Connection.send(self, parts)

    def send_held(self, data: bytes) -> int:
        """As for every connection."""
        self._connection_states[self._entry] = ANSWERED
        return Connection.send_held(self, data)

    def finish_whole(self, data: bytes) -> None:
        """As for every connection."""
        self._connection_states[self._entry] = ANSWERED
        Connection.finish_whole(self, data)
        if not self._outgoing and self.keep_alive and (self.input is None or not self.input.missing):
            self._connection_states[self._entry] = ASKED if self.buffer else IDLE

    def finish(self, parts: list[Part]) -> None:
        """As for every connection; a log handler that crashes later does not count against the answered request."""
        self._connection_states[self._entry] = ANSWERED
        Connection.finish(self, parts)
        if not self._outgoing and self.keep_alive and (self.input is None or not self.input.missing):
            self._connection_states[self._entry] = ASKED if self.buffer else IDLE

    def _sent(self) -> None:
        """As for every connection; the rest of the answer is sent, and the rest of the request's body has come."""
        super()._sent()
        if self.state <= READING:
            self._connection_states[self._entry] = ASKED if self.buffer else IDLE

    def close(self) -> None:
        """Close at once: for the client by a shutdown, as the router has the descriptor too; then tell the router."""
        if self.state != GONE:
            try:
                self.sock.shutdown(_socket.SHUT_RDWR)
            except OSError:
                pass  # the client was first
            super().close()
            self._connection_states[self._entry] = ANSWERED
            self._closings.add(self.number)
