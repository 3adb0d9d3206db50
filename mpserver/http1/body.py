"""Request bodies: bytes of the connection to bytes of the body (RFC 9112 sections 6 and 7).

Both kinds are fed what the connection delivers, in pieces of any size, give back what of it is
body, and keep what follows the body in ``rest``: the next request of a pipelining client.
"""

from __future__ import annotations

from mpserver import lazyre
from mpserver.errors import RequestError
from mpserver.http1.blocks import CHUNKED
from mpserver.http1.fields import TCHAR, Limits, Pairs, read_fields
from mpserver.http1.head import Head
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.typing import Any, Self

# RFC 9112 7.1:
#   chunk          = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
#   chunk-size     = 1*HEXDIG
#   chunk-ext      = *( ";" chunk-ext-name [ "=" chunk-ext-val ] )     (7.1.1, without its BWS:
#   chunk-ext-val  = token / quoted-string                             parsers disagree on that)
#   quoted-string  = DQUOTE *( qdtext / quoted-pair ) DQUOTE           (RFC 9110 5.6.4)
_QUOTED = r'"(?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_size_line = lazyre.compile(
    rf"([0-9A-Fa-f]++)((?:;[{TCHAR}]++(?:=(?:[{TCHAR}]++|{_QUOTED}))?+)*+)\r\n".encode("latin-1")
)
# What may still become such a line; its LF is what is missing.
_size_start = lazyre.compile(rb"(?:[0-9A-Fa-f]++(?:;[^\r\n]*+)?+\r?)?")

_MAX_LINE = 4096  # bytes of a line with size and extensions
_MAX_DIGITS = 16
_MAX_SIZE = 2**63 - 1
#: What is missing of a body that tells its length at its end: more than any length.
UNKNOWN = 1 << 64
_MAX_EXTENSIONS = 65536  # bytes of all extensions of a body, which nobody reads

# Fields that would say something about the message's framing or routing after the fact (RFC 9110 6.5.1).
_NO_TRAILERS = frozenset({"content-length", "transfer-encoding", "host", "trailer", "connection", "expect"})


class LengthBody:
    """A body of known length; of length 0 it is done from the start.

    ``length`` is in bytes, ``missing`` is how many are to come, ``done`` tells that all of them came, ``rest`` is
    what came after them.
    """

    __slots__ = ("missing", "done", "rest")

    trailers: tuple[tuple[str, str], ...] = ()

    def __init__(self, length: int) -> None:
        self.missing = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """What of these bytes belongs to the body."""
        missing = self.missing - len(data)
        if missing > 0:
            self.missing = missing
            return data
        body = data
        if missing < 0:
            self.rest += data[self.missing :]
            body = data[: self.missing]
        self.missing = 0
        self.done = True
        return body

    def pack(self) -> tuple[int, bytes]:
        """How far it is, as plain data for `unpack`."""
        return self.missing, self.rest

    @classmethod
    def unpack(cls, missing: int, rest: bytes) -> Self:
        """One that goes on where another was."""
        made = cls(missing)
        made.rest = rest
        return made


_SIZE, _CONTENT, _CRLF, _TRAILERS, _DONE = range(5)


class ChunkedBody:
    """A chunked body. ``done`` tells that its end came, ``rest`` is what came after that.

    How many bytes are to come shows at the end only: ``missing`` is UNKNOWN.
    ``limit`` is how many bytes of content are accepted (LimitRequestBody; 0 is no limit),
    ``limits`` are those for the trailers, which are in ``trailers`` when the body is done.
    """

    __slots__ = (
        "done",
        "rest",
        "trailers",
        "size",
        "_limit",
        "_limits",
        "_state",
        "_pending",
        "_left",
        "_overhead",
        "_lines",
    )

    missing: int = UNKNOWN

    def __init__(self, limit: int = 0, limits: Limits | None = None) -> None:
        self.done = False
        self.rest = b""
        self.trailers: tuple[tuple[str, str], ...] = ()
        self.size = 0  # of the content, as far as the chunks' sizes are known
        self._limit = limit or _MAX_SIZE
        self._limits = limits or Limits()
        self._state = _SIZE
        self._pending = b""  # the begin of a line
        self._left = 0  # bytes of this chunk that are to come
        self._overhead = _MAX_EXTENSIONS  # bytes of extensions that may come
        self._lines: list[bytes] = []  # of the trailers

    def feed(self, data: bytes) -> bytes:
        """The content in these bytes, b"" if there is none yet.

        Raises RequestError: 400 for what is no chunked body or can't be counted, 413 for content beyond ``limit``.
        """
        if self.done:
            self.rest += data
            return b""
        if self._state == _CONTENT and len(data) < self._left:
            # In the middle of a large chunk.
            self._left -= len(data)
            return data
        if self._pending:
            data, self._pending = self._pending + data, b""
        content: list[bytes] = []
        at, length = 0, len(data)
        while at < length and self._state != _DONE:
            after = self._STEPS[self._state](self, data, at, content)
            if after < 0:
                self._pending = data[at:]
                break
            at = after
        if self._state == _DONE:
            self.done = True
            self.rest = data[at:]
        return content[0] if len(content) == 1 else b"".join(content)

    def pack(self) -> tuple[Any, ...]:
        """How far it is, as plain data for `unpack`."""
        return (
            self.done, self.rest, self.trailers, self.size, self._limit, tuple(self._limits), self._state,
            self._pending, self._left, self._overhead, self._lines,
        )  # fmt: skip

    @classmethod
    def unpack(cls, done: bool, rest: bytes, trailers: Any, size: int, limit: int, limits: Any, *more: Any) -> Self:
        """One that goes on where another was."""
        made = cls(limit, Limits(*limits))
        made.done, made.rest, made.trailers, made.size = done, rest, trailers, size
        made._state, made._pending, made._left, made._overhead, made._lines = more
        return made

    # Each step takes one element, which begins at ``at``, sets the state, and returns where the
    # next one begins: -1 if this one is not complete yet.

    def _read_size(self, data: bytes, at: int, content: list[bytes]) -> int:
        line = _size_line.match(data, at)
        if line is None:
            begin = data[at : at + _MAX_LINE + 2]
            if not _size_start.fullmatch(begin):
                raise RequestError(400, "a chunk's size or extensions are malformed")
            if len(begin) == _MAX_LINE + 2:
                raise RequestError(400, "the line with a chunk's size is too long")
            return -1
        digits, extensions = line.groups()
        self._overhead -= len(extensions)
        if len(digits) > _MAX_DIGITS or line.end() - at - 2 > _MAX_LINE or self._overhead < 0:
            raise RequestError(400, "a chunk's size or extensions are too large")
        self._left = int(digits, 16)
        self.size += self._left
        if self.size > _MAX_SIZE:
            raise RequestError(400, "the sizes of the chunks are beyond what can be counted")
        if self.size > self._limit:
            raise RequestError(413, f"the body is larger than {self._limit} bytes")
        self._state = _CONTENT if self._left else _TRAILERS
        return line.end()

    def _read_content(self, data: bytes, at: int, content: list[bytes]) -> int:
        part = data[at : at + self._left]
        content.append(part)
        self._left -= len(part)
        if not self._left:
            self._state = _CRLF
        return at + len(part)

    def _read_crlf(self, data: bytes, at: int, content: list[bytes]) -> int:
        if data.startswith(b"\r\n", at):
            self._state = _SIZE
            return at + 2
        if data[at:] == b"\r":
            return -1
        raise RequestError(400, "a chunk is not followed by CRLF")

    def _read_trailer(self, data: bytes, at: int, content: list[bytes]) -> int:
        """One line of trailers (RFC 9112 7.1.2), or the empty one that ends the body."""
        limits, lines = self._limits, self._lines
        end = data.find(b"\n", at)
        if (end if end >= 0 else len(data)) - at > limits.field_size + 1:
            raise RequestError(400, f"a trailer field is longer than {limits.field_size} bytes")
        if end < 0:
            return -1
        line = data[at : end + 1]
        if line == b"\r\n":
            pairs: Pairs = read_fields(str(b"".join(lines), "latin-1"), limits)
            if any(name.lower() in _NO_TRAILERS for name, _ in pairs):
                raise RequestError(400, "a field among the trailers that belongs into the head")
            self.trailers = tuple(pairs)
            self._state = _DONE
        elif not line.endswith(b"\r\n"):
            raise RequestError(400, "a trailer line ends in a bare LF")
        elif len(lines) >= limits.fields > 0:
            raise RequestError(400, f"more than {limits.fields} trailer fields")
        else:
            lines.append(line)
        return end + 1

    # The states, and the steps of all but the last in the same order.

    #: What reads on in each state.
    _STEPS = (_read_size, _read_content, _read_crlf, _read_trailer)


Body = LengthBody | ChunkedBody


def unpack(packed: tuple[Any, ...]) -> Body:
    """The reader of a body from what ``pack`` gave."""
    return LengthBody.unpack(*packed) if len(packed) == 2 else ChunkedBody.unpack(*packed)


def make_body(head: Head, limit: int = 0, limits: Limits | None = None) -> Body:
    """The reader of this request's body; RequestError 413 if its length is beyond ``limit`` (0: no limit)."""
    if head.length == CHUNKED:
        return ChunkedBody(limit, limits)
    if head.length > limit > 0:
        raise RequestError(413, f"the body of {head.length} bytes is larger than {limit} bytes", head.line)
    return LengthBody(head.length)
