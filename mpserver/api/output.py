"""Sending the response: ``req.write``, ``flush``, ``sendfile`` and the head that goes before them.

A response whose body is complete before anything was flushed leaves in one piece with its
Content-Length. A flush sends the head at once; what follows is chunked (RFC 9112 7.1), or ends
with the connection for an HTTP/1.0 client, unless the application gave a Content-Length.
"""

from __future__ import annotations

import os

from mpserver.api import constants
from mpserver.api.members import string
from mpserver.api.parts import FilePart, Part, ReadPart, close_files
from mpserver.api.response_head import FIXED, LINE_END, ResponseHead
from mpserver.builtin import index
from mpserver.errors import ClientGone
from mpserver.http1.response import LAST_CHUNK, chunked_beginning, status_line
from mpserver.typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from mpserver.api.plan import RequestPlan

#: A file shorter than this is read and leaves in one piece with the head.
SMALL_FILE = 65536
#: Without flush, so many bytes may wait before they are sent.
BUFFER_LIMIT = 65536
#: A longer beginning of a response is not held back for its end: it fills a segment, or nearly.
HELD = 1200


class OutputChain(Protocol):
    """The filters that a response runs through; `mpserver.api.output_filters.Chain` is them."""

    #: Whether they are done with what is sent now.
    sending: bool

    def flush(self) -> None:
        """Send all that waits, as far as the filters let it. :raises IOError: the client is gone."""

    def finish(self) -> None:
        """The response is complete: send what is left of it, and of what the filters keep."""

    def move(self, req: Any) -> None:
        """Be those of another request."""

    def drop(self) -> None:
        """The response is given up: so are the filters."""


class Sending(ResponseHead):
    """The sending half of a request; `Request` inherits it, and gives all of it a value."""

    __slots__ = ("mp_bytes_out", "mp_finished", "mp_parts", "mp_sent", "mp_started", "mp_waiting")

    #: What was written and not sent yet, and its size in bytes.
    mp_parts: list[Part]
    mp_waiting: int
    #: The output filters, None where there are none: most requests have none, and pay nothing for them.
    mp_chain: OutputChain | None
    #: Bytes of the body that were framed.
    mp_sent: int
    #: Bytes on the wire, head and framing included (%O of LogFormat).
    mp_bytes_out: int
    #: Whether the head was made, and whether the response is complete.
    mp_started: bool
    mp_finished: bool
    #: The request that it is redirected to now, which has the response.
    mp_heir: Self | None
    mp_plan: RequestPlan

    # ---- what applications call

    def write(self, string: str | bytes, flush: int = 1) -> None:
        """Send text (as UTF-8) or bytes (manual 4.5.3).

        The response's head goes first. Without ``flush`` the data may wait for more.

        :raises TypeError: it is neither.
        :raises IOError: the client is gone, or does not take it within Timeout.
        """
        data = string
        if type(data) is str:
            data = data.encode()
        elif type(data) is not bytes:
            if isinstance(data, str):
                data = str(data).encode()
            elif isinstance(data, bytes):
                data = bytes(data)
            else:
                raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'")
        if not data:
            return  # nothing is no reason to send the head
        self.mp_parts.append(data)
        self.mp_waiting += len(data)
        if flush or self.mp_waiting > BUFFER_LIMIT:
            self.mp_flush("Write failed, client closed connection.")

    def flush(self, failure: str = "Flush failed, client closed connection.") -> None:
        """Send all that waits. :raises IOError: the client is gone."""
        chain = self.mp_chain
        if chain is not None and not chain.sending:
            chain.flush()
            return
        if self.mp_finished:
            close_files(self.mp_parts)
            self.mp_waiting = 0
            return
        if self.mp_heir is not None:
            parts, size = self.mp_parts, self.mp_waiting
            self.mp_parts, self.mp_waiting = [], 0
            self.mp_heir.mp_pass_on(parts, size)
            return
        if (
            not self.mp_started
            and self.mp_parts
            and chain is None
            and (self.mp_plain_ending() == LINE_END or self.mp_head_depends == FIXED)
            and self.mp_hold()
        ):
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
        part = (ReadPart if self.mp_plan.reads_files else FilePart)(fd, offset, 0)
        try:
            size = os.fstat(fd).st_size
            part.length = max(0, size - offset if len < 0 else min(len, size - offset))
            length = part.length
            if not length or (self.mp_header_only and self.mp_chain is None):
                pass  # nothing of it is sent
            elif length <= SMALL_FILE:
                data = os.pread(fd, length, offset)
                if self.mp_header_only:  # filters need the body all the same; nothing may leave meanwhile
                    self.mp_parts.append(data)
                    self.mp_waiting += data.__len__()
                else:
                    self.mp_write(data, 0)
            else:
                self.mp_has_file = True
                self.mp_parts.append(part)
                self.mp_waiting += length
                part = FilePart(-1, 0, 0)  # the descriptor is the list's now
        finally:
            part.close()
        return length

    def set_content_length(self, len: int) -> None:
        """Set the Content-Length header, in bytes; meaningless once the head was sent."""
        self.mp_headers_out_table()["Content-Length"] = str(index(len))

    # ---- what the engine calls

    # (an application may have put something of its own in the place of a method: req.write = ...)
    mp_write = write
    mp_flush = flush
    mp_sendfile = sendfile
    mp_set_content_length = set_content_length

    def mp_finish(self) -> None:
        """The response is complete: send what is left of it."""
        chain = self.mp_chain
        if chain is not None and not chain.sending:
            chain.finish()
            return
        if self.mp_finished:
            if self.mp_parts:
                close_files(self.mp_parts)
            return
        if self.mp_started:
            begun = self.mp_link.take_held()
            if begun is not None:
                self.mp_finish_held(begun[0], begun[1])  # (which costs less than to spread it)
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
        elif self.mp_head_depends == FIXED and (lines := self.mp_fixed_lines()) is not None:
            parts = self.mp_parts
            body = parts[0] if len(parts) == 1 else b"".join(parts)  # type: ignore[assignment, arg-type]
            size = len(body)
            self.mp_finish_page(b"%bContent-Length: %d\r\n\r\n%b" % (lines, size, body), size)
            return
        parts = self.mp_framed(True)
        self.mp_finished = True
        self.mp_link.finish(parts)

    def mp_fixed_lines(self) -> bytes | None:
        """The fields of a response that has none but those of all of its plan; None if it has."""
        if self.mp_ending_but_fixed() != LINE_END:
            return None
        fixed = self.mp_before_head
        return fixed.lines if fixed else b""  # (none: they were the directory's whose index this is)

    def mp_finish_page(self, rest: bytes, size: int) -> None:
        """Answer with bytes that are known from an earlier request: further headers, the length, and the body.

        :param size: of the body. Only for a request that has no output yet and is plain.
        """
        self.mp_started = self.mp_finished = True
        self.mp_sent = size
        self.mp_head_sent = data = self.mp_clock.head(self.mp_request_time, self.mp_content_type) + rest
        self.mp_bytes_out = len(data)
        self.mp_link.finish_whole(data)

    def mp_finish_made(self, head: bytes, body: bytes) -> None:
        """Answer with a head that is made already, with its framing, and its body.

        Only for a request that has no output yet, and whose head nobody is to change.
        """
        self.mp_started = self.mp_finished = True
        self.mp_sent = len(body)
        self.mp_head_sent = head
        data = head + body
        self.mp_bytes_out = len(data)
        self.mp_link.finish_whole(data)

    def mp_finish_unmodified(self, rest: bytes) -> None:
        """As `mp_finish_page` with 304, which has neither a type nor a body; ``rest``: headers and the empty line."""
        self.mp_started = self.mp_finished = True
        self.mp_status = constants.HTTP_NOT_MODIFIED
        data = b"%b%b%b" % (
            status_line(1, constants.HTTP_NOT_MODIFIED),
            self.mp_clock.lines(self.mp_request_time),
            rest,
        )
        self.mp_head_sent = data
        self.mp_bytes_out = len(data)
        self.mp_link.finish_whole(data)

    def mp_hold(self) -> bool:
        """Let a flushed beginning wait for its end, which mostly follows at once: see `Link.hold`.

        Whatever the application sets from here on is too late for the head.
        """
        size = self.mp_waiting
        if size > HELD:
            return False
        parts, depends = self.mp_parts, self.mp_head_depends
        body: bytes = parts[0] if len(parts) == 1 else b"".join(parts)  # type: ignore[assignment, arg-type]
        head = self.mp_clock.head(self.mp_request_time, self.mp_content_type)
        if depends:
            lines = self.mp_fixed_lines()
            if lines is None:
                return False
            head += lines
        if not self.mp_link.hold(head, body):
            return False
        if depends:
            self.mp_head_sent = head + b"Transfer-Encoding: chunked\r\n\r\n"
        self.mp_started = True
        self.mp_chunked = 1
        self.mp_parts = []
        self.mp_sent, self.mp_waiting = size, 0
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
        self.mp_chunked = 0
        data = b"%bContent-Length: %d\r\n\r\n%b" % (head, size, body)
        if self.mp_head_sent is not None:
            self.mp_head_sent = data
        self.mp_bytes_out = len(data)
        self.mp_link.finish_whole(data)

    def mp_pass_on(self, parts: list[Part], size: int) -> None:
        """Send what the request that was redirected here writes meanwhile: at once, in this one's response.

        :raises ClientGone: the client is gone.
        """
        chain, kept = self.mp_chain, (self.mp_parts, self.mp_waiting)
        sending = chain is not None and chain.sending
        self.mp_parts, self.mp_waiting = parts, size
        self.mp_has_file = self.mp_has_file or any(isinstance(part, FilePart) for part in parts)
        if chain is not None:
            chain.sending = True  # (its filters are for what this one writes)
        try:
            self.mp_flush()
        finally:
            if chain is not None:
                chain.sending = sending
            self.mp_parts, self.mp_waiting = kept

    def mp_aborted(self) -> None:
        """The client is gone, or must not take what it got for a whole response: the connection ends."""
        self.mp_link.connection().mp_aborted = 1
        self.mp_link.keep_alive = False
        self.mp_finished = True
        self.mp_drop_parts()

    def mp_drop_parts(self) -> None:
        """The response is given up, or another one takes its place: that has no filters, as in httpd."""
        if self.mp_chain is not None:
            self.mp_chain.drop()
            self.mp_chain = None  # type: ignore[misc]  # (`Request` has a place for it)
        for part in self.mp_parts:
            if isinstance(part, FilePart):
                part.close()
        self.mp_parts.clear()
        self.mp_waiting = 0

    def mp_framed(self, last: bool) -> list[Part]:
        """The waiting parts with head and framing around them."""
        if not self.mp_parts and not last and self.mp_started:
            return []
        parts, size = self.mp_parts, self.mp_waiting
        head = b""
        if not self.mp_started:
            self.mp_started = True
            try:
                head = self.mp_head_bytes(size, last)
            except BaseException:  # (values of an application's own types may raise anything as they become text)
                self.mp_started = False  # an error can be answered still
                self.mp_chunked, self.mp_length_left = 0, None  # (that has a framing of its own)
                if self.mp_own_chunks is not None:
                    self.mp_own_chunks = None  # type: ignore[misc]  # (see mp_own_framing)
                raise
        self.mp_parts, self.mp_waiting = [], 0
        # from here on the head's framing counts, whatever the status is meanwhile
        if (
            not self.mp_has_file and not self.mp_header_only and self.mp_length_left is None
            and self.mp_own_chunks is None
        ):  # fmt: skip
            data = self.mp_framed_bytes(head, b"".join(parts), size, last)  # type: ignore[arg-type]
            self.mp_bytes_out += len(data)
            return [data] if data else []
        out: list[Part] = [head] if head else []
        if self.mp_header_only:
            for part in parts:
                if isinstance(part, FilePart):
                    part.close()
        elif self.mp_own_chunks is not None:
            out += self.mp_own_chunks.take(parts, last)
            self.mp_sent += size
            if last and not self.mp_own_chunks.whole:
                self.mp_link.keep_alive = False
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
