"""The entity tag of a file (RFC 9110 8.8.3), in httpd's format."""

from __future__ import annotations

import os

#: What it is made of, as FileETag says: bits.
INODE, MTIME, SIZE, DIGEST = 1, 2, 4, 8


def etag(bits: int, filename: str, found: os.stat_result) -> str | None:
    """The entity tag of a file, quoted (RFC 9110 8.8.3), in httpd's format; None: it has none.

    :raises OSError: the file can't be read for its digest.
    """
    if bits & DIGEST:
        import base64
        import hashlib  # (few want it)

        with open(filename, "rb") as file:
            return f'"{base64.b64encode(hashlib.file_digest(file, "sha1").digest()).decode()}"'
    values = ((INODE, found.st_ino), (SIZE, found.st_size), (MTIME, found.st_mtime_ns // 1000))
    parts = [f"{value:x}" for bit, value in values if bits & bit]
    return f'"{"-".join(parts)}"' if parts else None
