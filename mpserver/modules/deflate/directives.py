"""The directives of mod_deflate."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, SERVER_VHOST, Args, Call, Directive
from mpserver.modules import compression_notes, values
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
    Directive(
        "DeflateFilterNote", Args.TAKE12, SERVER_VHOST, compression_notes.directive(NOTES),
        help="Set a note to report on compression ratio",
    ),
    Directive(
        "DeflateWindowSize", Args.TAKE1, SERVER_VHOST, values.server(WINDOW, _window),
        help="Set the Deflate window size (1-15)",
    ),
    Directive("DeflateBufferSize", Args.TAKE1, SERVER_VHOST, _buffer, help="Set the Deflate Buffer Size"),
    Directive(
        "DeflateMemLevel", Args.TAKE1, SERVER_VHOST, values.server(MEMORY, values.number(1, 9)),
        help="Set the Deflate Memory Level (1-9)",
    ),
    Directive(
        "DeflateCompressionLevel", Args.TAKE1, SERVER_VHOST, values.server(LEVEL, values.number(1, 9)),
        help="Set the Deflate Compression Level (1-9)",
    ),
    Directive(
        "DeflateAlterETag", Args.TAKE1, SERVER_VHOST,
        values.server(ALTER_ETAG, values.choice({word: word for word in ("addsuffix", "nochange", "remove")})),
        help="Set how mod_deflate should modify ETAG response headers: 'AddSuffix', 'NoChange' or 'Remove'",
    ),
    Directive(
        "DeflateInflateLimitRequestBody", Args.TAKE1, EVERYWHERE,
        values.directory(INFLATE_LIMIT, values.number(0)), Override.ALL,
        "Set a limit on size of inflated input",
    ),
    Directive(
        "DeflateInflateRatioLimit", Args.TAKE1, EVERYWHERE, values.directory(INFLATE_RATIO, values.number(1)),
        Override.ALL, "Set the inflate ratio limit above which inflation is aborted (default: 200)",
    ),
    Directive(
        "DeflateInflateRatioBurst", Args.TAKE1, EVERYWHERE, values.directory(INFLATE_BURST, values.number(0)),
        Override.ALL, "Set the maximum number of following inflate ratios above limit (default: 3)",
    ),
)  # fmt: skip
