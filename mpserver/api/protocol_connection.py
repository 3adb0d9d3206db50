"""The connection object of a connection handler (manual 4.4, 4.5.4): it reads and writes."""

from __future__ import annotations

from operator import index

from mpserver.api.connection import Connection
from mpserver.api.filter_object import data_of
from mpserver.errors import ClientGone
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.handler_list import HandlerList

#: A line is cut after so many bytes: a client that never ends one must not fill the memory.
LINE = 65536


class Wire(Protocol):
    """The connection itself."""

    def receive(self) -> bytes:
        """Wait for some bytes; empty once the client has closed. :raises ClientGone: it was silent for Timeout."""

    def send(self, data: bytes) -> None:
        """Send all at once. :raises ClientGone: the client is gone, or does not take it within Timeout."""


class ProtocolConnection(Connection):
    """A connection that no request is read from: a handler speaks a protocol of its own on it."""

    __slots__ = ("_data", "_ended", "_hlist", "_position", "_wire")

    def __init__(self, plain: Connection, wire: Wire, hlist: HandlerList) -> None:
        super().__init__(plain._id, plain._client_addr, plain._local_addr, plain._base_server, plain._log)
        self._wire = wire
        self._hlist = hlist
        #: What came and was not read, from the position on.
        self._data = b""
        self._position = 0
        self._ended = False

    @property
    def hlist(self) -> HandlerList:
        """The connection handlers."""
        return self._hlist

    @property
    def rest(self) -> bytes:
        """What came and was not read."""
        return self._data[self._position :]

    def read(self, len: int = 0) -> bytes | None:
        """Some bytes: waits until there are any, and gives at most ``len`` of them (0: whatever there is).

        -1 reads until the client closes.

        :returns: None if the client has closed and no length was given.
        :raises IOError: it has closed, when a length was given; or it was silent for Timeout.
        """
        size = index(len)
        if size < 0:
            return self._read_all()
        if not self._more():
            if size:
                raise ClientGone("Connection read error")
            return None
        return self._take(size or self._data.__len__())

    def readline(self, len: int = 0) -> bytes:
        """A line with its end, or what is left of one; at most ``len`` bytes of it (0: `LINE`).

        :raises IOError: the client has closed, or was silent for Timeout.
        """
        size = index(len)
        limit = size if 0 < size < LINE else LINE
        if not self._more():
            raise ClientGone("Connection read error")
        start = self._position
        while True:
            end = self._data.find(b"\n", start, self._position + limit) + 1
            if end:
                return self._take(end - self._position)
            if self._data.__len__() - self._position >= limit:
                return self._take(limit)
            start = self._data.__len__() - self._position
            if not self._receive():
                return self._take(limit)

    def write(self, data: str | bytes) -> None:
        """Send text (as UTF-8) or bytes at once.

        :raises TypeError: it is neither.
        :raises IOError: the client is gone.
        """
        data = data_of(data)
        try:
            if data:
                self._wire.send(data)
        except ClientGone as error:
            self._aborted = 1
            raise ClientGone("Write failed, client closed connection.") from error

    def _more(self) -> bool:
        """Have something to give; False at the end."""
        return self._position < len(self._data) or self._receive()

    def _receive(self) -> bool:
        if self._ended:
            return False
        try:
            data = self._wire.receive()
        except ClientGone as error:
            self._aborted = 1
            raise ClientGone("Connection read error") from error
        self._ended = not data
        self._data = self._data[self._position :] + data if self._position < len(self._data) else data
        self._position = 0
        return bool(data)

    def _take(self, size: int) -> bytes:
        data = self._data[self._position : self._position + size]
        self._position += len(data)
        return data

    def _read_all(self) -> bytes | None:
        if not self._more():
            return None
        parts = [self._take(len(self._data))]
        while self._receive():
            parts.append(self._take(len(self._data)))
        return b"".join(parts)
