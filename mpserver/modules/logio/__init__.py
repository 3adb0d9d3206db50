"""Bytes and first bytes of requests, for the access log (httpd's mod_logio)."""

from __future__ import annotations

from mpserver.config.settings import Setting

#: Whether %^FB of LogFormat tells how long the first byte of the response took. Directory level.
TRACK_TTFB = Setting("LogIOTrackTTFB", False)
