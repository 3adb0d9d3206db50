"""The filter ZSTD_COMPRESS."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from mpserver.modules.hooks import Planning
from mpserver.modules.zstd import ALTER_ETAG, LEVEL, LIBRARY, NOTES
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.output_filters import OutputFactory


def output_filters(planning: Planning) -> Mapping[str, OutputFactory]:
    """ZSTD_COMPRESS."""
    from mpserver.modules.compression import Coding, Compressing, Notes  # (few responses run through filters)

    conf = planning.server.conf
    level = conf[LEVEL]
    coding = Coding("zstd", "zstd", "no-zstd", "", 0, conf[ALTER_ETAG], Notes(*conf[NOTES]), lambda: Zstd(level))
    return {"zstd_compress": lambda req: Compressing(req, coding)}


class Zstd:
    """Makes Zstandard."""

    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        self._compressor: Any = import_module(LIBRARY).ZstdCompressor(level=level)

    def compress(self, data: bytes, /) -> bytes:
        """See `Compressor`."""
        made: bytes = self._compressor.compress(data)
        return made

    def flush(self) -> bytes:
        """See `Compressor`."""
        made: bytes = self._compressor.flush(self._compressor.FLUSH_BLOCK)
        return made

    def finish(self) -> bytes:
        """See `Compressor`."""
        made: bytes = self._compressor.flush(self._compressor.FLUSH_FRAME)
        return made
