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


class Found(NamedTuple):
    """What is in a file: its newest whole session (None: there is none) and that one's number.

    ``size``: the bytes of a slot, 0 in a file that has none.
    """

    data: bytes | None
    number: int
    size: int


class SlotPlace(NamedTuple):
    """Where a session is to be written in a file, under which number."""

    offset: int
    number: int


def find(content: bytes) -> Found:
    """What is in a file of this content."""
    if content[:4] != _MARK:
        return Found(content or None, 0, 0)
    length = len(content)
    if length < _HEAD.size:
        return Found(None, 0, 0)
    size = _HEAD.unpack_from(content)[1]
    # the number says which slot it is in: odd ones are in the first
    offset, other = _HEAD.size, _HEAD.size + size
    if other + _SLOT.size <= length and _SLOT.unpack_from(content, other) > _SLOT.unpack_from(content, offset):
        offset, other = other, offset
    for start in (offset, other):
        if start + _SLOT.size <= length:
            number, taken, checksum = _SLOT.unpack_from(content, start)
            start += _SLOT.size
            data = content[start : start + taken]
            if number and len(data) == taken and _checksum(number, data) == checksum:
                return Found(data, number, size)
    return Found(None, 0, size)


def place(found: Found, length: int) -> SlotPlace | None:
    """Where a session of that length goes in a file; None if it needs another file."""
    size = found.size
    if length + _SLOT.size > size:
        return None
    number = found.number + 1
    return SlotPlace(_HEAD.size + (0 if number & 1 else size), number)


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
