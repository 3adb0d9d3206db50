"""Text for pages of HTML."""

from __future__ import annotations

_SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def escape(text: str) -> str:
    """Text as HTML shows it; the library's ``html`` takes long to import, for its table of entities."""
    return text.translate(_SPECIAL)
