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
from mpserver.api.parts import FilePart, Part
from mpserver.api.response_head import BODILESS, CLOSING, CLOSING_END, LINE_END, _fields
from mpserver.api.table import Table
from mpserver.errors import ClientGone
from mpserver.http1.dates import http_date
from mpserver.http1.response import LAST_CHUNK, REASONS, chunked_beginning, field_lines, status_line
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.input import Input
    from mpserver.api.response_head import Clock
    from mpserver.api.stream import Link
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
        "mp_assbackwards", "mp_bytes_out", "mp_chunked", "mp_clock", "mp_connection_seen", "mp_content_encoding",
        "mp_content_languages", "mp_content_type", "mp_err_headers_out", "mp_finished", "mp_has_file", "mp_head",
        "mp_header_only", "mp_headers_out", "mp_length_left", "mp_link", "mp_no_cache", "mp_parts", "mp_request_time",
        "mp_sent", "mp_started", "mp_status", "mp_status_line", "mp_waiting",
    )  # fmt: skip

    mp_link: Link
    mp_head: Head
    mp_clock: Clock
    mp_request_time: float
    mp_parts: list[Part]
    mp_headers_out: Table | None
    mp_err_headers_out: Table | None
    mp_content_type: str | None
    mp_content_encoding: str | None
    mp_content_languages: tuple[str, ...]
    mp_status: int
    mp_status_line: str | None
    mp_header_only: int
    mp_assbackwards: int
    mp_no_cache: int
    #: Bytes of the body that were framed.
    mp_sent: int
    #: Bytes on the wire, head and framing included (%O of LogFormat).
    mp_bytes_out: int
    mp_started: bool
    mp_finished: bool
    mp_chunked: int
    #: Bytes that Content-Length still allows; None without one.
    mp_length_left: int | None
    mp_waiting: int
    #: Whether a file is, or was, among the parts.
    mp_has_file: bool
    #: Whether the application has seen the connection object, through which it can end keep-alive.
    mp_connection_seen: bool

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
            self.mp_parts.append(data)
            self.mp_waiting += len(data)
        if flush or self.mp_waiting > BUFFER_LIMIT:
            self.flush("Write failed, client closed connection.")

    def flush(self, failure: str = "Flush failed, client closed connection.") -> None:
        """Send all that waits. :raises IOError: the client is gone."""
        if self.mp_finished:
            self.mp_parts.clear()
            return
        if not self.mp_started and self.mp_parts and self.plain and self.mp_hold():
            return
        try:
            parts = self.mp_framed(False)
            if parts:
                self.mp_link.send(parts)
        except ClientGone as error:
            self.mp_aborted()
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
            if not length or self.mp_header_only:
                pass  # nothing of it is sent
            elif length <= SMALL_FILE:
                self.write(os.pread(fd, length, offset), 0)
            else:
                self.mp_has_file = True
                self.mp_parts.append(part)
                self.mp_waiting += length
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
        if self.mp_finished:
            return
        if self.mp_started:
            begun = self.mp_link.take_held()
            if begun is not None:
                self.mp_finish_held(*begun)
                return
        elif (ending := self.mp_plain_ending()) is not None:
            # the usual response: head and body in one piece
            parts = self.mp_parts
            body: bytes = parts[0] if len(parts) == 1 else b"".join(parts)  # type: ignore[assignment, arg-type]
            self.mp_sent = size = len(body)
            head = self.mp_clock.head(self.mp_request_time, self.mp_content_type)
            data = b"%bContent-Length: %d\r\n%b%b" % (head, size, ending, body)
            self.mp_bytes_out = len(data)
            self.mp_started = self.mp_finished = True
            self.mp_link.finish_whole(data)
            return
        parts = self.mp_framed(True)
        self.mp_finished = True
        self.mp_link.finish(parts)

    def finish_page(self, rest: bytes, size: int) -> None:
        """Answer with bytes that are known from an earlier request: further headers, the length, and the body.

        :param size: of the body. Only for a request that has no output yet and is plain.
        """
        self.mp_started = self.mp_finished = True
        self.mp_sent = size
        data = self.mp_clock.head(self.mp_request_time, self.mp_content_type) + rest
        self.mp_bytes_out = len(data)
        self.mp_link.finish_whole(data)

    def finish_unmodified(self, rest: bytes) -> None:
        """As `finish_page` with 304, which has neither a type nor a body; ``rest``: headers and the empty line."""
        self.mp_started = self.mp_finished = True
        self.mp_status = constants.HTTP_NOT_MODIFIED
        data = b"%b%b%b" % (
            status_line(1, constants.HTTP_NOT_MODIFIED),
            self.mp_clock.lines(self.mp_request_time),
            rest,
        )
        self.mp_bytes_out = len(data)
        self.mp_link.finish_whole(data)

    def mp_hold(self) -> bool:
        """Let a flushed beginning wait for its end, which mostly follows at once: see `Link.hold`.

        Whatever the application sets from here on is too late for the head.
        """
        if self.mp_waiting > HELD:
            return False
        parts = self.mp_parts
        body: bytes = parts[0] if len(parts) == 1 else b"".join(parts)  # type: ignore[assignment, arg-type]
        head = self.mp_clock.head(self.mp_request_time, self.mp_content_type)
        if not self.mp_link.hold(head, body):
            return False
        self.mp_started = True
        self.mp_chunked = 1
        self.mp_parts = []
        self.mp_sent, self.mp_waiting = self.mp_waiting, 0
        self.mp_bytes_out = len(head)
        return True

    def mp_finish_held(self, head: bytes, body: bytes | None) -> None:
        """The end of a response came before its beginning was sent."""
        self.mp_finished = True
        if body is None or self.mp_has_file:
            self.mp_link.finish([chunked_beginning(head, body), *self.mp_framed(True)])
            return
        if self.mp_parts:
            body = b"".join([body, *self.mp_parts])  # type: ignore[list-item]
        self.mp_sent = size = len(body)
        data = b"%bContent-Length: %d\r\n\r\n%b" % (head, size, body)
        self.mp_bytes_out = len(data)
        self.mp_link.finish_whole(data)

    def mp_aborted(self) -> None:
        self.mp_link.connection().mp_aborted = 1
        self.mp_link.keep_alive = False
        self.mp_finished = True
        self.mp_drop_parts()

    def mp_drop_parts(self) -> None:
        for part in self.mp_parts:
            if isinstance(part, FilePart):
                part.close()
        self.mp_parts.clear()
        self.mp_waiting = 0

    def mp_content_length(self) -> int | None:
        table = self.mp_headers_out
        if table is None:
            return None
        value = table.get("Content-Length")
        if value is None or not value.isdecimal():
            return None
        return int(value)

    def mp_framed(self, last: bool) -> list[Part]:
        """The waiting parts with head and framing around them."""
        if not self.mp_parts and not last and self.mp_started:
            return []
        parts, size = self.mp_parts, self.mp_waiting
        self.mp_parts, self.mp_waiting = [], 0
        head = b""
        if not self.mp_started:
            self.mp_started = True
            head = self.mp_head_bytes(size, last)
        # from here on the head's framing counts, whatever the status is meanwhile
        if not self.mp_has_file and not self.mp_header_only and self.mp_length_left is None:
            data = self.mp_framed_bytes(head, b"".join(parts), size, last)  # type: ignore[arg-type]
            self.mp_bytes_out += len(data)
            return [data] if data else []
        out: list[Part] = [head] if head else []
        if self.mp_header_only:
            for part in parts:
                if isinstance(part, FilePart):
                    part.close()
        elif self.mp_chunked:
            if size:
                out.append(b"%x\r\n" % size)
                out += parts
                out.append(b"\r\n")
                self.mp_sent += size
            if last:
                out.append(LAST_CHUNK)
        else:
            if self.mp_length_left is not None:
                parts, size = self.mp_within_length(parts, size)
                if last and self.mp_length_left:
                    self.mp_link.keep_alive = False  # the client waits for bytes that never come: end the connection
            out += parts
            self.mp_sent += size
        if len(out) > 1:
            out = _joined(out)
        for part in out:
            self.mp_bytes_out += part.length if isinstance(part, FilePart) else len(part)
        return out

    def mp_framed_bytes(self, head: bytes, data: bytes, size: int, last: bool) -> bytes:
        """The usual case: bytes alone, with chunks or without, whose length was not told by the application."""
        self.mp_sent += size
        if not self.mp_chunked:
            return head + data
        end = LAST_CHUNK if last else b""
        return b"%b%x\r\n%b\r\n%b" % (head, size, data, end) if size else head + end

    def mp_within_length(self, parts: list[Part], size: int) -> tuple[list[Part], int]:
        """Cut what exceeds the Content-Length: it would be taken for the next response."""
        left = self.mp_length_left or 0
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
            parts, size = kept, self.mp_length_left or 0
        self.mp_length_left = (self.mp_length_left or 0) - size
        return parts, size

    def mp_head_bytes(self, size: int, last: bool) -> bytes:
        """The status line and the headers; decides the framing (RFC 9112 6.3) and keep-alive (9.3)."""
        link = self.mp_link
        if self.mp_assbackwards:
            link.keep_alive = False
            return b""
        return self.mp_whole_head(size, last)

    @property
    def plain(self) -> bool:
        """Whether the application set nothing but the type, and the connection is kept without a word of it."""
        return self.mp_plain_ending() == LINE_END

    def mp_plain_ending(self) -> bytes | None:
        """What ends a head of which the application set nothing but the type: most of it is the same for all requests.

        None where it set more, or the connection is kept in words.
        """
        if (
            self.mp_status == 200 and not self.mp_headers_out and not self.mp_err_headers_out and not self.mp_has_file
            and self.mp_status_line is None and not self.mp_header_only and not self.mp_no_cache
            and not self.mp_connection_seen and not self.mp_assbackwards
            and self.mp_content_encoding is None and not self.mp_content_languages
        ):  # fmt: skip
            link = self.mp_link
            if link.input is not None:
                self.mp_settle_body(link.input)
            if not link.keep_alive:
                return CLOSING_END
            if not self.mp_head.has_connection:
                return LINE_END
        return None

    def mp_settle_body(self, body: Input) -> None:
        """The head is made: it tells the client that the connection ends where it is still to send too much."""
        if not body.settle():
            self.mp_link.keep_alive = False

    def mp_whole_head(self, size: int, last: bool) -> bytes:
        status, link = self.mp_status, self.mp_link
        if link.input is not None:
            self.mp_settle_body(link.input)
        phrase = None
        if status < 200:
            status = constants.HTTP_INTERNAL_SERVER_ERROR  # (the client would go on waiting for the final answer)
        elif self.mp_status_line is not None and self.mp_status_line.startswith(f"{status} "):
            phrase = self.mp_status_line[4:]
        elif status not in REASONS:
            status = constants.HTTP_INTERNAL_SERVER_ERROR  # (a name of its own would be needed, by status_line)
        lines = [b"", self.mp_clock.lines(self.mp_request_time)]
        framing = self.mp_framing(status, size, last)
        if status in CLOSING or (link.keep_alive and self.mp_closing_asked()):
            link.keep_alive = False
        lines[0] = status_line(1, status, phrase)
        lines += [_fields(table) for table in (self.mp_err_headers_out, self.mp_headers_out) if table]
        lines.append(framing)
        if not link.keep_alive:
            lines.append(b"Connection: close\r\n")
        elif "keep-alive" in (self.mp_head.get("connection") or "").lower():
            left = f", max={link.requests_left}" if link.requests_left >= 0 else ""
            lines.append(
                f"Keep-Alive: timeout={int(link.keep_alive_timeout)}{left}\r\nConnection: Keep-Alive\r\n".encode()
            )
        if self.mp_no_cache and not (self.mp_headers_out and "Expires" in self.mp_headers_out):
            lines.append(f"Expires: {http_date(self.mp_request_time)}\r\n".encode())
        if status not in BODILESS:
            lines += self.mp_representation()
        if self.mp_content_type and status not in BODILESS:
            lines.append(f"Content-Type: {self.mp_content_type}\r\n".encode("latin-1", "replace"))
        lines.append(b"\r\n")
        return b"".join(lines)

    def mp_representation(self) -> list[bytes]:
        """Content-Encoding and Content-Language by the file's extensions, unless a handler set them."""
        languages = ", ".join(self.mp_content_languages)
        found = [("Content-Encoding", self.mp_content_encoding or ""), ("Content-Language", languages)]
        headers = self.mp_headers_out
        return [field_lines([pair]) for pair in found if pair[1] and not (headers and pair[0] in headers)]

    def mp_framing(self, status: int, size: int, last: bool) -> bytes:
        """The header that tells where the body ends, if it needs one; an impossible one of the application's goes."""
        headers = self.mp_headers_out
        if status in BODILESS:
            self.mp_length_left = 0
            if headers and status != 304:
                del headers["Content-Length"]
            return b""
        length = self.mp_content_length()
        if length is not None:
            self.mp_length_left = length
            return b""
        if headers and "Content-Length" in headers:
            del headers["Content-Length"]  # not a number
        if self.mp_header_only:
            return b""  # (a length that nobody told would be that of what a HEAD's handler happened to write)
        if last:
            return f"Content-Length: {size}\r\n".encode()
        if self.mp_head.minor:
            self.mp_chunked = 1
            return b"Transfer-Encoding: chunked\r\n"
        self.mp_link.keep_alive = False
        return b""

    def mp_closing_asked(self) -> bool:
        """Whether the application asked to close after this response, by header or through the connection object."""
        if self.mp_connection_seen and self.mp_link.connection().keepalive == constants.AP_CONN_CLOSE:
            return True
        for table in (self.mp_headers_out, self.mp_err_headers_out):
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
