"""The connection object of a connection handler (manual 4.4, 4.5.4): it reads and writes."""

from __future__ import annotations

from operator import index

from mpserver.api.connection import Connection
from mpserver.api.filter_object import data_of
from mpserver.api.members import ReadOnly
from mpserver.errors import ClientGone
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.handler_list import HandlerList

#: A line is cut after so many bytes: a client that never ends one must not fill the memory.
LONGEST_LINE = 65536


class Wire(Protocol):
    """The connection itself."""

    def receive(self) -> bytes:
        """Wait for some bytes; empty once the client has closed. :raises ClientGone: it was silent for Timeout."""

    def send(self, data: bytes) -> None:
        """Send all at once. :raises ClientGone: the client is gone, or does not take it within Timeout."""


class ProtocolConnection(Connection):
    """A connection that no request is read from: a handler speaks a protocol of its own on it."""

    __slots__ = ("mp_data", "mp_ended", "mp_hlist", "mp_position", "mp_wire")

    def __init__(self, plain: Connection, wire: Wire, hlist: HandlerList) -> None:
        super().__init__(plain.mp_id, plain.mp_client_addr, plain.mp_local_addr, plain.mp_base_server, plain.mp_log)
        self.mp_wire = wire
        self.mp_hlist = hlist
        #: What came and was not read, from the position on.
        self.mp_data = b""
        self.mp_position = 0
        self.mp_ended = False

    @ReadOnly
    def hlist(self) -> HandlerList:
        """The connection handlers."""
        return self.mp_hlist

    @property
    def mp_rest(self) -> bytes:
        """What came and was not read."""
        return self.mp_data[self.mp_position :]

    def read(self, len: int = 0) -> bytes | None:
        """Some bytes: waits until there are any, and gives at most ``len`` of them (0: whatever there is).

        -1 reads until the client closes.

        :returns: None if the client has closed and no length was given.
        :raises IOError: it has closed, when a length was given; or it was silent for Timeout.
        """
        size = index(len)
        if size < 0:
            return self.mp_read_all()
        if not self.mp_more():
            if size:
                raise ClientGone("Connection read error")
            return None
        return self.mp_take(size or self.mp_data.__len__())

    def readline(self, len: int = 0) -> bytes:
        """A line with its end, or what is left of one; at most ``len`` bytes of it (0: `LONGEST_LINE`).

        :raises IOError: the client has closed, or was silent for Timeout.
        """
        size = index(len)
        limit = size if 0 < size < LONGEST_LINE else LONGEST_LINE
        if not self.mp_more():
            raise ClientGone("Connection read error")
        start = self.mp_position
        while True:
            end = self.mp_data.find(b"\n", start, self.mp_position + limit) + 1
            if end:
                return self.mp_take(end - self.mp_position)
            if self.mp_data.__len__() - self.mp_position >= limit:
                return self.mp_take(limit)
            start = self.mp_data.__len__() - self.mp_position
            if not self.mp_receive():
                return self.mp_take(limit)

    def write(self, data: str | bytes) -> None:
        """Send text (as UTF-8) or bytes at once.

        :raises TypeError: it is neither.
        :raises IOError: the client is gone.
        """
        data = data_of(data)
        try:
            if data:
                self.mp_wire.send(data)
        except ClientGone as error:
            self.mp_aborted = 1
            raise ClientGone("Write failed, client closed connection.") from error

    def mp_more(self) -> bool:
        """Have something to give; False at the end."""
        return self.mp_position < len(self.mp_data) or self.mp_receive()

    def mp_receive(self) -> bool:
        """Wait for some bytes; False at the end. :raises ClientGone: the client was silent for Timeout."""
        if self.mp_ended:
            return False
        try:
            data = self.mp_wire.receive()
        except ClientGone as error:
            self.mp_aborted = 1
            raise ClientGone("Connection read error") from error
        self.mp_ended = not data
        self.mp_data = self.mp_data[self.mp_position :] + data if self.mp_position < len(self.mp_data) else data
        self.mp_position = 0
        return bool(data)

    def mp_take(self, size: int) -> bytes:
        """At most ``size`` bytes of what came."""
        data = self.mp_data[self.mp_position : self.mp_position + size]
        self.mp_position += len(data)
        return data

    def mp_read_all(self) -> bytes | None:
        """All until the client closes; None if it has closed already."""
        if not self.mp_more():
            return None
        parts = [self.mp_take(len(self.mp_data))]
        while self.mp_receive():
            parts.append(self.mp_take(len(self.mp_data)))
        return b"".join(parts)
