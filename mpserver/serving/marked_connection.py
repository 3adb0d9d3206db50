"""Connections that have a byte in memory which others can read: it says how far their requests have come."""

from __future__ import annotations

import mmap

from mpserver.api.parts import Part
from mpserver.ipc.connection_states import ANSWERED, ASKED, IDLE
from mpserver.serving.connection import Connection
from mpserver.serving.states import READING


class MarkedConnection(Connection):
    """A connection that writes its byte when a request begins, and when its answer is sent.

    Subclasses say which byte it is.
    """

    __slots__ = ("_entry", "_marks")

    _marks: mmap.mmap | bytearray
    _entry: int

    def untrack(self) -> None:
        """See `Connection`."""
        self._marks, self._entry = bytearray(1), 0

    def on_event(self, event: int) -> None:
        """As for every connection."""
        if self.state <= READING:
            self._marks[self._entry] = ASKED
        Connection.on_event(self, event)

    def send(self, parts: list[Part]) -> None:
        """As for every connection."""
        self._marks[self._entry] = ANSWERED
        Connection.send(self, parts)

    def send_held(self, data: bytes) -> int:
        """As for every connection."""
        self._marks[self._entry] = ANSWERED
        return Connection.send_held(self, data)

    def finish_whole(self, data: bytes) -> None:
        """As for every connection."""
        self._marks[self._entry] = ANSWERED
        Connection.finish_whole(self, data)
        if not self._outgoing and self.keep_alive and (self.input is None or not self.input.missing):
            self._marks[self._entry] = ASKED if self.buffer else IDLE

    def finish(self, parts: list[Part]) -> None:
        """As for every connection; a log handler that crashes later does not count against the answered request."""
        self._marks[self._entry] = ANSWERED
        Connection.finish(self, parts)
        if not self._outgoing and self.keep_alive and (self.input is None or not self.input.missing):
            self._marks[self._entry] = ASKED if self.buffer else IDLE

    def _sent(self) -> None:
        """As for every connection; the rest of the answer is sent, and the rest of the request's body has come."""
        super()._sent()
        if self.state <= READING:
            self._marks[self._entry] = ASKED if self.buffer else IDLE
