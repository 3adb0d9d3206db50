"""The directives for Zstandard, named as those of mod_brotli are."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Directive
from mpserver.modules import values
from mpserver.modules.compression_directives import alter_etag, filter_note
from mpserver.modules.zstd import ALTER_ETAG, LEVEL, NOTES

DIRECTIVES: tuple[Directive, ...] = (
    filter_note("ZstdFilterNote", NOTES),
    Directive(
        "ZstdCompressionLevel", Args.TAKE1, SERVER_VHOST, values.server(LEVEL, values.number(1, 19)),
        help="Compression level between 1 and 19 (higher ones are slower)",
    ),
    alter_etag("ZstdAlterETag", ALTER_ETAG),
)  # fmt: skip
