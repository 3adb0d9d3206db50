"""Request heads: bytes to a Head (RFC 9112 sections 2, 3, 5, 6 and 9; RFC 9110 sections 7.2 and 10.1.1).

What two parsers could read differently is refused, never repaired: a request that is let through
here means the same to every server and proxy behind and before us. The statuses are httpd's.

``parse_head`` is for the usual case that a head arrives whole. Where it did not, HeadReader goes
on: it looks for the ends of lines in every byte once, however small the pieces are, and has the
head parsed when it is complete.

Below it: `mpserver.http1.fields` reads the lines of fields, and `mpserver.http1.blocks` finds what follows
from them (the body's length, keep-alive, conditions) and remembers the blocks that come again.
"""

from __future__ import annotations

from mpserver import lazyre
from mpserver.errors import RequestError
from mpserver.http1.blocks import FIRST, Block, read_block
from mpserver.http1.fields import TCHAR, Limits, is_token
from mpserver.http1.target import ORIGIN_FORM, is_authority, read_target, usual_name
from mpserver.http1.wire import decoded
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.http1.blocks import Blocks, Merged

__all__ = ["Head", "HeadReader", "Limits", "parse_head"]

_MAX_EMPTY_LINES = 10  # before the request line; httpd's number

# RFC 9112 3: request-line = method SP request-target SP HTTP-version
#         2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT
# The usual case only, an origin-form target (which CONNECT has not) and version 1.x; _other_line
# reads the rest.
_request_line = lazyre.now(rf"(?!CONNECT )([{TCHAR}]++) ({ORIGIN_FORM}) HTTP/1\.([0-9])").fullmatch
_version = lazyre.compile(r"HTTP/([0-9])\.[0-9]")
# RFC 9112 2.2: a server should ignore at least one empty line before the request line.
_empty_lines = lazyre.now(rb"(?:\r\n)*+").match


class Head:
    """The head of one request. Nothing in it changes: a later request may get the same object.

    ``method``, ``target`` and ``line`` (the request line without CRLF) are as sent, latin-1.
    ``minor`` is 0 or 1; HTTP/1.2 and later count as 1. ``host`` is the authority of an
    absolute-form target, else the Host field, as sent; None if an HTTP/1.0 client sent none.
    ``path`` is still %-encoded, ``*`` for OPTIONS of the whole server,
    ``query`` is None without ``?``. ``length`` is the body's Content-Length, 0 for no body and
    CHUNKED. ``has_connection`` tells that there is a Connection field. ``expects_continue`` is only
    true where a body follows. ``conditional``: there is a condition (RFC 9110 13.1) or a Range. ``size``
    tells how many bytes of the buffer the head took, with the empty lines before and the one after it. ``raw``
    are these. ``like`` is its block of fields, or one that differs from that in the host alone. ``shown`` is what
    logs show of the line, "" as long as none has shown it.
    """

    __slots__ = (
        "method",
        "target",
        "minor",
        "line",
        "host",
        "path",
        "query",
        "length",
        "has_connection",
        "keep_alive",
        "expects_continue",
        "conditional",
        "size",
        "raw",
        "like",
        "shown",
        "_block",
    )

    def __init__(
        self,
        method: str,
        target: str,
        path: str,
        query: str | None,
        minor: int,
        line: str,
        block: Block,
        host: str | None,
        raw: bytes,
        differs: bool = False,
    ) -> None:
        """``differs``: from the block by the host in its first line."""
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.minor = minor
        self.line = line
        self.host = host
        self.length = block.length
        self.keep_alive = block.keep_alive
        self.has_connection = block.has_connection
        self.expects_continue = block.expects_continue
        self.conditional = block.conditional
        self.size = len(raw)
        self.raw = raw
        self.like: Block = block
        self.shown = ""
        self._block: Block | None = None if differs else block

    @property
    def field_block(self) -> Block:
        """Its block of fields, made when it is asked for where the host in it is another one."""
        block = self._block
        if block is None:
            assert self.host is not None
            block = self._block = self.like.of_host(self.raw[len(self.line) + 2 :], self.host)
        return block

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The header fields in their order: name as sent, value latin-1 without whitespace around."""
        return self.field_block.pairs

    @property
    def block(self) -> bytes:
        """The header block, each line with its CRLF, without the empty line."""
        return self.field_block.tail[:-2]

    def merged(self) -> Merged:
        """The fields as text, those of one name as one: values with commas between (RFC 9110 5.3); and by their names.

        Cookies have a separator of their own (RFC 6265 4.2.1). The host of a target that names one
        takes the place of the Host field's (RFC 9112 3.2.2). For reading only: heads share it.
        """
        merged = self.field_block.merged
        if merged is None:
            merged = self.field_block.merge()
        if self.target[:1] != "/" and self.host is not None and "host" in merged[1]:
            fields = tuple((name, self.host if name.lower() == "host" else value) for name, value in merged[0])
            return fields, {**merged[1], "host": self.host}
        return merged

    def get(self, name: str) -> str | None:
        """The value of the field of this lower-case name, several joined by comma; None without."""
        if name == "host" and self._block is not self.like:
            return self.host
        block = self.like
        index = block.index
        if index is None:
            index = block.names()
        return index.get(name)

    def text(self, name: str) -> str | None:
        """The same as text, see `mpserver.http1.wire`."""
        value = self.get(name)
        return None if value is None else decoded(value)

    def __repr__(self) -> str:
        return f"<Head {self.line!r} of {self.host}>"


def parse_head(
    buffer: bytes, limits: Limits, previous: Head | None = None, blocks: Blocks | None = None
) -> Head | None:
    """The head at the start of the buffer, None if it is not complete yet.

    ``previous`` is an earlier head within the same limits, ``blocks`` are those of earlier ones: what follows
    from fields is taken over if they are the same bytes, as those of one client mostly are. Raises RequestError as
    soon as it is clear that no valid head can come of these bytes, complete or not.

    On None feed the same bytes and the following ones to a HeadReader instead of calling again:
    each call reads from the start.
    """
    if previous is not None:
        if buffer == previous.raw or (previous.length and buffer.startswith(previous.raw)):
            return previous  # (what follows is the body, which may be another one)
        like = previous.like
        if like.rest and buffer.endswith(like.rest) and previous.target[:1] == "/":
            # the host alone may be another one: where many are asked in turns, most heads are such
            # (where empty lines came before, no valid host is at this place)
            begin = len(previous.line) + 2 + len(FIRST)
            if buffer.startswith(previous.raw[:begin]):
                stop = len(buffer) - len(like.rest)
                named = str(buffer[begin:stop], "latin-1")
                if stop - begin + len(FIRST) <= limits.field_size and (
                    usual_name(named) is not None or is_authority(named)
                ):
                    return Head(
                        previous.method, previous.target, previous.path, previous.query, previous.minor,
                        previous.line, like, named, buffer, True,
                    )  # fmt: skip
    end = buffer.find(b"\r\n")
    if end <= 0 or end > limits.line:
        return _unusual(buffer, limits)
    line = str(buffer[:end], "latin-1")
    host = None
    match = None
    if previous is not None and previous.line == line and previous.target[:1] == "/":
        method, target, path, query, minor = (
            previous.method, previous.target, previous.path, previous.query, previous.minor
        )  # fmt: skip
    elif (match := _request_line(line)) is not None:
        method, target, path, query, digit = match.groups()
        minor = 1 if digit != "0" else 0
    else:
        method, target, path, query, minor, host = _other_line(line)
    start = end + 2
    try:
        if previous is not None and buffer.startswith(previous.field_block.tail, start) and previous.minor == minor:
            block = previous.field_block
        else:
            stop = buffer.find(b"\r\n\r\n", end)
            if stop < 0:
                return HeadReader(limits).feed(buffer)
            tail = buffer[start : stop + 4]
            block = read_block(tail, minor, limits) if blocks is None or not minor else blocks.read(tail, limits)
    except RequestError as error:
        error.line = line
        raise
    return Head(method, target, path, query, minor, line, block, host or block.host, buffer[: start + len(block.tail)])


def refused(line: str) -> Head:
    """A stand-in for a head that could not be read, of which the request line is known as far as ``line``."""
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    path, question, query = target.partition("?")
    minor = 0 if version == "HTTP/1.0" else 1
    return Head(
        method if is_token(method) else "-", target, path, query if question else None, minor, line,
        Block(b"\r\n", 0, []), None, b"",
    )  # fmt: skip


def _unusual(buffer: bytes, limits: Limits) -> Head | None:
    """Empty lines before the request line, one that is too long, or nothing to tell yet."""
    skipped = len(_empty_lines(buffer)[0])  # type: ignore[index]  # it matches always
    if skipped > 2 * _MAX_EMPTY_LINES:
        raise RequestError(400, "too many empty lines before the request line")
    if skipped and (head := parse_head(buffer[skipped:], limits)) is not None:
        head.raw = buffer[: skipped + head.size]
        head.size += skipped
        return head
    return HeadReader(limits).feed(buffer)


def _other_line(line: str) -> tuple[str, str, str, str | None, int, str | None]:
    """Method, target, path, query, minor version and authority of an unusual request line.

    Raises RequestError: 505 for other versions of HTTP, else 400.
    """
    try:
        parts = line.split(" ")
        if len(parts) == 2 and is_token(parts[0]):
            raise RequestError(400, "a request without version (HTTP/0.9)")
        if len(parts) != 3:
            raise RequestError(400, "the request line is not method, target and version with one space between")
        method, target, version = parts
        if not is_token(method):
            raise RequestError(400, "the request's method is no token")
        digits = _version.fullmatch(version)
        if digits is None or digits[1] == "0":
            raise RequestError(400, "the request's version is malformed")
        if digits[1] != "1":
            raise RequestError(505, f"the version {version} of HTTP")
        authority, path, query = read_target(method, target)
    except RequestError as error:
        error.line = line
        raise
    return method, target, path, query, 0 if version == "HTTP/1.0" else 1, authority


#: What a client of TLS begins with: a record of a handshake, of whichever version.
_GREETING = b"\x16\x03"
#: What is told of it.
TLS = (
    "The client speaks TLS, and this address speaks HTTP: use it with http:// in front, or add SSLEngine On to its host"
)


class HeadReader:
    """Collects a head that comes in pieces, at a cost that grows with its bytes alone.

    ``buffer`` holds all that was fed; what follows the head in it is ``buffer[head.size:]``.
    """

    __slots__ = ("buffer", "_limits", "_previous", "_scanned", "_start", "_lines", "_empty")

    def __init__(self, limits: Limits, previous: Head | None = None) -> None:
        self.buffer = bytearray()
        self._limits = limits
        self._previous = previous
        self._scanned = 0  # no LF before this that was not seen
        self._start = 0  # of the line that is not complete
        self._lines = 0  # complete ones, the request line included
        self._empty = 0  # lines before the request line

    def feed(self, data: bytes) -> Head | None:
        """The head if it is complete with these bytes, else None; RequestError as in parse_head."""
        buffer = self.buffer
        buffer += data
        if self._scanned < 2 and buffer.startswith(_GREETING):
            raise RequestError(400, TLS)  # (the rest of it is no text, and may have no line's end)
        while (end := buffer.find(b"\n", self._scanned)) >= 0:
            start, self._scanned, self._start = self._start, end + 1, end + 1
            if end == start or buffer[end - 1] != 13:
                raise self._error(400, "a line ends in a bare LF")
            if end - 1 > start:
                self._check_line(start, end - 1)
                self._lines += 1
            elif self._lines:
                return parse_head(bytes(buffer), self._limits, self._previous)
            else:
                self._empty += 1
                if self._empty > _MAX_EMPTY_LINES:
                    raise self._error(400, "too many empty lines before the request line")
        self._scanned = len(buffer)
        # A CR at the end belongs to the line's end, most likely.
        self._check_size(len(buffer) - self._start - buffer.endswith(b"\r"))
        return None

    def _check_line(self, start: int, end: int) -> None:
        self._check_size(end - start)
        if not self._lines:
            line = self.buffer[start:end].decode("latin-1")
            if not _request_line(line):
                _other_line(line)

    def _check_size(self, size: int) -> None:
        """Limits for the line that is being read; the number of the complete ones is in ``_lines``."""
        limits = self._limits
        if not self._lines:
            if size > limits.line:
                if b" " not in self.buffer[: limits.line + 2 * self._empty]:
                    raise self._error(400, f"the request's method is longer than {limits.line} bytes")
                raise self._error(414, f"the request line is longer than {limits.line} bytes (LimitRequestLine)")
        elif size > limits.field_size:
            raise self._error(400, f"a header field is longer than {limits.field_size} bytes (LimitRequestFieldSize)")
        elif size and self._lines > limits.fields > 0:
            raise self._error(400, f"more than {limits.fields} header fields (LimitRequestFields)")

    def _error(self, status: int, reason: str) -> RequestError:
        """An error with the request line, as far as it has come."""
        line = bytes(self.buffer[: self._limits.line + 2 * _MAX_EMPTY_LINES]).lstrip(b"\r\n").partition(b"\n")[0]
        return RequestError(status, reason, line.rstrip(b"\r").decode("latin-1"))
