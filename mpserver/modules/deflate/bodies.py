"""Bodies of requests that are gzip (RFC 9110 8.4.1.3), inflated with limits: a few bytes may stand for very many."""

from __future__ import annotations

import zlib

from mpserver.api.input_filters import InputFilter
from mpserver.errors import ClientGone, RequestError
from mpserver.modules.deflate.gzip import GZIP, is_gzip
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: So many bytes are made at a time.
PIECE = 65536
#: Below this nobody looks at the ratio, in bytes that were made.
SMALL = 1 << 20


class Limits(NamedTuple):
    """How many bytes may be made (0: any number), how many for each that came, and how often it may be more."""

    size: int
    ratio: int
    burst: int


class InflatingInput:
    """DEFLATE of a body. Implements `InputFilter`."""

    upstream: InputFilter

    def __init__(self, req: Request, limits: Limits) -> None:
        self._req, self._limits = req, limits
        self._begun = False
        self._inflate: zlib._Decompress | None = None
        self._tail = b""
        self._read = self._made = self._bursts = 0

    def move(self, req: Request) -> None:
        """See `InputFilter.move`."""
        self._req = req

    def more(self) -> bytes | None:
        """See `InputFilter.more`. :raises ClientGone: the body is no gzip, or too much."""
        if not self._begun:
            self._begun = True
            if self._is_gzip():
                self._inflate = zlib.decompressobj(GZIP + zlib.MAX_WBITS)
        inflate = self._inflate
        if inflate is None:
            return self.upstream.more()
        while True:
            data = self._tail
            if not data:
                if inflate.eof:
                    self._skip()
                    return None
                received = self.upstream.more()
                if received is None:
                    raise self._refused(400, "it ends too early")
                data = received
                self._read += len(data)
            try:
                made = inflate.decompress(data, PIECE)
            except zlib.error as error:
                raise self._refused(400, str(error)) from error
            self._tail = inflate.unconsumed_tail
            if made:
                self._count(len(made))
                return made

    def _skip(self) -> None:
        """What follows the gzip is thrown away."""
        while self.upstream.more() is not None:
            pass

    def _is_gzip(self) -> bool:
        """Whether the last coding of the body is gzip; then it is no more, for whoever reads it."""
        table = self._req.headers_in
        codings = [name.strip() for name in (table.get("Content-Encoding") or "").split(",") if name.strip()]
        if not codings or not is_gzip(codings[-1].lower()):
            return False
        if len(codings) > 1:
            table["Content-Encoding"] = ", ".join(codings[:-1])
        else:
            del table["Content-Encoding"]
        return True

    def _count(self, made: int) -> None:
        self._made += made
        limits = self._limits
        if limits.size and self._made > limits.size:
            raise self._refused(413, f"it is more than {limits.size} bytes (DeflateInflateLimitRequestBody)")
        if self._made > SMALL and self._made > limits.ratio * self._read:
            self._bursts += 1
            if self._bursts > limits.burst:
                raise self._refused(413, f"it is more than {limits.ratio} times what came (DeflateInflateRatioLimit)")

    def _refused(self, status: int, why: str) -> ClientGone:
        error = ClientGone(f"the body can't be inflated: {why}")
        error.__cause__ = RequestError(status, f"the body can't be inflated: {why}")
        return error
