"""Blocks of header fields: read once, remembered for all connections of a server."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.errors import RequestError
from mpserver.http1.fields import TCHAR, Limits, Pairs, read_fields
from mpserver.http1.target import is_authority
from mpserver.http1.wire import decoded, is_latin
from mpserver.remembered import Comings

#: `Block.length` and `mpserver.http1.head.Head.length` where the body is chunked: its end shows only as it is read.
CHUNKED = -1

_MAX_LENGTH = 2**63 - 1  # what a file offset holds; httpd's limit too

_KEPT = 128  # header blocks that are remembered

_FEW = 16  # so many when they come for the first time; more only when they come again

_MARKS = 1024  # of so many it is known that they have come before

_LONGEST_KEPT = 2048  # bytes of one

#: What blocks of most clients begin with.
FIRST = b"Host: "

# RFC 9110 8.6: Content-Length = 1*DIGIT
_content_length = lazyre.now(r"[0-9]{1,19}").fullmatch

# RFC 9112 7, RFC 9110 10.1.4: Transfer-Encoding = transfer-coding *( OWS "," OWS transfer-coding ),
# here without transfer-parameters, which no coding that is in use has
_codings = lazyre.compile(rf"([{TCHAR}]++)((?:[ \t]*+,[ \t]*+[{TCHAR}]++)*+)")

Values = tuple[str, ...]

Found = dict[str, Values]

#: Fields without a name twice, and their values by lower-case name.
Merged = tuple[tuple[tuple[str, str], ...], dict[str, str]]


class Block:
    """A header block and what follows from it; heads with the same block share one."""

    __slots__ = (
        "tail",
        "pairs",
        "index",
        "merged",
        "odd",
        "told",
        "host",
        "length",
        "has_connection",
        "keep_alive",
        "expects_continue",
        "conditional",
        "rest",
        "_like",
    )

    def __init__(self, tail: bytes, minor: int, pairs: Pairs) -> None:
        self._like: Block | None = None
        #: What comes behind a host in the first line, from its CRLF on; empty: that line is none, or was not looked at.
        self.rest = b""
        self.tail = tail  # the block and the empty line
        self.pairs: tuple[tuple[str, str], ...] = tuple(pairs)
        self.index: dict[str, str] | None = None
        self.merged: Merged | None = None
        #: The values of `merged` that are not UTF-8.
        self.odd: frozenset[str] = frozenset()
        #: What logs show of its fields, by the lower-case names of one or, with what is between them, of several.
        self.told: dict[str, str] = {}
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
            if not _MOCK_FRAMING.isdisjoint(found):
                raise RequestError(400, "a header field that could be taken for Content-Length or Transfer-Encoding")
            self.length = _length(found, minor)
            if "connection" in found:
                self.has_connection = True
                self.keep_alive = _keep_alive(found["connection"], minor)
            self.conditional = not CONDITIONS.isdisjoint(found)
            if "expect" in found:
                self.expects_continue = _expects_continue(found["expect"], minor, self.length)

    def of_host(self, tail: bytes, host: str) -> Block:
        """The block that differs from this one by the host in its first line alone, a valid one."""
        made = object.__new__(Block)
        made._like = self._like or self
        made.tail, made.host, made.rest = tail, host, self.rest
        made.pairs = (("Host", host), *self.pairs[1:])
        made.index = made.merged = None
        made.odd = self.odd
        made.told = self.told  # (of the host nothing is there)
        made.length, made.has_connection, made.keep_alive = self.length, self.has_connection, self.keep_alive
        made.expects_continue, made.conditional = self.expects_continue, self.conditional
        return made

    def names(self) -> dict[str, str]:
        """Lower-case name to value; values of a repeated field are joined (RFC 9110 5.3)."""
        like = self._like
        if like is not None and self.host is not None:
            self.index = {**(like.index or like.names()), "host": self.host}
            return self.index
        index: dict[str, str] = {}
        for name, value in self.pairs:
            key = name.lower()
            index[key] = f"{index[key]}, {value}" if key in index else value
        self.index = index
        return index

    def merge(self) -> Merged:
        """See `Head.merged`; the values are text now (`mpserver.http1.wire`)."""
        like = self._like
        if like is not None and self.host is not None:
            fields, by_name = like.merged or like.merge()
            self.odd = like.odd
            self.merged = merged = (("Host", self.host), *fields[1:]), {**by_name, "host": self.host}
            return merged
        values: dict[str, tuple[str, str]] = {}
        for name, value in self.pairs:
            key = name.lower()
            present = values.get(key)
            if present is None:
                values[key] = (name, value)
            else:
                values[key] = (present[0], f"{present[1]}{'; ' if key == 'cookie' else ', '}{value}")
        fields = self.pairs if len(values) == len(self.pairs) else tuple(values.values())
        if not self.tail.isascii():
            self.odd = frozenset(value for _name, value in fields if is_latin(value))
            fields = tuple((name, decoded(value)) for name, value in fields)
            values = {name.lower(): (name, value) for name, value in fields}
        self.merged = merged = fields, {key: value for key, (_name, value) in values.items()}
        return merged


CONDITIONS = frozenset(
    {
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "range",
    }  # (If-Range needs Range)
)

#: Names that servers behind gateways (CGI, WSGI) can't tell from those that frame the body: a front end that lets them
#: through may have meant them.
_MOCK_FRAMING = frozenset({"content_length", "transfer_encoding"})

_FACTS = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect"}) | CONDITIONS | _MOCK_FRAMING


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


class Blocks:
    """Header blocks that were read within the same limits.

    A client sends the same fields with many requests, and what comes by way of a proxy, or by many connections,
    takes turns with what others send. Where many hosts take turns, blocks are the same behind their first line.
    """

    __slots__ = ("_comings", "_kept", "_like")

    def __init__(self) -> None:
        self._comings = Comings(_MARKS)
        self._kept: dict[bytes, Block] = {}
        #: By what comes behind a first line that names the host.
        self._like: dict[bytes, Block] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, tail: bytes, limits: Limits) -> Block:
        """The block of an HTTP/1.1 head. :raises RequestError: it is none, or passes the limits."""
        block = self._kept.get(tail)
        if block is not None:
            return block
        if len(tail) > _LONGEST_KEPT:
            return read_block(tail, 1, limits)
        if tail[:6] == FIRST:
            rest = tail[tail.find(b"\r\n") :]
            like = self._like.get(rest)
            if like is not None and (block := self.twin(like, tail, limits)) is not None:
                return block
            block = read_block(tail, 1, limits)
            block.rest = rest
            if len(self._like) >= _FEW and not self._comings.again(rest):
                return block
            if len(self._like) >= _KEPT:
                self._like.clear()
            self._like[rest] = block
        else:
            block = read_block(tail, 1, limits)
            if len(self._kept) >= _FEW and not self._comings.again(tail):
                return block
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[tail] = block
        return block

    def twin(self, like: Block, tail: bytes, limits: Limits) -> Block | None:
        """The block that ends as another one does, after the host; None where it does not begin with a valid one."""
        block = self._kept.get(tail)
        if block is None:
            end = len(tail) - len(like.rest)
            host = str(tail[6:end], "latin-1")
            if end > limits.field_size or not is_authority(host):
                return None
            block = like.of_host(tail, host)
            if (
                len(self._kept) < _KEPT and len(tail) <= _LONGEST_KEPT
                and (len(self._kept) < _FEW or self._comings.again(tail))
            ):  # fmt: skip
                self._kept[tail] = block
        return block


def read_block(tail: bytes, minor: int, limits: Limits) -> Block:
    """Read a block of fields, with the empty line at its end. :raises RequestError: it breaks RFC 9112 5."""
    return Block(tail, minor, read_fields(str(tail[:-2], "latin-1"), limits))
