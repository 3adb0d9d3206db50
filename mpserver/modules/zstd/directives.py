"""The directives for Zstandard, named as those of mod_brotli are."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Directive
from mpserver.modules import compression_notes, values
from mpserver.modules.zstd import ALTER_ETAG, LEVEL, NOTES

DIRECTIVES: tuple[Directive, ...] = (
    Directive("ZstdFilterNote", Args.TAKE12, SERVER_VHOST, compression_notes.directive(NOTES),
        help="Input, Output or Ratio, and the name of a note for it"),
    Directive(
        "ZstdCompressionLevel", Args.TAKE1, SERVER_VHOST, values.server(LEVEL, values.number(1, 19)),
        help="Compression level between 1 and 19 (higher ones are slower)",
    ),
    Directive(
        "ZstdAlterETag", Args.TAKE1, SERVER_VHOST,
        values.server(ALTER_ETAG, values.choice({word: word for word in ("addsuffix", "nochange", "remove")})),
        help="how ETags are changed: AddSuffix, NoChange or Remove",
    ),
)  # fmt: skip
