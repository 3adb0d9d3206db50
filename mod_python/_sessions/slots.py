"""The format of a session's file: two places, which are written in turn.

A new session is written over the older of the two, in place, and each carries a number and a checksum. So
there is a whole session in the file at any moment, whoever is killed or reads meanwhile; and that costs
a few µs, where to make a file and put it into the place of the old one costs some 200 (ext4 writes it
out at once then).

What does not begin with the mark is a plain session: files of the published mod_python are so, and those
of large sessions.
"""

from __future__ import annotations

import struct
from zlib import crc32

from mpserver.typing import NamedTuple

_MARK = b"MPS1"
#: The mark, and the bytes of a slot.
_HEAD = struct.Struct(">4sI")
#: The number of a slot's session, its length and its checksum.
_SLOT = struct.Struct(">QII")
#: How much a slot holds at least, with its head; together they fill what a file takes on disk anyway.
_SMALLEST = 2044
#: Sessions of more bytes are stored plainly.
LARGEST = 1 << 16


class Place(NamedTuple):
    """Where a session is to be written in a file, under which number."""

    offset: int
    number: int


def read(content: bytes) -> bytes | None:
    """The session in a file; None where none is whole."""
    if content[:4] != _MARK:
        return content or None
    return _newest(content)[1]


def _newest(content: bytes) -> tuple[int, bytes | None]:
    """The newest whole session of a marked file, and its number; 0 and None if there is none."""
    if len(content) < _HEAD.size:
        return 0, None
    size = _HEAD.unpack_from(content)[1]
    found = [
        (*_SLOT.unpack_from(content, offset), offset + _SLOT.size)
        for offset in (_HEAD.size, _HEAD.size + size)
        if offset + _SLOT.size <= len(content)
    ]
    found.sort(reverse=True)
    for number, length, checksum, start in found:
        data = content[start : start + length]
        if number and len(data) == length and _checksum(number, data) == checksum:
            return number, data
    return 0, None


def place(content: bytes, length: int) -> Place | None:
    """Where a session of that length goes in a file of this content; None if it needs another file."""
    if content[:4] != _MARK or len(content) < _HEAD.size:
        return None
    size = _HEAD.unpack_from(content)[1]
    if length + _SLOT.size > size:
        return None
    # the number says which slot it is in: odd ones are in the first
    number = _newest(content)[0] + 1
    return Place(_HEAD.size + (0 if number & 1 else size), number)


def slot(number: int, data: bytes) -> bytes:
    """A session as it is written into its place."""
    return _SLOT.pack(number, len(data), _checksum(number, data)) + data


def file(data: bytes) -> bytes:
    """The content of a new file for a session."""
    if len(data) > LARGEST:
        return data
    needed = len(data) + _SLOT.size
    size = _SMALLEST if needed <= _SMALLEST else 1 << (needed + needed // 4).bit_length()
    return _HEAD.pack(_MARK, size) + slot(1, data)


def _checksum(number: int, data: bytes) -> int:
    return crc32(data, number & 0xFFFFFFFF)
