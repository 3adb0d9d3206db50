"""The directives of mod_deflate."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, SERVER_VHOST, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.compression_directives import alter_etag, filter_note
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


def _window(call: Call, word: str) -> int:
    """zlib has no window of less than 512 bytes in gzip."""
    return max(9, values.number(1, 15)(call, word))


def _buffer(call: Call) -> None:
    """httpd's buffer: here what is compressed goes on as zlib gives it."""
    values.number(1)(call, call.args[0])


DIRECTIVES: tuple[Directive, ...] = (
    filter_note("DeflateFilterNote", NOTES),
    Directive(
        "DeflateWindowSize", Args.TAKE1, SERVER_VHOST, values.server(WINDOW, _window),
        help="a power of two, 1 to 15: how far back repetitions are looked for",
    ),
    Directive("DeflateBufferSize", Args.TAKE1, SERVER_VHOST, _buffer, help="bytes"),
    Directive(
        "DeflateMemLevel", Args.TAKE1, SERVER_VHOST, values.server(MEMORY, values.number(1, 9)),
        help="1 to 9: how much memory compressing takes",
    ),
    Directive(
        "DeflateCompressionLevel", Args.TAKE1, SERVER_VHOST, values.server(LEVEL, values.number(1, 9)),
        help="1, fast, to 9, small",
    ),
    alter_etag("DeflateAlterETag", ALTER_ETAG),
    Directive(
        "DeflateInflateLimitRequestBody", Args.TAKE1, EVERYWHERE,
        values.directory(INFLATE_LIMIT, values.number(0)), Override.ALL,
        "the most bytes of a body that is unpacked",
    ),
    Directive(
        "DeflateInflateRatioLimit", Args.TAKE1, EVERYWHERE, values.directory(INFLATE_RATIO, values.number(1)),
        Override.ALL, "how many times as long a body may get, 200 if nothing is said",
    ),
    Directive(
        "DeflateInflateRatioBurst", Args.TAKE1, EVERYWHERE, values.directory(INFLATE_BURST, values.number(0)),
        Override.ALL, "how often in a row that may be passed, 3 if nothing is said",
    ),
)  # fmt: skip
