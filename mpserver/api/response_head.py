"""A response's head: status line and fields, and how its body is framed (RFC 9112 sections 4 to 6)."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.table import HeaderTable, Table
from mpserver.http1.dates import http_date
from mpserver.http1.response import REASONS, field_lines, status_line
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.api.input import Input
    from mpserver.api.own_framing import OwnChunks
    from mpserver.api.parts import Part
    from mpserver.api.stream import Link
    from mpserver.http1.head import Head

#: Statuses after which httpd closes the connection.
CLOSING = frozenset({400, 408, 411, 413, 414, 500, 501, 503})

#: The registered statuses, and what each is called.
STATUSES = REASONS

#: Statuses that never have a body (RFC 9110 6.4.1).
BODILESS = frozenset({204, 304})

#: What ends a head.
LINE_END = b"\r\n"

#: What ends a head of a response after which the connection closes.
CLOSING_END = b"Connection: close\r\n\r\n"

#: Headers that the server alone decides.
OWN = frozenset({"date", "server", "connection", "keep-alive", "transfer-encoding", "content-type"})
#: Variables of a request's environment, in lower case, that rule over its response.
RULING = frozenset({"nokeepalive", "downgrade-1.0", "force-response-1.0", "force-no-vary"})
#: These, where no type of the content is known: the one that is in a table then is sent.
OWN_BUT_TYPE = OWN - {"content-type"}
#: Of `ResponseHead.mp_head_depends`: nothing but a `mpserver.api.fixed_head.FixedHead` waits for the head.
FIXED = 2
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


def fields(table: Table, own: frozenset[str]) -> bytes:
    """The table's headers but for the server's own.

    :raises ValueError: one could split the response (refused where it is set, and here).
    """
    return field_lines([pair for pair in table.pairs() if pair[0].lower() not in own])


class HeadRoom(NamedTuple):
    """How many header fields may be set for a response, and how many bytes its head may have."""

    fields: int
    size: int

    def check(self, fields: int, size: int) -> None:
        """A head has so many. :raises ValueError: these are too many; the text says which, and what allows more."""
        if fields > self.fields:
            raise ValueError(f"{fields} header fields are set for it, and LimitResponseFields is {self.fields}")
        if size > self.size:
            raise ValueError(f"its head has {size} bytes, and LimitResponseHead is {self.size}")


class ResponseHead:
    """What a response's head is made of, and making it; `Request` inherits it, and gives all of it a value."""

    __slots__ = (
        "mp_chunked", "mp_clock", "mp_content_encoding", "mp_content_languages", "mp_content_type",
        "mp_has_file", "mp_head", "mp_head_depends", "mp_head_sent", "mp_header_only",
        "mp_headers_out", "mp_length_left", "mp_link", "mp_request_time", "mp_status", "mp_status_line",
    )  # fmt: skip

    mp_link: Link
    #: Its server, see `mpserver.phases.host.Host`; None: it has none.
    mp_host: Any
    mp_head: Head
    mp_clock: Clock
    #: When the request began, seconds since the epoch.
    mp_request_time: float
    mp_headers_out: Table | None
    mp_err_headers_out: Table | None
    mp_content_type: str | None
    mp_content_encoding: str | None
    mp_content_languages: tuple[str, ...]
    mp_status: int
    mp_status_line: str | None
    #: What was sent from the status line on, as far as it has anything that a usual response has not.
    mp_head_sent: bytes | None
    mp_header_only: int
    #: What changes the head just before it is made; a `mpserver.api.fixed_head.FixedHead` where that is all that
    #: ``mp_head_depends`` is for.
    mp_before_head: Any
    mp_assbackwards: int
    mp_no_cache: int
    mp_chunked: int
    #: The chunks that the application makes itself; None: it makes none.
    mp_own_chunks: OwnChunks | None
    #: What was written and not sent yet.
    mp_parts: list[Part]
    #: Bytes that Content-Length still allows; None without one.
    mp_length_left: int | None
    #: Whether a file is, or was, among the parts.
    mp_has_file: bool
    #: Whether the head depends on more than its tables: the application has seen the connection object, through which
    #: it can end keep-alive; variables that rule over the response may be set; modules have something to change. It is
    #: FIXED where the last is all, and they do the same to each response.
    mp_head_depends: int
    mp_env: Table | None
    #: The Date and Server lines of the server that the response comes from, where that is another one.
    mp_origin: bytes

    @property
    def mp_log(self) -> ErrorLog:
        """The error log of its server."""
        raise NotImplementedError

    def mp_headers_out_table(self) -> Table:
        """``req.headers_out``; made when first looked at."""
        if self.mp_headers_out is None:
            self.mp_headers_out = HeaderTable()
        return self.mp_headers_out

    def mp_change_head(self) -> None:
        """Have the modules change it that wait for it to be made."""
        raise NotImplementedError

    def mp_content_length(self) -> int | None:
        """The Content-Length that was set, in bytes; None without one, or where that is no number, or several."""
        told: set[str] = set()
        for table in self.mp_tables_with("Content-Length"):
            value = table["Content-Length"]
            told.update([value] if isinstance(value, str) else value)
        length = told.pop() if len(told) == 1 else ""
        return int(length) if length.isdecimal() and length.isascii() else None

    def mp_tables_with(self, name: str) -> list[Table]:
        """Those of the two tables of headers that have one of this name."""
        return [table for table in (self.mp_err_headers_out, self.mp_headers_out) if table and name in table]

    def mp_drop_framing(self) -> None:
        """Forget what the headers say of the body's framing: another body takes its place."""
        if self.mp_err_headers_out or self.mp_headers_out:
            for name in ("Content-Length", "Transfer-Encoding"):
                for table in self.mp_tables_with(name):
                    del table[name]

    def mp_head_bytes(self, size: int, last: bool) -> bytes:
        """The status line and the headers; decides the framing (RFC 9112 6.3) and keep-alive (9.3)."""
        link = self.mp_link
        if self.mp_assbackwards:
            link.keep_alive = False
            return b""
        return self.mp_whole_head(size, last)

    def mp_plain_ending(self) -> bytes | None:
        """What ends a head of which the application set nothing but the type: most of it is the same for all requests.

        None where it set more, or the connection is kept in words.
        """
        if (
            self.mp_status == 200 and not self.mp_headers_out and not self.mp_err_headers_out and not self.mp_has_file
            and self.mp_status_line is None and not self.mp_header_only and not self.mp_no_cache
            and not self.mp_head_depends and not self.mp_assbackwards
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

    def mp_ending_but_fixed(self) -> bytes | None:
        """As `mp_plain_ending`, but that a head may have what all heads of its plan have."""
        if self.mp_head_depends != FIXED:
            return self.mp_plain_ending()
        self.mp_head_depends = False
        ending = self.mp_plain_ending()
        self.mp_head_depends = FIXED
        return ending

    def mp_settle_body(self, body: Input) -> None:
        """The head is made: it tells the client that the connection ends where it is still to send too much."""
        if not body.settle():
            self.mp_link.keep_alive = False

    def mp_whole_head(self, size: int, last: bool) -> bytes:
        """Any head: its lines, with the framing and what becomes of the connection.

        :param size: of the body so far, in bytes; ``last``: whether that is all of it.
        """
        if self.mp_head_depends:
            self.mp_change_head()
        status, link = self.mp_status, self.mp_link
        if link.input is not None:
            self.mp_settle_body(link.input)
        minor, version = self.mp_ruled() if self.mp_env else (self.mp_head.minor, 1)
        phrase = None
        if status < 200:
            status = constants.HTTP_INTERNAL_SERVER_ERROR  # (the client would go on waiting for the final answer)
        elif self.mp_status_line is not None and self.mp_status_line.startswith(f"{status} "):
            phrase = self.mp_status_line[4:]
        elif status not in REASONS:
            status = constants.HTTP_INTERNAL_SERVER_ERROR  # (a name of its own would be needed, by status_line)
        lines = [b"", self.mp_origin or self.mp_clock.lines(self.mp_request_time)]
        framing = self.mp_framing(status, size, last, minor)
        if status in CLOSING or (link.keep_alive and self.mp_closing_asked()):
            link.keep_alive = False
        lines[0] = status_line(version, status, phrase)
        tables = []
        if self.mp_err_headers_out or self.mp_headers_out:  # (most pages of the server's own have neither)
            own = OWN if self.mp_content_type else OWN_BUT_TYPE
            tables = [table for table in (self.mp_err_headers_out, self.mp_headers_out) if table]
            lines += [fields(table, own) for table in tables]
        lines.append(framing)
        if not link.keep_alive:
            lines.append(b"Connection: close\r\n")
        elif self.mp_head.has_connection and "keep-alive" in (self.mp_head.get("connection") or "").lower():
            left = f", max={link.requests_left}" if link.requests_left >= 0 else ""
            lines.append(
                f"Keep-Alive: timeout={int(link.keep_alive_timeout)}{left}\r\nConnection: Keep-Alive\r\n".encode()
            )
        if self.mp_no_cache and not (self.mp_headers_out and "Expires" in self.mp_headers_out):
            lines.append(f"Expires: {http_date(self.mp_request_time)}\r\n".encode())
        if status not in BODILESS:
            if self.mp_content_encoding or self.mp_content_languages:
                lines += self.mp_representation()
            if self.mp_content_type:
                lines.append(f"Content-Type: {self.mp_content_type}\r\n".encode("latin-1", "replace"))
        lines.append(b"\r\n")
        if 0 != self.mp_head_depends != FIXED:
            link.connection().mp_told(link.keep_alive, link.keep_alive or link.requests_left == 0)
        head = b"".join(lines)
        if tables and self.mp_host is not None:
            self.mp_host.head_room.check(sum(map(len, tables)), len(head))
        self.mp_head_sent = head
        return head

    def mp_representation(self) -> list[bytes]:
        """Content-Encoding and Content-Language by the file's extensions, unless a handler set them."""
        languages = ", ".join(self.mp_content_languages)
        found = [("Content-Encoding", self.mp_content_encoding or ""), ("Content-Language", languages)]
        headers = self.mp_headers_out
        return [field_lines([pair]) for pair in found if pair[1] and not (headers and pair[0] in headers)]

    def mp_ruled(self) -> tuple[int, int]:
        """Do what variables say of the response (httpd manual, "Environment Variables in Apache": special purpose).

        :returns: the minor version that the client is taken to understand, and the one that the status line names.
        """
        env, minor = self.mp_env or (), self.mp_head.minor
        forced = "force-response-1.0" in env
        if "force-no-vary" in env:
            if self.mp_headers_out:
                del self.mp_headers_out["Vary"]
            minor, forced = 0, True
        elif "downgrade-1.0" in env:
            minor = 0
        if minor < self.mp_head.minor and "keep-alive" not in (self.mp_head.get("connection") or "").lower():
            self.mp_link.keep_alive = False
        if "nokeepalive" in env or (forced and not minor):
            self.mp_link.keep_alive = False
        return minor, 0 if forced and not minor else 1

    def mp_framing(self, status: int, size: int, last: bool, minor: int) -> bytes:
        """The header that tells where the body ends, if it needs one; an impossible one of the application's goes."""
        if status in BODILESS:
            self.mp_length_left = 0
            if status != 304:
                self.mp_drop_framing()
            return b""
        if (self.mp_err_headers_out or self.mp_headers_out) and (framing := self.mp_told_framing()) is not None:
            return framing
        if self.mp_header_only:
            return b""  # (a length that nobody told would be that of what a HEAD's handler happened to write)
        if last:
            return f"Content-Length: {size}\r\n".encode()
        if minor:
            self.mp_chunked = 1
            return b"Transfer-Encoding: chunked\r\n"
        self.mp_link.keep_alive = False
        return b""

    def mp_told_framing(self) -> bytes | None:
        """The header for a body that the application's own headers frame; None where they don't, or can't be let."""
        if tables := self.mp_tables_with("Transfer-Encoding"):
            framing = self.mp_own_framing(tables)
            if framing is not None:
                return framing
        if tables := self.mp_tables_with("Content-Length"):
            length = self.mp_content_length()
            if length is None or len(tables) > 1 or not isinstance(tables[0]["Content-Length"], str):
                for table in tables:  # (two lines, and be they equal, are what requests are smuggled with)
                    del table["Content-Length"]
            if length is not None:
                self.mp_length_left = length
                return b"" if "Content-Length" in tables[0] else b"Content-Length: %d\r\n" % length
        return None

    def mp_own_framing(self, tables: list[Table]) -> bytes | None:
        """The header for a body that the application has coded itself; None where the server frames it all the same.

        :param tables: where its Transfer-Encoding is.
        """
        from mpserver.api import own_framing  # (few responses are)

        codings = own_framing.codings(tables)
        if not codings:
            return None
        is_old, parts = not self.mp_head.minor, self.mp_parts
        if codings[-1] == own_framing.CHUNKED:
            if parts and not self.mp_header_only and not own_framing.begins_with_chunk(parts[0]):
                return None
            self.mp_own_chunks = own_framing.OwnChunks(is_old, self.mp_log)  # type: ignore[misc]  # (few have any)
            del codings[-1]
        elif not is_old:
            self.mp_chunked = 1
        for table in self.mp_tables_with("Content-Length"):
            del table["Content-Length"]
        if is_old:
            self.mp_link.keep_alive = False  # (it alone tells where the body ends)
        else:
            codings.append(own_framing.CHUNKED)
        return f"Transfer-Encoding: {', '.join(codings)}\r\n".encode("latin-1") if codings else b""

    def mp_closing_asked(self) -> bool:
        """Whether the application asked to close after this response, by header or through the connection object."""
        if 0 != self.mp_head_depends != FIXED and self.mp_link.connection().keepalive == constants.AP_CONN_CLOSE:
            return True
        if self.mp_headers_out or self.mp_err_headers_out:
            for table in (self.mp_headers_out, self.mp_err_headers_out):
                if table:
                    value = table.get("Connection")
                    if value is not None and "close" in value.lower():
                        del table["Connection"]
                        return True
        return False
