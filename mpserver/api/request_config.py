"""What a request tells of its configuration, and the handlers and filters that are added to it (manual 4.5.3)."""

from __future__ import annotations

from mpserver import lazyre

#: What can be decoded of Basic credentials.
BASE64 = lazyre.compile(r"[A-Za-z0-9+/]*")
