"""The filter BROTLI_COMPRESS."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from mpserver.modules.brotli import ALTER_ETAG, BLOCK, LIBRARY, NOTES, QUALITY, WINDOW
from mpserver.modules.hooks import Planning
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.output_filters import OutputFactory


def output_filters(planning: Planning) -> Mapping[str, OutputFactory]:
    """BROTLI_COMPRESS."""
    from mpserver.modules.compression import Coding, Compressing, Notes  # (few responses run through filters)

    conf = planning.server.conf
    quality, window, block = conf[QUALITY], conf[WINDOW], conf[BLOCK]
    coding = Coding(
        "br", "br", "no-brotli", "", 0, conf[ALTER_ETAG], Notes(*conf[NOTES]), lambda: Brotli(quality, window, block)
    )
    return {"brotli_compress": lambda req: Compressing(req, coding)}


class Brotli:
    """Makes Brotli."""

    __slots__ = ("_compressor",)

    def __init__(self, quality: int, window: int, block: int) -> None:
        library: Any = import_module(LIBRARY)
        self._compressor = library.Compressor(quality=quality, lgwin=window, lgblock=block)

    def compress(self, data: bytes, /) -> bytes:
        """See `Compressor`."""
        made: bytes = self._compressor.process(data)
        return made

    def flush(self) -> bytes:
        """See `Compressor`."""
        made: bytes = self._compressor.flush()
        return made

    def finish(self) -> bytes:
        """See `Compressor`."""
        made: bytes = self._compressor.finish()
        return made
