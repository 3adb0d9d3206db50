"""Targets that read what clients send over the network: heads, bodies, forms, cookies, greetings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mod_python import Cookie, util
from mod_python.apache import SERVER_RETURN
from mpserver.api.table import Table
from mpserver.errors import RequestError
from mpserver.http1.body import ChunkedBody
from mpserver.http1.head import Head, HeadReader, Limits, parse_head
from mpserver.serving import proxy_header
from mpserver.tls.hello import MOST_DATA, HelloReader, NotTls

LIMITS = Limits()


def _shape(head: Head | None) -> object:
    return head and (head.line, head.path, head.query, head.host, head.fields, head.length, head.keep_alive)


def head(data: bytes) -> None:
    """A head that comes whole, and the same in two pieces: both are read alike, or both are refused."""
    try:
        whole: object = _shape(parse_head(data, LIMITS))
    except RequestError:
        whole = "refused"
    reader = HeadReader(LIMITS)
    try:
        pieces = _shape(reader.feed(data[: len(data) // 2]) or reader.feed(data[len(data) // 2 :]))
    except RequestError:
        pieces = "refused"
    assert whole == pieces, f"whole: {whole!r}, in pieces: {pieces!r}"


def _body(pieces: tuple[bytes, ...]) -> object:
    body, content = ChunkedBody(1 << 20, LIMITS), b""
    try:
        for piece in pieces:
            content += body.feed(piece)
    except RequestError:
        return "refused"
    return content, body.done, body.rest, body.trailers


def body(data: bytes) -> None:
    """A chunked body that comes whole, in two pieces, and byte by byte where it is short."""
    whole = _body((data,))
    assert whole == _body((data[: len(data) // 2], data[len(data) // 2 :]))
    if len(data) < 300:
        assert whole == _body(tuple(data[at : at + 1] for at in range(len(data))))


class _Form:
    """What `mod_python.util.FieldStorage` asks of a request."""

    method = "POST"
    args = None

    def __init__(self, kind: str, data: bytes) -> None:
        self.headers_in = Table({"Content-Type": kind, "Content-Length": str(len(data))})
        self._pieces = iter([data[: len(data) // 2], data[len(data) // 2 :]])
        self.mp_args = self.mp_query = None

    def get_options(self) -> Table:
        """No options."""
        return Table({})

    def read(self, _size: int = -1) -> bytes:
        """The next piece."""
        return next(self._pieces, b"")

    def log_error(self, *_words: Any) -> None:
        """Nothing."""


def form(data: bytes) -> None:
    """A form: the first line is its type, the rest the body."""
    kind, _, content = data.partition(b"\n")
    kind = kind.translate(None, b"\0\r")  # (no field has these)
    try:
        fields = util.FieldStorage(_Form(kind.decode("latin-1"), content))  # type: ignore[arg-type]
    except SERVER_RETURN as refusal:
        assert refusal.args[0] in (400, 411, 413, 501), refusal.args
        return
    for field in fields.list or ():
        str(field.name), field.value, repr(field)


def cookie(data: bytes) -> None:
    """A Cookie field, read as each kind of cookies, and by those who look for one name."""
    text = data.decode("latin-1")
    for found in Cookie.Cookie.parse(text).values():
        str(found), repr(found)
    for kind in (Cookie.SignedCookie, Cookie.MarshalCookie):
        for found in kind.parse(text, "a secret").values():
            str(found)


def proxy(data: bytes) -> None:
    """A header of the PROXY protocol: every beginning of one that is taken is waited for."""
    try:
        found = proxy_header.read(data)
    except ValueError:
        return
    if found is not None:
        assert 0 < found.size <= len(data)
        assert proxy_header.read(data[: found.size - 1]) is None


def _greeting(pieces: Iterator[bytes]) -> object:
    reader = HelloReader()
    try:
        return next((found for piece in pieces if (found := reader.read(piece)) is not None), None)
    except NotTls:
        return "refused"


def hello(data: bytes) -> None:
    """A ClientHello, whole and growing."""
    data = data[:MOST_DATA]
    whole = _greeting(iter([data]))
    sizes = sorted({1, len(data) // 3, len(data) // 2, len(data)})
    growing = _greeting(data[:size] for size in sizes)
    assert whole == growing, f"whole: {whole!r}, growing: {growing!r}"
