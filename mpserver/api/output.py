"""Sending the response: ``req.write``, ``flush``, ``sendfile`` and the head that goes before them.

A response whose body is complete before anything was flushed leaves in one piece with its
Content-Length. A flush sends the head at once; what follows is chunked (RFC 9112 7.1), or ends
with the connection for an HTTP/1.0 client, unless the application gave a Content-Length.
"""

from __future__ import annotations

import os
from operator import index

from mpserver.api import constants
from mpserver.api.members import string
from mpserver.api.response_head import BODILESS, CLOSING, CLOSING_END, LINE_END, _fields
from mpserver.api.stream import FilePart, Link, Part
from mpserver.api.table import Table
from mpserver.errors import ClientGone
from mpserver.http1.dates import http_date
from mpserver.http1.response import LAST_CHUNK, REASONS, chunked_beginning, field_lines, status_line
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.input import Input
    from mpserver.api.response_head import Clock
    from mpserver.http1.head import Head

#: A file shorter than this is read and leaves in one piece with the head.
SMALL_FILE = 65536
#: Without flush, so many bytes may wait before they are sent.
BUFFER_LIMIT = 65536
#: A longer beginning of a response is not held back for its end: it fills a segment, or nearly.
HELD = 1200


class Output:
    """The sending half of a request; `Request` inherits it, and gives all of it a value."""

    __slots__ = (
        "_assbackwards", "_bytes_out", "_chunked", "_clock", "_connection_seen", "_content_encoding",
        "_content_languages", "_content_type", "_err_headers_out", "_finished", "_has_file", "_head", "_header_only",
        "_headers_out", "_length_left", "_link", "_no_cache", "_parts", "_request_time", "_sent", "_started", "_status",
        "_status_line", "_waiting",
    )  # fmt: skip

    _link: Link
    _head: Head
    _clock: Clock
    _request_time: float
    _parts: list[Part]
    _headers_out: Table | None
    _err_headers_out: Table | None
    _content_type: str | None
    _content_encoding: str | None
    _content_languages: tuple[str, ...]
    _status: int
    _status_line: str | None
    _header_only: int
    _assbackwards: int
    _no_cache: int
    #: Bytes of the body that were framed.
    _sent: int
    #: Bytes on the wire, head and framing included (%O of LogFormat).
    _bytes_out: int
    _started: bool
    _finished: bool
    _chunked: int
    #: Bytes that Content-Length still allows; None without one.
    _length_left: int | None
    _waiting: int
    #: Whether a file is, or was, among the parts.
    _has_file: bool
    #: Whether the application has seen the connection object, through which it can end keep-alive.
    _connection_seen: bool

    # ---- what applications call

    def write(self, data: str | bytes, flush: int = 1) -> None:
        """Send text (as UTF-8) or bytes (manual 4.5.3).

        The response's head goes first. Without ``flush`` the data may wait for more.

        :raises TypeError: it is neither.
        :raises IOError: the client is gone, or does not take it within Timeout.
        """
        if type(data) is str:
            data = data.encode()
        elif type(data) is not bytes:
            if isinstance(data, str):
                data = str(data).encode()
            elif isinstance(data, bytes):
                data = bytes(data)
            else:
                raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'")
        if data:
            self._parts.append(data)
            self._waiting += len(data)
        if flush or self._waiting > BUFFER_LIMIT:
            self.flush("Write failed, client closed connection.")

    def flush(self, failure: str = "Flush failed, client closed connection.") -> None:
        """Send all that waits. :raises IOError: the client is gone."""
        if self._finished:
            self._parts.clear()
            return
        if not self._started and self._parts and self.plain and self._hold():
            return
        try:
            parts = self._framed(False)
            if parts:
                self._link.send(parts)
        except ClientGone as error:
            self._aborted()
            raise ClientGone(failure) from error

    def sendfile(self, path: str, offset: int = 0, len: int = -1) -> int:
        """Send ``len`` bytes of a file (-1: all) from ``offset`` on (manual 4.5.3).

        :returns: the number of bytes.
        :raises IOError: the file can't be opened, or the client is gone.
        """
        path, offset, len = string(1, path), index(offset), index(len)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise OSError("Could not stat file for reading") from error
        except OSError as error:
            raise OSError("Could not open file for reading") from error
        part = FilePart(fd, offset, 0)
        try:
            size = os.fstat(fd).st_size
            part.length = max(0, size - offset if len < 0 else min(len, size - offset))
            length = part.length
            if not length or self._header_only:
                pass  # nothing of it is sent
            elif length <= SMALL_FILE:
                self.write(os.pread(fd, length, offset), 0)
            else:
                self._has_file = True
                self._parts.append(part)
                self._waiting += length
                part = FilePart(-1, 0, 0)  # the descriptor is the list's now
        finally:
            part.close()
        return length

    def set_content_length(self, length: int) -> None:
        """Set the Content-Length header; meaningless once the head was sent."""
        self.headers_out_table()["Content-Length"] = str(index(length))

    def headers_out_table(self) -> Table:
        """``req.headers_out``; made when first looked at."""
        raise NotImplementedError

    # ---- what the engine calls

    def finish(self) -> None:
        """The response is complete: send what is left of it."""
        if self._finished:
            return
        if self._started:
            begun = self._link.take_held()
            if begun is not None:
                self._finish_held(*begun)
                return
        elif (ending := self._plain_ending()) is not None:
            # the usual response: head and body in one piece
            parts = self._parts
            body: bytes = parts[0] if len(parts) == 1 else b"".join(parts)  # type: ignore[assignment, arg-type]
            self._sent = size = len(body)
            head = self._clock.head(self._request_time, self._content_type)
            data = b"%bContent-Length: %d\r\n%b%b" % (head, size, ending, body)
            self._bytes_out = len(data)
            self._started = self._finished = True
            self._link.finish_whole(data)
            return
        parts = self._framed(True)
        self._finished = True
        self._link.finish(parts)

    def finish_page(self, rest: bytes, size: int) -> None:
        """Answer with bytes that are known from an earlier request: further headers, the length, and the body.

        :param size: of the body. Only for a request that has no output yet and is plain.
        """
        self._started = self._finished = True
        self._sent = size
        data = self._clock.head(self._request_time, self._content_type) + rest
        self._bytes_out = len(data)
        self._link.finish_whole(data)

    def finish_unmodified(self, rest: bytes) -> None:
        """As `finish_page` with 304, which has neither a type nor a body; ``rest``: headers and the empty line."""
        self._started = self._finished = True
        self._status = constants.HTTP_NOT_MODIFIED
        data = b"%b%b%b" % (
            status_line(1, constants.HTTP_NOT_MODIFIED),
            self._clock.lines(self._request_time),
            rest,
        )
        self._bytes_out = len(data)
        self._link.finish_whole(data)

    def _hold(self) -> bool:
        """Let a flushed beginning wait for its end, which mostly follows at once: see `Link.hold`.

        Whatever the application sets from here on is too late for the head.
        """
        if self._waiting > HELD:
            return False
        parts = self._parts
        body: bytes = parts[0] if len(parts) == 1 else b"".join(parts)  # type: ignore[assignment, arg-type]
        head = self._clock.head(self._request_time, self._content_type)
        if not self._link.hold(head, body):
            return False
        self._started = True
        self._chunked = 1
        self._parts = []
        self._sent, self._waiting = self._waiting, 0
        self._bytes_out = len(head)
        return True

    def _finish_held(self, head: bytes, body: bytes | None) -> None:
        """The end of a response came before its beginning was sent."""
        self._finished = True
        if body is None or self._has_file:
            self._link.finish([chunked_beginning(head, body), *self._framed(True)])
            return
        if self._parts:
            body = b"".join([body, *self._parts])  # type: ignore[list-item]
        self._sent = size = len(body)
        data = b"%bContent-Length: %d\r\n\r\n%b" % (head, size, body)
        self._bytes_out = len(data)
        self._link.finish_whole(data)

    def _aborted(self) -> None:
        self._link.connection()._aborted = 1
        self._link.keep_alive = False
        self._finished = True
        self._drop_parts()

    def _drop_parts(self) -> None:
        for part in self._parts:
            if isinstance(part, FilePart):
                part.close()
        self._parts.clear()
        self._waiting = 0

    def _content_length(self) -> int | None:
        table = self._headers_out
        if table is None:
            return None
        value = table.get("Content-Length")
        if value is None or not value.isdecimal():
            return None
        return int(value)

    def _framed(self, last: bool) -> list[Part]:
        """The waiting parts with head and framing around them."""
        if not self._parts and not last and self._started:
            return []
        parts, size = self._parts, self._waiting
        self._parts, self._waiting = [], 0
        head = b""
        if not self._started:
            self._started = True
            head = self._head_bytes(size, last)
        # from here on the head's framing counts, whatever the status is meanwhile
        if not self._has_file and not self._header_only and self._length_left is None:
            data = self._framed_bytes(head, b"".join(parts), size, last)  # type: ignore[arg-type]
            self._bytes_out += len(data)
            return [data] if data else []
        out: list[Part] = [head] if head else []
        if self._header_only:
            for part in parts:
                if isinstance(part, FilePart):
                    part.close()
        elif self._chunked:
            if size:
                out.append(b"%x\r\n" % size)
                out += parts
                out.append(b"\r\n")
                self._sent += size
            if last:
                out.append(LAST_CHUNK)
        else:
            if self._length_left is not None:
                parts, size = self._within_length(parts, size)
                if last and self._length_left:
                    self._link.keep_alive = False  # the client waits for bytes that never come: end the connection
            out += parts
            self._sent += size
        if len(out) > 1:
            out = _joined(out)
        for part in out:
            self._bytes_out += part.length if isinstance(part, FilePart) else len(part)
        return out

    def _framed_bytes(self, head: bytes, data: bytes, size: int, last: bool) -> bytes:
        """The usual case: bytes alone, with chunks or without, whose length was not told by the application."""
        self._sent += size
        if not self._chunked:
            return head + data
        end = LAST_CHUNK if last else b""
        return b"%b%x\r\n%b\r\n%b" % (head, size, data, end) if size else head + end

    def _within_length(self, parts: list[Part], size: int) -> tuple[list[Part], int]:
        """Cut what exceeds the Content-Length: it would be taken for the next response."""
        left = self._length_left or 0
        if size > left:
            kept: list[Part] = []
            for part in parts:
                if isinstance(part, FilePart):
                    part.length = min(part.length, left)
                    left -= part.length
                else:
                    part = part[:left]
                    left -= len(part)
                kept.append(part)
            parts, size = kept, self._length_left or 0
        self._length_left = (self._length_left or 0) - size
        return parts, size

    def _head_bytes(self, size: int, last: bool) -> bytes:
        """The status line and the headers; decides the framing (RFC 9112 6.3) and keep-alive (9.3)."""
        link = self._link
        if self._assbackwards:
            link.keep_alive = False
            return b""
        return self._whole_head(size, last)

    @property
    def plain(self) -> bool:
        """Whether the application set nothing but the type, and the connection is kept without a word of it."""
        return self._plain_ending() == LINE_END

    def _plain_ending(self) -> bytes | None:
        """What ends a head of which the application set nothing but the type: most of it is the same for all requests.

        None where it set more, or the connection is kept in words.
        """
        if (
            self._status == 200 and not self._headers_out and not self._err_headers_out and not self._has_file
            and self._status_line is None and not self._header_only and not self._no_cache
            and not self._connection_seen and not self._assbackwards
            and self._content_encoding is None and not self._content_languages
        ):  # fmt: skip
            link = self._link
            if link.input is not None:
                self._settle_body(link.input)
            if not link.keep_alive:
                return CLOSING_END
            if not self._head.has_connection:
                return LINE_END
        return None

    def _settle_body(self, body: Input) -> None:
        """The head is made: it tells the client that the connection ends where it is still to send too much."""
        if not body.settle():
            self._link.keep_alive = False

    def _whole_head(self, size: int, last: bool) -> bytes:
        status, link = self._status, self._link
        if link.input is not None:
            self._settle_body(link.input)
        phrase = None
        if status < 200:
            status = constants.HTTP_INTERNAL_SERVER_ERROR  # (the client would go on waiting for the final answer)
        elif self._status_line is not None and self._status_line.startswith(f"{status} "):
            phrase = self._status_line[4:]
        elif status not in REASONS:
            status = constants.HTTP_INTERNAL_SERVER_ERROR  # (a name of its own would be needed, by status_line)
        lines = [b"", self._clock.lines(self._request_time)]
        framing = self._framing(status, size, last)
        if status in CLOSING or (link.keep_alive and self._closing_asked()):
            link.keep_alive = False
        lines[0] = status_line(1, status, phrase)
        lines += [_fields(table) for table in (self._err_headers_out, self._headers_out) if table]
        lines.append(framing)
        if not link.keep_alive:
            lines.append(b"Connection: close\r\n")
        elif "keep-alive" in (self._head.get("connection") or "").lower():
            left = f", max={link.requests_left}" if link.requests_left >= 0 else ""
            lines.append(
                f"Keep-Alive: timeout={int(link.keep_alive_timeout)}{left}\r\nConnection: Keep-Alive\r\n".encode()
            )
        if self._no_cache and not (self._headers_out and "Expires" in self._headers_out):
            lines.append(f"Expires: {http_date(self._request_time)}\r\n".encode())
        if status not in BODILESS:
            lines += self._representation()
        if self._content_type and status not in BODILESS:
            lines.append(f"Content-Type: {self._content_type}\r\n".encode("latin-1", "replace"))
        lines.append(b"\r\n")
        return b"".join(lines)

    def _representation(self) -> list[bytes]:
        """Content-Encoding and Content-Language by the file's extensions, unless a handler set them."""
        languages = ", ".join(self._content_languages)
        found = [("Content-Encoding", self._content_encoding or ""), ("Content-Language", languages)]
        headers = self._headers_out
        return [field_lines([pair]) for pair in found if pair[1] and not (headers and pair[0] in headers)]

    def _framing(self, status: int, size: int, last: bool) -> bytes:
        """The header that tells where the body ends, if it needs one; an impossible one of the application's goes."""
        headers = self._headers_out
        if status in BODILESS:
            self._length_left = 0
            if headers and status != 304:
                del headers["Content-Length"]
            return b""
        length = self._content_length()
        if length is not None:
            self._length_left = length
            return b""
        if headers and "Content-Length" in headers:
            del headers["Content-Length"]  # not a number
        if self._header_only:
            return b""  # (a length that nobody told would be that of what a HEAD's handler happened to write)
        if last:
            return f"Content-Length: {size}\r\n".encode()
        if self._head.minor:
            self._chunked = 1
            return b"Transfer-Encoding: chunked\r\n"
        self._link.keep_alive = False
        return b""

    def _closing_asked(self) -> bool:
        """Whether the application asked to close after this response, by header or through the connection object."""
        if self._connection_seen and self._link.connection().keepalive == constants.AP_CONN_CLOSE:
            return True
        for table in (self._headers_out, self._err_headers_out):
            if table:
                value = table.get("Connection")
                if value is not None and "close" in value.lower():
                    del table["Connection"]
                    return True
        return False


def _joined(parts: list[Part]) -> list[Part]:
    """Neighbouring bytes as one piece."""
    if not any(isinstance(part, FilePart) for part in parts):
        return [b"".join(parts)]  # type: ignore[arg-type]
    joined: list[Part] = []
    run: list[bytes] = []
    for part in parts:
        if isinstance(part, FilePart):
            if run:
                joined.append(b"".join(run))
                run = []
            joined.append(part)
        else:
            run.append(part)
    if run:
        joined.append(b"".join(run))
    return joined
