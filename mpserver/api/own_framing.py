"""Framing that an application chose itself: Transfer-Encoding among its headers (RFC 9112 6.1 and 7.1).

As with httpd, a response whose codings end with ``chunked`` brings its own chunks, which go out as they are, trailers
included. They are looked at on their way, for the next response on the connection begins behind them: what is no chunk,
and what follows the last one, is not sent. Where the body does not even begin with a chunk the header came from
elsewhere (a response that is passed on, mostly), and the server frames the body as any other.
"""

from __future__ import annotations

import os

from mpserver.api.error_log import ERROR
from mpserver.api.parts import FilePart, Part, pieces, size_of
from mpserver.api.table import Table
from mpserver.errors import RequestError
from mpserver.http1.body import ChunkedBody
from mpserver.http1.response import LAST_CHUNK
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.typing import Any, Self

CHUNKED = "chunked"
#: The codings that there are (RFC 9112 7); a header with others means nothing to a client.
KNOWN = frozenset({CHUNKED, "gzip", "x-gzip", "deflate", "compress", "x-compress"})
#: So many bytes are looked at to see whether they are a chunk.
LOOK = 4096


def codings(tables: list[Table]) -> list[str]:
    """The codings that the headers name, in lower case and their order; ``identity``, which means none, left out.

    None where one of them is unknown, or ``chunked`` is not the last.
    """
    found: list[str] = []
    for table in tables:
        value = table["Transfer-Encoding"]
        for text in [value] if isinstance(value, str) else value:
            found += [word.strip().lower() for word in text.split(",")]
    named = [word for word in found if word and word != "identity"]
    return named if KNOWN.issuperset(named) and CHUNKED not in named[:-1] else []


def begins_with_chunk(part: Part) -> bool:
    """Whether what is sent may be the beginning of a chunked body."""
    data = os.pread(part.fd, LOOK, part.offset) if isinstance(part, FilePart) else part[:LOOK]
    try:
        ChunkedBody().feed(data)
    except RequestError:
        return False
    return bool(data)


class OwnChunks:
    """The chunks of one response, which its application makes.

    :param is_old: the client is one of HTTP/1.0, and gets their content alone.
    """

    __slots__ = ("_body", "_broken", "_chunked", "_is_old", "_log")

    def __init__(self, is_old: bool, log: ErrorLog) -> None:
        self._is_old, self._log = is_old, log
        self._body = ChunkedBody()
        self._broken = False
        #: Whether the body comes in chunks, which its first bytes tell.
        self._chunked: bool | None = None

    def take(self, parts: list[Part], last: bool) -> list[Part]:
        """What of some output is sent; its files are read. ``last``: the response ends with it."""
        if self._chunked is None and parts:
            self._chunked = begins_with_chunk(parts[0])
        if self._chunked:
            return [data for data in map(self._checked, pieces(parts)) if data]
        if self._is_old:
            return parts
        size = sum(map(size_of, parts))
        sent: list[Part] = [b"%x\r\n" % size, *parts, b"\r\n"] if size else []
        return [*sent, LAST_CHUNK] if last else sent

    def _checked(self, data: bytes) -> bytes:
        if self._broken or self._body.done:
            return b""
        try:
            content = self._body.feed(data)
        except RequestError as error:
            self._broken = True
            self._log.log(
                ERROR, f"the chunks that the response is made of are malformed, and it is cut: {error.reason}"
            )
            return b""
        return content if self._is_old else data[: len(data) - len(self._body.rest)]

    def pack(self) -> tuple[Any, ...]:
        """What is known of them, as plain data for `unpack`."""
        return self._is_old, self._broken, self._chunked, self._body.pack()

    @classmethod
    def unpack(cls, log: ErrorLog, is_old: bool, broken: bool, chunked: bool | None, body: tuple[Any, ...]) -> Self:
        """Those of a response that has begun elsewhere, from what `pack` gave there."""
        made = cls(is_old, log)
        made._broken, made._chunked, made._body = broken, chunked, ChunkedBody.unpack(*body)
        return made

    @property
    def whole(self) -> bool:
        """Whether the client has met the end of the body, so that another response may follow."""
        return self._body.done or not self._chunked
