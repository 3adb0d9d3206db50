"""The filters DEFLATE and INFLATE of responses, and DEFLATE of bodies."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.modules.deflate import (
    ALTER_ETAG,
    INFLATE_BURST,
    INFLATE_LIMIT,
    INFLATE_RATIO,
    LEVEL,
    MEMORY,
    NOTES,
    WINDOW,
)
from mpserver.modules.hooks import InputFactory, Planning
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.output_filters import OutputFactory


def output_filters(planning: Planning) -> Mapping[str, OutputFactory]:
    """DEFLATE and INFLATE."""
    from mpserver.modules.compression import Coding, Compressing, Notes  # (few responses run through filters)
    from mpserver.modules.deflate import gzip

    conf = planning.server.conf
    level, window, memory, etag = conf[LEVEL], conf[WINDOW], conf[MEMORY], conf[ALTER_ETAG]
    coding = Coding(
        "gzip", "gzip", "no-gzip", "force-gzip", gzip.LEAST, etag, Notes(*conf[NOTES]),
        lambda: gzip.Gzip(level, window, memory),
    )  # fmt: skip
    return {
        "deflate": lambda req: Compressing(req, coding),
        "inflate": lambda req: gzip.Inflating(req, etag),
    }


def input_filters(planning: Planning) -> Mapping[str, InputFactory]:
    """DEFLATE."""
    from mpserver.modules.deflate.bodies import InflatingInput, Limits

    conf = planning.conf
    limits = Limits(conf[INFLATE_LIMIT], conf[INFLATE_RATIO], conf[INFLATE_BURST])
    return {"deflate": lambda req: InflatingInput(req, limits)}
