"""gzip (RFC 1952) for responses: making it, and taking it off."""

from __future__ import annotations

import zlib

from mpserver.api.output_filters import EOS, FLUSH, MORE, OutputFilter
from mpserver.api.parts import SLICE, Part, pieces
from mpserver.modules.compression import alter_etag, encodings
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: Whole bodies up to this stay as they are (bytes; httpd's figure): gzip would make them longer.
LEAST = 68

#: zlib: a window with a header and trailer of gzip.
GZIP = 16


class Gzip:
    """Makes gzip."""

    __slots__ = ("_deflate",)

    def __init__(self, level: int | None, window: int, memory: int) -> None:
        default = zlib.Z_DEFAULT_COMPRESSION
        self._deflate = zlib.compressobj(default if level is None else level, zlib.DEFLATED, GZIP + window, memory)

    def compress(self, data: bytes, /) -> bytes:
        """See `Compressor`."""
        return self._deflate.compress(data)

    def flush(self) -> bytes:
        """See `Compressor`."""
        return self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """See `Compressor`."""
        return self._deflate.flush(zlib.Z_FINISH)


def is_gzip(name: str) -> bool:
    """Whether a coding is gzip, by one of its names."""
    return name in ("gzip", "x-gzip")


class Inflating(OutputFilter):
    """INFLATE: a response that is gzip loses that."""

    def __init__(self, req: Request, etag: str) -> None:
        super().__init__(req)
        self._etag = etag
        self._decided = False
        self._inflate: zlib._Decompress | None = None

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`. :raises OSError: what came is no gzip."""
        if not self._decided:
            if not parts and mark == MORE:
                return
            self._decided = True
            if parts and self._wanted():
                self._inflate = zlib.decompressobj(GZIP + zlib.MAX_WBITS)
        if self._inflate is None:
            self.next.take(parts, mark)
            return
        try:
            for data in pieces(parts):
                self._feed(self._inflate, data)
        except zlib.error as error:
            raise OSError(f"the response can't be inflated: {error}") from error
        if mark == EOS and not self._inflate.eof:
            raise OSError("the response can't be inflated: it ends too early")
        if mark in (FLUSH, EOS):
            self.next.take([], mark)

    def _feed(self, inflate: zlib._Decompress, data: bytes) -> None:
        while data and not inflate.eof:
            found = inflate.decompress(data, SLICE)
            data = inflate.unconsumed_tail
            if found:
                self.next.take([found], MORE)

    def _wanted(self) -> bool:
        req = self.req
        found = encodings(req)
        if not found or not is_gzip(found[-1]) or req.mp_main is not None:
            return False
        rest = ", ".join(found[:-1])
        for table in (req.mp_headers_out, req.mp_err_headers_out):
            if table is not None:
                for name in ("Content-Encoding", "Content-Length", "Content-MD5"):
                    del table[name]
        req.mp_content_encoding = None
        if rest:
            req.headers_out["Content-Encoding"] = rest
        alter_etag(req, self._etag, "gunzip")
        return True
