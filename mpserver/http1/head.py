"""Request heads: bytes to a Head (RFC 9112 sections 2, 3, 5, 6 and 9; RFC 9110 sections 7.2 and 10.1.1).

What two parsers could read differently is refused, never repaired: a request that is let through
here means the same to every server and proxy behind and before us. The statuses are httpd's.

``parse_head`` is for the usual case that a head arrives whole. Where it did not, HeadReader goes
on: it looks at every byte once, however small the pieces are.
"""

import re

from mpserver import lazyre
from mpserver.errors import RequestError
from mpserver.http1.fields import TCHAR, Limits, Pairs, is_token, read_fields
from mpserver.http1.target import ORIGIN_FORM, is_authority, read_target

__all__ = ["CHUNKED", "Blocks", "Head", "HeadReader", "Limits", "parse_head"]

CHUNKED = -1
"""Head.length of a chunked body."""

_MAX_LENGTH = 2**63 - 1  # what a file offset holds; httpd's limit too
_MAX_EMPTY_LINES = 10  # before the request line; httpd's number
_KEPT = 128  # header blocks that are remembered
_LONGEST_KEPT = 2048  # bytes of one

# RFC 9112 3: request-line = method SP request-target SP HTTP-version
#         2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT
# The usual case only, an origin-form target (which CONNECT has not) and version 1.x; _other_line
# reads the rest.
_request_line = re.compile(rf"(?!CONNECT )([{TCHAR}]++) ({ORIGIN_FORM}) HTTP/1\.([0-9])").fullmatch
_version = lazyre.compile(r"HTTP/([0-9])\.[0-9]")
# RFC 9112 2.2: a server should ignore at least one empty line before the request line.
_empty_lines = re.compile(rb"(?:\r\n)*+").match
# RFC 9110 8.6: Content-Length = 1*DIGIT
_content_length = re.compile(r"[0-9]{1,19}").fullmatch
# RFC 9112 7, RFC 9110 10.1.4: Transfer-Encoding = transfer-coding *( OWS "," OWS transfer-coding ),
# here without transfer-parameters, which no coding that is in use has
_codings = lazyre.compile(rf"([{TCHAR}]++)((?:[ \t]*+,[ \t]*+[{TCHAR}]++)*+)")

Values = tuple[str, ...]
Found = dict[str, Values]
#: Fields without a name twice, and their values by lower-case name.
Merged = tuple[tuple[tuple[str, str], ...], dict[str, str]]


class _Block:
    """A header block and what follows from it; heads with the same block share one."""

    __slots__ = (
        "tail",
        "pairs",
        "index",
        "merged",
        "host",
        "length",
        "has_connection",
        "keep_alive",
        "expects_continue",
        "conditional",
    )

    def __init__(self, tail: bytes, minor: int, pairs: Pairs) -> None:
        self.tail = tail  # the block and the empty line
        self.pairs: tuple[tuple[str, str], ...] = tuple(pairs)
        self.index: dict[str, str] | None = None
        self.merged: Merged | None = None
        found: Found = {}
        for name, value in pairs:
            key = name.lower()
            if key in _FACTS:
                found[key] = (*found[key], value) if key in found else (value,)
        self.host = _host(found.pop("host", ()), minor)
        self.length = 0
        self.has_connection = self.expects_continue = self.conditional = False
        self.keep_alive = minor > 0
        if found:
            self.length = _length(found, minor)
            if "connection" in found:
                self.has_connection = True
                self.keep_alive = _keep_alive(found["connection"], minor)
            self.conditional = not _CONDITIONS.isdisjoint(found)
            if "expect" in found:
                self.expects_continue = _expects_continue(found["expect"], minor, self.length)

    def names(self) -> dict[str, str]:
        """Lower-case name to value; values of a repeated field are joined (RFC 9110 5.3)."""
        index: dict[str, str] = {}
        for name, value in self.pairs:
            key = name.lower()
            index[key] = f"{index[key]}, {value}" if key in index else value
        self.index = index
        return index


    def merge(self) -> Merged:
        """See `Head.merged`."""
        values: dict[str, tuple[str, str]] = {}
        for name, value in self.pairs:
            key = name.lower()
            present = values.get(key)
            if present is None:
                values[key] = (name, value)
            else:
                values[key] = (present[0], f"{present[1]}{'; ' if key == 'cookie' else ', '}{value}")
        fields = self.pairs if len(values) == len(self.pairs) else tuple(values.values())
        self.merged = merged = fields, {key: value for key, (_name, value) in values.items()}
        return merged


_CONDITIONS = frozenset(
    {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range"}  # (If-Range needs Range)
)
_FACTS = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect"}) | _CONDITIONS


def _host(values: Values, minor: int) -> str | None:
    """RFC 9112 3.2: exactly one valid Host in HTTP/1.1; what HTTP/1.0 sends must be valid too."""
    if len(values) == 1:
        host = values[0]
        if is_authority(host):
            return host
        if host or minor:
            raise RequestError(400, "the Host field is malformed" if host else "the Host field is empty")
        return None
    if values:
        raise RequestError(400, "more than one Host field")
    if minor:
        raise RequestError(400, "an HTTP/1.1 request without Host field")
    return None


def _length(found: Found, minor: int) -> int:
    """How the body is framed, RFC 9112 6.3: its length, 0 for none, CHUNKED."""
    lengths = found.get("content-length", ())
    codings = found.get("transfer-encoding", ())
    if not lengths and not codings:
        return 0
    if codings:
        if lengths:
            raise RequestError(400, "Content-Length and Transfer-Encoding in one request")
        _check_codings(codings, minor)
        return CHUNKED
    # A list of equal values may be taken as one, or refused (RFC 9110 8.6); httpd refuses it.
    if len(lengths) > 1:
        raise RequestError(400, "more than one Content-Length field")
    if not _content_length(lengths[0]) or int(lengths[0]) > _MAX_LENGTH:
        raise RequestError(400, "the Content-Length field is malformed or too large")
    return int(lengths[0])


def _check_codings(values: Values, minor: int) -> None:
    """RFC 9112 6.1 and 7: the one transfer coding we know is chunked, alone and once."""
    if len(values) > 1:
        raise RequestError(400, "more than one Transfer-Encoding field")
    if not minor:
        raise RequestError(400, "Transfer-Encoding in an HTTP/1.0 request")
    value = values[0].lower()
    if value == "chunked":
        return
    if not _codings.fullmatch(value):
        raise RequestError(400, "the Transfer-Encoding field is malformed")
    codings = [coding.strip(" \t") for coding in value.split(",")]
    if "chunked" in codings[:-1] or codings[-1] != "chunked":
        # RFC 9112 6.3: the body's length can't be told
        raise RequestError(400, "chunked is not the last transfer coding, or there twice")
    raise RequestError(501, "a transfer coding other than chunked")


def _keep_alive(values: Values, minor: int) -> bool:
    """RFC 9112 9.3: whether the client wants the connection kept."""
    options = {option.strip(" \t") for value in values for option in value.lower().split(",")}
    return "close" not in options and (minor > 0 or "keep-alive" in options)


def _expects_continue(values: Values, minor: int, length: int) -> bool:
    """RFC 9110 10.1.1: whether the client waits for a 100 before it sends its body."""
    if not minor:
        return False
    if any(value.lower() != "100-continue" for value in values):
        raise RequestError(417, "an expectation other than 100-continue")
    return length != 0


class Head:
    """The head of one request. Nothing in it changes: a later request may get the same object.

    ``method``, ``target`` and ``line`` (the request line without CRLF) are as sent, latin-1.
    ``minor`` is 0 or 1; HTTP/1.2 and later count as 1. ``host`` is the authority of an
    absolute-form target, else the Host field, as sent; None if an HTTP/1.0 client sent none.
    ``path`` is still %-encoded, ``*`` for OPTIONS of the whole server, ``/`` for CONNECT;
    ``query`` is None without ``?``. ``length`` is the body's Content-Length, 0 for no body and
    CHUNKED. ``has_connection`` tells that there is a Connection field. ``expects_continue`` is only
    true where a body follows. ``conditional``: there is a condition (RFC 9110 13.1) or a Range. ``size``
    tells how many bytes of the buffer the head took, with the empty lines before and the one after it. ``raw``
    are these.
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
        block: _Block,
        host: str | None,
        raw: bytes,
    ) -> None:
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
        self._block = block

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The header fields in their order: name as sent, value latin-1 without whitespace around."""
        return self._block.pairs

    @property
    def block(self) -> bytes:
        """The header block, each line with its CRLF, without the empty line."""
        return self._block.tail[:-2]

    def merged(self) -> Merged:
        """The fields, those of one name as one: values in a row, with commas (RFC 9110 5.3); and by their names.

        Cookies have a separator of their own (RFC 6265 4.2.1). The host of a target that names one
        takes the place of the Host field's (RFC 9112 3.2.2). For reading only: heads share it.
        """
        merged = self._block.merged
        if merged is None:
            merged = self._block.merge()
        if self.target[:1] != "/" and self.host is not None and "host" in merged[1]:
            fields = tuple((name, self.host if name.lower() == "host" else value) for name, value in merged[0])
            return fields, {**merged[1], "host": self.host}
        return merged

    def get(self, name: str) -> str | None:
        """The value of the field of this lower-case name, several joined by comma; None without."""
        index = self._block.index
        if index is None:
            index = self._block.names()
        return index.get(name)

    def __repr__(self) -> str:
        return f"<Head {self.line!r} of {self.host}>"


class Blocks:
    """Header blocks that were read within the same limits.

    A client sends the same fields with many requests, and what comes by way of a proxy, or by many connections,
    takes turns with what others send.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[bytes, _Block] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, tail: bytes, limits: Limits) -> _Block:
        """The block of an HTTP/1.1 head. :raises RequestError: it is none, or passes the limits."""
        block = self._kept.get(tail)
        if block is None:
            block = _read_block(tail, 1, limits)
            if len(tail) <= _LONGEST_KEPT:
                if len(self._kept) >= _KEPT:
                    self._kept.clear()
                self._kept[tail] = block
        return block


def _read_block(tail: bytes, minor: int, limits: Limits) -> _Block:
    return _Block(tail, minor, read_fields(str(tail[:-2], "latin-1"), limits))


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
    if previous is not None and buffer == previous.raw:
        return previous
    end = buffer.find(b"\r\n")
    if end <= 0 or end > limits.line:
        return _unusual(buffer, limits)
    line = str(buffer[:end], "latin-1")
    host = None
    match = _request_line(line)
    if match is not None:
        method, target, path, query, digit = match.groups()
        minor = 1 if digit != "0" else 0
    else:
        method, target, path, query, minor, host = _other_line(line)
    start = end + 2
    try:
        if (
            previous is not None
            and buffer.startswith(previous._block.tail, start)
            and previous.minor == minor
        ):
            block = previous._block
        else:
            stop = buffer.find(b"\r\n\r\n", end)
            if stop < 0:
                return HeadReader(limits).feed(buffer)
            tail = buffer[start : stop + 4]
            block = _read_block(tail, minor, limits) if blocks is None or not minor else blocks.read(tail, limits)
    except RequestError as error:
        error.line = line
        raise
    return Head(
        method, target, path, query, minor, line, block, host or block.host, buffer[: start + len(block.tail)]
    )


def refused(line: str) -> Head:
    """A stand-in for a head that could not be read, of which the request line is known as far as ``line``."""
    method, _, target = line.partition(" ")
    target = target.partition(" ")[0]
    return Head(method or "-", target, target, None, 1, line, _Block(b"\r\n", 0, []), None, b"")


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
            raise RequestError(
                400, "the request line is not method, target and version with one space between"
            )
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
                raise self._error(
                    414, f"the request line is longer than {limits.line} bytes (LimitRequestLine)"
                )
        elif size > limits.field_size:
            raise self._error(
                400, f"a header field is longer than {limits.field_size} bytes (LimitRequestFieldSize)"
            )
        elif size and self._lines > limits.fields > 0:
            raise self._error(400, f"more than {limits.fields} header fields (LimitRequestFields)")

    def _error(self, status: int, reason: str) -> RequestError:
        """An error with the request line, as far as it has come."""
        line = (
            bytes(self.buffer[: self._limits.line + 2 * _MAX_EMPTY_LINES]).lstrip(b"\r\n").partition(b"\n")[0]
        )
        return RequestError(status, reason, line.rstrip(b"\r").decode("latin-1"))
