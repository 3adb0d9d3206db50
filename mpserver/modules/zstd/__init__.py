"""Compression of responses with Zstandard (RFC 8878), by Python's own library."""

from __future__ import annotations

import sys

from mpserver.config.settings import Setting
from mpserver.modules import compression_notes

#: Python 3.14 has it; for others there is a package of the same.
LIBRARY = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"

#: 1 to 19: the windows of higher ones are larger than RFC 9659 lets them be.
LEVEL = Setting("ZstdCompressionLevel", 3)
#: addsuffix, nochange or remove.
ALTER_ETAG = Setting("ZstdAlterETag", "addsuffix")
#: The names of the notes for the bytes that came in, those that went out, and their ratio.
NOTES: Setting[compression_notes.Names] = Setting("ZstdFilterNote", compression_notes.NONE, compression_notes.merge)
