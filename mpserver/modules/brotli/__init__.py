"""Compression of responses with Brotli (httpd's mod_brotli; RFC 7932), by the library of that name."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules import compression_notes

#: An extra: mpserver[brotli].
LIBRARY = "brotli"

#: 0 to 11; powers of two for the window (10 to 24) and the largest block (16 to 24; 0: as the library likes).
QUALITY = Setting("BrotliCompressionQuality", 5)
WINDOW = Setting("BrotliCompressionWindow", 18)
BLOCK = Setting("BrotliCompressionMaxInputBlock", 0)
#: addsuffix, nochange or remove.
ALTER_ETAG = Setting("BrotliAlterETag", "addsuffix")
#: The names of the notes for the bytes that came in, those that went out, and their ratio.
NOTES: Setting[compression_notes.Names] = Setting("BrotliFilterNote", compression_notes.NONE, compression_notes.merge)
