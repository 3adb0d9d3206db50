"""Compression of responses and bodies with gzip (httpd's mod_deflate)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules import compression_notes

#: 1 to 9; None: zlib's default.
LEVEL: Setting[int | None] = Setting("DeflateCompressionLevel", None)
#: As powers of two: 9 to 15; and how much memory zlib takes, 1 to 9.
WINDOW = Setting("DeflateWindowSize", 15)
MEMORY = Setting("DeflateMemLevel", 9)
#: addsuffix, nochange or remove.
ALTER_ETAG = Setting("DeflateAlterETag", "addsuffix")
#: The names of the notes for the bytes that came in, those that went out, and their ratio.
NOTES: Setting[compression_notes.Names] = Setting("DeflateFilterNote", compression_notes.NONE, compression_notes.merge)
#: Of bodies that are inflated: so many bytes (0: any number), so many times what came in, and so often more than that.
INFLATE_LIMIT = Setting("DeflateInflateLimitRequestBody", 0)
INFLATE_RATIO = Setting("DeflateInflateRatioLimit", 200)
INFLATE_BURST = Setting("DeflateInflateRatioBurst", 3)
