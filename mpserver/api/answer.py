"""What a request tells of its response: before the head is made what will be in it, afterwards what went out."""

from __future__ import annotations

from mpserver.api.members import ReadOnly, header_text, integer, readonly
from mpserver.api.output import Sending
from mpserver.api.response_head import BODILESS
from mpserver.api.table import HeaderTable, Table
from mpserver.errors import ClientGone
from mpserver.http1.response import status_line
from mpserver.typing import Self

#: Lines of a head that the tables never tell of (as httpd's, which adds them on the way out).
UNTOLD = frozenset({"date", "server"})


class Answer(Sending):
    """The members of ``req`` that are about the response, as far as the engine's own are not enough."""

    __slots__ = ("__dict__", "__weakref__", "mp_content_type_set")

    #: The table that tells what went out, once it does.
    mp_told: Table | None = None
    #: What `chunked` was set to by an application.
    mp_chunked_told: int | None = None
    #: See `RequestMembers`.
    mp_next: Self | None
    mp_main: Self | None
    mp_content_type_set: int

    @property
    def mp_answered(self) -> bool:
        """Whether it has a head of its own, which was made: a part of a page has none, nor what was redirected."""
        return self.mp_started and self.mp_next is None and self.mp_main is None and not self.mp_assbackwards

    # ---- the headers

    @ReadOnly
    def headers_out(self) -> Table:
        """The headers of the response; dropped when an error status is returned."""
        table = self.mp_headers_out_table()
        if self.mp_started and self.mp_told is not table and self.mp_answered:
            self.mp_tell(table)
        return table

    @ReadOnly
    def err_headers_out(self) -> Table:
        """Headers that are sent with every response, errors too; once the head was made `headers_out` has them."""
        if self.mp_started and self.mp_told is not self.mp_headers_out_table() and self.mp_answered:
            self.mp_tell(self.mp_headers_out_table())
        if self.mp_err_headers_out is None:
            self.mp_err_headers_out = HeaderTable()
        return self.mp_err_headers_out

    def mp_tell(self, table: Table) -> None:
        """Put what went out into `headers_out`."""
        if not self.mp_finished:
            try:
                self.mp_link.send([])  # a beginning that waits for its end goes out now, and can be told of
            except ClientGone:
                self.mp_aborted()
        lines = self.mp_sent_head().split("\r\n")[1:]
        table.clear()
        for line in lines:
            name, _, value = line.partition(": ")
            if name.lower() not in UNTOLD:
                table.add(name, value)
        if self.mp_err_headers_out is not None:
            self.mp_err_headers_out.clear()
        self.mp_told = table

    def mp_sent_head(self) -> str:
        """The status line and the headers that went out; that of a usual response is made anew."""
        sent = self.mp_head_sent
        if sent is not None:
            return sent.partition(b"\r\n\r\n")[0].decode("latin-1")
        length = b"Transfer-Encoding: chunked" if self.mp_chunked else b"Content-Length: %d" % self.mp_sent
        head = self.mp_clock.head(self.mp_request_time, self.mp_content_type) + length
        return head.decode("latin-1") + ("" if self.mp_link.keep_alive else "\r\nConnection: close")

    # ---- the status line and the length

    @property
    def status_line(self) -> str | None:
        """'404 Gone'; must agree with status. The one that was sent, once it was."""
        if self.mp_answered:
            sent = self.mp_head_sent
            line = status_line(1, 200) if sent is None else sent.partition(b"\r\n")[0]
            return line.decode("latin-1").strip().partition(" ")[2]
        return self.mp_status_line

    @status_line.setter
    def status_line(self, value: str) -> None:
        self.mp_status_line = header_text("status_line", value)

    @status_line.deleter
    def status_line(self) -> None:
        raise TypeError("can't delete the attribute 'status_line'")

    @ReadOnly
    def clength(self) -> int:
        """The length of the response as it was set or sent, 0 before that."""
        if self.mp_answered and self.mp_told is None:
            self.mp_tell(self.mp_headers_out_table())
        return self.mp_content_length() or 0

    @property
    def chunked(self) -> int:
        """1 once the response is sent in chunks; what an application sets is shown, and changes nothing of that."""
        return self.mp_chunked if self.mp_chunked_told is None else self.mp_chunked_told

    @chunked.setter
    def chunked(self, value: int) -> None:
        self.mp_chunked_told = integer("chunked", value)

    @chunked.deleter
    def chunked(self) -> None:
        raise TypeError("can't delete the attribute 'chunked'")

    @property
    def content_type(self) -> str | None:
        """The media type of the response."""
        return self.mp_content_type

    @content_type.setter
    def content_type(self, value: str) -> None:
        if type(value) is not str or not (value.isascii() and value.isprintable()):
            value = header_text("content_type", value)
        self.mp_content_type = value
        self.mp_content_type_set = 1

    # ---- how far it is

    bytes_sent: int = readonly("mp_sent", "Bytes of the body sent.")
    sent_bodyct: int = readonly("mp_sent_bodyct", "1 once the body began.")
    eos_sent: int = readonly("mp_eos_sent", "1 once the response was ended.")
    _content_type_set: int = readonly("mp_content_type_set", "1 once content_type was set by an application.")

    @ReadOnly
    def _bytes_queued(self) -> int:
        """Bytes given to write() and sendfile() (api 3.5 2.1)."""
        return self.mp_sent if self.mp_finished else self.mp_sent + self.mp_waiting

    @property
    def mp_sent_bodyct(self) -> int:
        """What `sent_bodyct` tells."""
        return int(self.mp_answered and not self.mp_header_only and self.mp_status not in BODILESS)

    @property
    def mp_eos_sent(self) -> int:
        """What `eos_sent` tells."""
        return int(self.mp_finished)
