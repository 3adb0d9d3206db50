"""The directives of mod_brotli."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Directive
from mpserver.modules import values
from mpserver.modules.brotli import ALTER_ETAG, BLOCK, NOTES, QUALITY, WINDOW
from mpserver.modules.compression_directives import alter_etag, filter_note

DIRECTIVES: tuple[Directive, ...] = (
    filter_note("BrotliFilterNote", NOTES),
    Directive(
        "BrotliCompressionQuality", Args.TAKE1, SERVER_VHOST, values.server(QUALITY, values.number(0, 11)),
        help="0, fast, to 11, small",
    ),
    Directive(
        "BrotliCompressionWindow", Args.TAKE1, SERVER_VHOST, values.server(WINDOW, values.number(10, 24)),
        help="a power of two, 10 to 24: how far back repetitions are looked for",
    ),
    Directive(
        "BrotliCompressionMaxInputBlock", Args.TAKE1, SERVER_VHOST, values.server(BLOCK, values.number(16, 24)),
        help="Maximum input block size between 16 and 24",
    ),
    alter_etag("BrotliAlterETag", ALTER_ETAG),
)  # fmt: skip
