"""Bodies that come too slowly, where a request reads them itself."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.errors import ClientGone
from mpserver.modules.reqtimeout import ReadTimeouts, Stage
from mpserver.serving.stream import Stream


class PartsOfRecords:
    """A socket over TLS: the client sends for some seconds, and never the end of a record."""

    def __init__(self, sock: socket.socket, client: socket.socket) -> None:
        self._sock, self._client = sock, client
        self.left = 300

    def recv(self, _size: int) -> bytes:
        """Take what has come, which says nothing yet."""
        if self.left:
            self._sock.recv(1)
            time.sleep(0.01)
            self.left -= 1
        if self.left:
            self._client.send(b"x")
        raise BlockingIOError


class Incoming(Stream):
    """As much of a connection as its reading needs."""


def test_parts_of_records_do_not_prolong_the_time_of_a_body() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        stream = Incoming()
        parts = PartsOfRecords(ours, theirs)
        stream.sock = cast(Any, parts)
        stream.fd, stream.buffer, stream.slow, stream.timeout = ours.fileno(), b"", None, 1.0
        body = Stage(0.2)
        stream.host = cast(Any, SimpleNamespace(read_timeouts=ReadTimeouts(Stage(), Stage(), body)))
        began = time.monotonic()
        with pytest.raises(ClientGone, match="Timeout"):
            stream.receive()
        assert time.monotonic() - began >= 0.2
        assert parts.left
