"""The headers that programs write before their output (RFC 3875 6): CGI scripts, and files as they are."""

from __future__ import annotations

from collections.abc import Iterator


def script_headers(head: bytes) -> Iterator[tuple[str, str, str]]:
    """Each line, and the name and the value in it; the name is empty where it is no header.

    They are latin-1, each byte one character: what str takes for ends of lines and for blanks may be a part of
    one of UTF-8 (``ą`` ends with what is NEL, ``à`` with a no-break space).
    """
    for line in filter(None, head.decode("latin-1").replace("\r\n", "\n").split("\n")):
        name, colon, value = line.partition(":")
        yield line, name.strip(" \t") if colon else "", value.strip(" \t")
