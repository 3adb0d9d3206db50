"""Files that begin with their own headers (httpd's mod_asis)."""

from __future__ import annotations

#: The name of the handler.
HANDLER = "send-as-is"
