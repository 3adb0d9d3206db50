"""Differences that are meant: a pattern for ``group: name``, the aspects that may differ ("": all), the reason."""

from __future__ import annotations

DELIBERATE: tuple[tuple[str, str, str], ...] = ()
