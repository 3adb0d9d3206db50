"""Which filters a response has by its type."""

from __future__ import annotations


def matches(content_type: str | None, types: tuple[str, ...]) -> bool:
    """Whether a response's type is among them; its parameters don't count."""
    return content_type is not None and content_type.partition(";")[0].strip() in types
