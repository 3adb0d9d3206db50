"""A response's head: status line and fields, and how its body is framed (RFC 9112 sections 4 to 6)."""

from __future__ import annotations

from mpserver.api.table import Table
from mpserver.http1.dates import http_date
from mpserver.http1.response import field_lines

#: Statuses after which httpd closes the connection.
CLOSING = frozenset({400, 408, 411, 413, 414, 500, 501, 503})


#: Statuses that never have a body (RFC 9110 6.4.1).
BODILESS = frozenset({204, 304})


#: What ends a head; of a response after which the connection closes.
LINE_END = b"\r\n"


CLOSING_END = b"Connection: close\r\n\r\n"


#: So many different heads are kept for a second.
HEADS = 64


class Clock:
    """The Date line, and the heads of plain responses with it; made anew once a second."""

    __slots__ = ("_heads", "_line", "_second", "_until", "server")

    def __init__(self, server: str) -> None:
        #: The value of the Server header.
        self.server = server
        self._second = self._until = -1.0
        self._line = b""
        self._heads: dict[str | None, bytes] = {}

    def lines(self, now: float) -> bytes:
        """The Date and Server lines."""
        if not self._second <= now < self._until:
            self._second = now // 1
            self._until = self._second + 1
            self._line = f"Date: {http_date(now)}\r\nServer: {self.server}\r\n".encode("latin-1")
            self._heads.clear()
        return self._line

    def head(self, now: float, content_type: str | None) -> bytes:
        """The head of a plain 200 response, without its framing and the empty line."""
        start = self._heads.get(content_type) if self._second <= now < self._until else None
        if start is None:
            line = self.lines(now)
            typed = f"Content-Type: {content_type}\r\n".encode("latin-1", "replace") if content_type else b""
            start = b"HTTP/1.1 200 OK\r\n" + line + typed
            if len(self._heads) < HEADS:
                self._heads[content_type] = start
        return start


#: Headers that the server alone decides.
OWN = frozenset({"date", "server", "connection", "keep-alive", "transfer-encoding", "content-type"})


def _fields(table: Table) -> bytes:
    """The table's headers. :raises ValueError: one could split the response (refused where it is set, and here)."""
    return field_lines([pair for pair in table.pairs() if pair[0].lower() not in OWN])
