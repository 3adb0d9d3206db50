"""The names of notes that tell how a response was compressed (DeflateFilterNote and its kin)."""

from __future__ import annotations

#: For the bytes that came in, for those that went out, and for the ratio; "" for none.
Names = tuple[str, str, str]
NONE: Names = ("", "", "")


def merge(outer: Names, inner: Names) -> Names:
    """An inner scope's names come before an outer one's, each for itself."""
    return inner[0] or outer[0], inner[1] or outer[1], inner[2] or outer[2]
