"""Reading and writing a connection itself, below HTTP (manual 4.5.4): ``read``, ``readline`` and ``write``."""

from __future__ import annotations

from mpserver.typing import Protocol

#: A line is cut after so many bytes: a client that never ends one must not fill the memory.
LONGEST_LINE = 65536


class Wire(Protocol):
    """The connection itself."""

    def receive(self) -> bytes:
        """Wait for some bytes; empty once the client has closed. :raises ClientGone: it was silent for Timeout."""

    def send(self, data: bytes) -> None:
        """Send all at once. :raises ClientGone: the client is gone, or does not take it within Timeout."""


class Incoming:
    """What a connection's handler reads."""

    __slots__ = ("_data", "_ended", "_position", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        #: What came and was not read, from the position on.
        self._data = b""
        self._position = 0
        self._ended = False

    @property
    def rest(self) -> bytes:
        """What came and was not read."""
        return self._data[self._position :]

    def read(self, size: int) -> bytes | None:
        """At most ``size`` bytes, waiting for the first; 0: whatever there is, and None at the end; -1: to the end.

        :raises EOFError: the end was there already when a size was given.
        :raises ClientGone: the client was silent for Timeout.
        """
        if size < 0:
            parts = [self._take(len(self._data))] if self._more() else []
            while self._receive():
                parts.append(self._take(len(self._data)))
            return b"".join(parts)
        if not self._more():
            if size:
                raise EOFError
            return None
        return self._take(size or len(self._data))

    def readline(self, size: int) -> bytes:
        """A line with its end, or what is left of one; at most ``size`` bytes of it (0: `LONGEST_LINE`).

        :raises EOFError: the client has closed.
        :raises ClientGone: it was silent for Timeout.
        """
        limit = size if 0 < size < LONGEST_LINE else LONGEST_LINE
        if not self._more():
            raise EOFError
        start = self._position
        while True:
            end = self._data.find(b"\n", start, self._position + limit) + 1
            if end:
                return self._take(end - self._position)
            if len(self._data) - self._position >= limit:
                return self._take(limit)
            start = len(self._data) - self._position
            if not self._receive():
                return self._take(limit)

    def _more(self) -> bool:
        """Have something to give; False at the end."""
        return self._position < len(self._data) or self._receive()

    def _receive(self) -> bool:
        """Wait for some bytes; False at the end."""
        if self._ended:
            return False
        data = self.wire.receive()
        self._ended = not data
        self._data = self._data[self._position :] + data if self._position < len(self._data) else data
        self._position = 0
        return bool(data)

    def _take(self, size: int) -> bytes:
        """At most ``size`` bytes of what came."""
        data = self._data[self._position : self._position + size]
        self._position += len(data)
        return data
