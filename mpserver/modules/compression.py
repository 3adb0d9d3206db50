"""What compressing filters have in common (httpd's mod_deflate and mod_brotli): for whom, the headers, and flushing."""

from __future__ import annotations

from collections.abc import Callable, Container

from mpserver import lazyre
from mpserver.api.output_filters import EOS, FLUSH, MORE, OutputFilter
from mpserver.api.parts import Part, pieces, size_of
from mpserver.api.response_head import BODILESS
from mpserver.modules.expression_facts import add_vary
from mpserver.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: What becomes of the ETag: it gets a suffix, stays, or goes.
ADD_SUFFIX, NO_CHANGE, REMOVE = "addsuffix", "nochange", "remove"

_WEIGHT = lazyre.compile(r"q[ \t]*=[ \t]*0(?:\.0*)?\Z")


class Compressor(Protocol):
    """Makes compressed bytes; what it returns may be less than it knows."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some bytes."""

    def flush(self) -> bytes:
        """What is needed to read all that was taken."""

    def finish(self) -> bytes:
        """The rest."""


class Notes(NamedTuple):
    """Notes of the request that tell how much came in, went out, and the ratio in percent."""

    input: str = ""
    output: str = ""
    ratio: str = ""


class Coding(NamedTuple):
    """A content coding (RFC 9110 8.4.1) and how a server has it."""

    #: Its name, and the suffix of ETags.
    name: str
    suffix: str
    #: A variable that forbids it, and one that forces it.
    forbidden_by: str
    forced_by: str
    #: A whole body that is not longer stays as it is, in bytes.
    least: int
    etag: str
    notes: Notes
    make: Callable[[], Compressor]


def accepts(header: str | None, coding: str) -> bool:
    """Whether Accept-Encoding names a coding; an asterisk does not count, as in httpd."""
    for element in (header or "").split(","):
        name, _, parameter = element.partition(";")
        if name.strip().lower() == coding:
            return _WEIGHT.match(parameter.strip().lower()) is None
    return False


class Compressing(OutputFilter):
    """Compresses a response, if client and variables want it so; what it is shows at the first bytes."""

    def __init__(self, req: Request, coding: Coding) -> None:
        super().__init__(req)
        self._coding = coding
        self._decided = False
        self._compressor: Compressor | None = None
        self._read = self._written = 0

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        if not self._decided:
            if not parts and mark == MORE:
                return
            self._decided = True
            if self._wanted(parts, mark):
                self._compressor = self._coding.make()
        if self._compressor is None:
            self.next.take(parts, mark)
            return
        compressor = self._compressor
        for data in pieces(parts):
            self._read += len(data)
            self._pass(compressor.compress(data), MORE)
        if mark == FLUSH:
            self._pass(compressor.flush(), FLUSH)
        elif mark == EOS:
            rest = compressor.finish()
            self._written += len(rest)
            self._note()
            self.next.take([rest] if rest else [], EOS)

    def _pass(self, data: bytes, mark: int) -> None:
        self._written += len(data)
        if data or mark != MORE:
            self.next.take([data] if data else [], mark)

    def _wanted(self, parts: list[Part], mark: int) -> bool:
        """Whether this response is compressed; then its headers say so."""
        req, coding = self.req, self._coding
        env: Container[str] = req.mp_env or ()
        size = sum(map(size_of, parts))
        if req.mp_status in BODILESS or req.mp_main is not None or coding.forbidden_by in env:
            return False
        if mark == EOS and (not size or size <= coding.least):
            return False
        if coding.name == "gzip" and "gzip-only-text/html" in env:
            kind = (req.mp_content_type or "").partition(";")[0].strip()
            if kind != "text/html":
                return False
        if encodings(req) or _has(req, "Content-Range"):
            return False
        add_vary(req, ("Accept-Encoding",))
        asked = req.mp_head.get("accept-encoding") if req.mp_table_in is None else req.headers_in.get("accept-encoding")
        if not (coding.forced_by and coding.forced_by in env) and not accepts(asked, coding.name):
            return False
        table = req.headers_out
        table["Content-Encoding"] = coding.name
        for name in ("Content-Length", "Content-MD5"):
            del table[name]
        alter_etag(req, coding.etag, coding.suffix)
        return True

    def _note(self) -> None:
        notes = self._coding.notes
        ratio = self._written * 100 // self._read if self._read else 0
        for name, value in ((notes.input, self._read), (notes.output, self._written), (notes.ratio, ratio)):
            if name:
                self.req.notes[name] = str(value)


def encodings(req: Request) -> list[str]:
    """The codings that a response has already, in lower case."""
    tables = (req.mp_headers_out, req.mp_err_headers_out)
    told = [value for table in tables if table is not None and (value := table.get("Content-Encoding"))]
    found = ",".join(told) or req.mp_content_encoding or ""
    return [its for name in found.split(",") if (its := name.strip().lower()) not in ("", "identity", "7bit", "8bit")]


def _has(req: Request, name: str) -> bool:
    return any(table is not None and name in table for table in (req.mp_headers_out, req.mp_err_headers_out))


def alter_etag(req: Request, how: str, suffix: str) -> None:
    """Have another ETag for another form of a resource (RFC 9110 8.8.3.3)."""
    table = req.mp_headers_out
    etag = table.get("ETag") if table is not None else None
    if table is None or etag is None or how == NO_CHANGE:
        return
    if how == REMOVE:
        del table["ETag"]
    elif len(etag) > 2 and etag.endswith('"'):
        table["ETag"] = f'{etag[:-1]}-{suffix}"'
