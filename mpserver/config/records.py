"""A memory file of records, found by their numbers or by keys: written once, read in many interpreters and processes.

What is looked for is read from the file, a record at a time, so that nobody keeps what it never asks for: with
ten thousand virtual hosts an interpreter that serves one of them holds that one.

    HEAD        where the other parts are
    parts       the records' bytes, one after the other
    numbers     of each numbered record: where it begins, how long it is
    buckets     of each key's crc32 modulo their count: where the bucket begins; one more tells where the last ends
    (a bucket is a dict of its keys and values)
"""

from __future__ import annotations

import marshal
import os
import struct
from binascii import crc32
from collections.abc import Mapping

from mpserver.typing import Any

#: The format of marshal, the same for all Python versions.
MARSHAL = 4

#: Head record: start and length; numbers: start and count; buckets: start and count.
_HEAD = struct.Struct("=QQQQQQ")
_NUMBER = struct.Struct("=QQ")
_POSITION = struct.Struct("=Q")
_POSITIONS = struct.Struct("=QQ")


def write(head: Any, records: list[bytes], keys: Mapping[tuple[Any, ...], Any]) -> int:
    """Write a file. :returns: its descriptor. :raises OSError: the system has no memory for it.

    :param head: plain data, which every reader gets.
    :param records: the numbered ones, from 0 on.
    :param keys: what is found by a key: kind and name, and plain data.
    """
    packed = marshal.dumps(head, MARSHAL)
    at = _HEAD.size + len(packed)
    numbers: list[bytes] = []
    for record in records:
        numbers.append(_NUMBER.pack(at, len(record)))
        at += len(record)
    buckets: list[dict[bytes, Any]] = [{} for _ in keys]
    for key, value in keys.items():
        data = key_of(*key)
        buckets[crc32(data) % len(keys)][data] = value
    contents = [marshal.dumps(bucket, MARSHAL) if bucket else b"" for bucket in buckets]
    numbers_at = at + sum(map(len, contents))
    positions: list[bytes] = []
    for content in contents:
        positions.append(_POSITION.pack(at))
        at += len(content)
    positions.append(_POSITION.pack(at))
    positions_at = numbers_at + _NUMBER.size * len(numbers)
    first = _HEAD.pack(_HEAD.size, len(packed), numbers_at, len(numbers), positions_at, len(contents))
    fd = os.memfd_create("mpserver-settings", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.writelines([first, packed, *records, *contents, *numbers, *positions])
    except BaseException:
        os.close(fd)
        raise
    return fd


def key_of(*parts: Any) -> bytes:
    """A key as bytes."""
    return "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")


class Records:
    """A file that `write` has written, by its descriptor."""

    __slots__ = ("_buckets", "_buckets_at", "_head", "_numbers_at", "count", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        at, length, self._numbers_at, self.count, self._buckets_at, self._buckets = _HEAD.unpack(
            os.pread(fd, _HEAD.size, 0)
        )
        self._head = at, length

    def head(self) -> Any:
        """What everybody needs."""
        at, length = self._head
        return marshal.loads(os.pread(self.fd, length, at))

    def record(self, number: int) -> bytes:
        """A record."""
        at, length = _NUMBER.unpack(os.pread(self.fd, _NUMBER.size, self._numbers_at + number * _NUMBER.size))
        return os.pread(self.fd, length, at)

    def find(self, *key: Any) -> Any:
        """What a key stands for, None if nothing."""
        if not self._buckets:
            return None
        data = key_of(*key)
        place = self._buckets_at + crc32(data) % self._buckets * _POSITION.size
        start, end = _POSITIONS.unpack(os.pread(self.fd, _POSITIONS.size, place))
        if start == end:
            return None
        return marshal.loads(os.pread(self.fd, end - start, start)).get(data)
