"""The directives of mod_brotli."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Directive
from mpserver.modules import compression_notes, values
from mpserver.modules.brotli import ALTER_ETAG, BLOCK, NOTES, QUALITY, WINDOW

DIRECTIVES: tuple[Directive, ...] = (
    Directive("BrotliFilterNote", Args.TAKE12, SERVER_VHOST, compression_notes.directive(NOTES),
        help="Set a note to report on compression ratio"),
    Directive(
        "BrotliCompressionQuality", Args.TAKE1, SERVER_VHOST, values.server(QUALITY, values.number(0, 11)),
        help="Compression quality between 0 and 11 (higher quality means slower compression)",
    ),
    Directive(
        "BrotliCompressionWindow", Args.TAKE1, SERVER_VHOST, values.server(WINDOW, values.number(10, 24)),
        help="Sliding window size between 10 and 24 (larger windows can improve compression)",
    ),
    Directive(
        "BrotliCompressionMaxInputBlock", Args.TAKE1, SERVER_VHOST, values.server(BLOCK, values.number(16, 24)),
        help="Maximum input block size between 16 and 24",
    ),
    Directive(
        "BrotliAlterETag", Args.TAKE1, SERVER_VHOST,
        values.server(ALTER_ETAG, values.choice({word: word for word in ("addsuffix", "nochange", "remove")})),
        help="Set how mod_brotli should modify ETag response headers: 'AddSuffix', 'NoChange' or 'Remove'",
    ),
)  # fmt: skip
