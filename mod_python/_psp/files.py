"""Files of pages: their text and their state."""

from __future__ import annotations

import os
import re
import stat

#: A comment at the top of a page may name its encoding, as in Python's own files (PEP 263).
ENCODING = re.compile(rb"<%(?:--|\s*#)[^%\r\n]*?coding[:=][ \t]*([-\w.]+)")
BOM = b"\xef\xbb\xbf"


#: The state of a file: its mtime in nanoseconds, and its size. A page is parsed anew when that of a file of it changes.
Mark = tuple[int, int]


def mark(file: str) -> Mark | None:
    """The state of a regular file; None where there is none."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return state(found)


def state(found: os.stat_result) -> Mark | None:
    """The state of a regular file, by what stat said; None of what is none."""
    return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None


def read(file: str) -> str:
    """The text of a page's file: UTF-8, or what it says itself in a comment of its first two lines.

    :raises OSError: it can't be read.
    :raises SyntaxError: it isn't in that encoding.
    """
    with open(file, "rb") as page:
        return decode(page.read(), file)


def decode(data: bytes, name: str) -> str:
    """The text of a page's bytes; see `read`."""
    data = data.removeprefix(BOM)
    top = re.split(rb"\r\n?|\n", data[:2048], maxsplit=2)[:2]
    found = next((match for match in map(ENCODING.search, top) if match), None)
    encoding = found[1].decode("ascii", "replace") if found else "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n?|\n", data[: error.start])) + 1
        message = f"the page is not {encoding}: byte 0x{data[error.start]:02x}"
        raise SyntaxError(message, (name, line, 1, None)) from None
    except (LookupError, ValueError):
        raise SyntaxError(f"unknown encoding: {encoding}", (name, 1, 1, None)) from None
