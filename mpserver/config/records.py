"""A memory file of records, found by their numbers or by keys: written once, read in many interpreters and processes.

What is looked for is read from the file, a record at a time, so that nobody keeps what it never asks for: with
ten thousand virtual hosts an interpreter that serves one of them holds that one.

    HEAD        where the other parts are
    renewed     where the pieces are that are renewed while the file is in use, and how often that was done
    parts       the records' bytes, one after the other
    numbers     of each numbered record: where it begins, how long it is
    buckets     of each key's crc32 modulo their count: where the bucket begins; one more tells where the last ends
    (a bucket is a dict of its keys and values)
    pieces      of each piece: where it begins, how long it is; then the pieces. They lie at two places in turn, so that
                nobody reads what is being written

Only pieces change, and only by the process that wrote the file (`renew`).
"""

from __future__ import annotations

import marshal
import os
import struct
from binascii import crc32
from collections.abc import Mapping, Sequence

from mpserver.ipc import sealing
from mpserver.typing import Any

#: The format of marshal, the same for all Python versions.
MARSHAL = 4

#: Head record: start and length; numbers: start and count; buckets: start and count.
_HEAD = struct.Struct("=QQQQQQ")
_NUMBER = struct.Struct("=QQ")
_POSITION = struct.Struct("=Q")
_POSITIONS = struct.Struct("=QQ")
#: How often the pieces were renewed; the place where they are, and its size; the same of the place for the next ones.
_RENEWED = struct.Struct("=QQQQQ")
_VERSION = struct.Struct("=Q")


def write(
    head: Any, records: list[bytes], keys: Mapping[tuple[Any, ...], Any], *, renewable: bool = False
) -> int:  # fmt: skip
    """Write a file. :returns: its descriptor. :raises OSError: the system has no memory for it.

    :param renewable: pieces may be put into it; else nobody can change it any more. (Applications have it, too, and
        what is read of it decides what is run by others.)
    :param head: plain data, which every reader gets.
    :param records: the numbered ones, from 0 on.
    :param keys: what is found by a key: kind and name, and plain data.
    """
    packed = marshal.dumps(head, MARSHAL)
    at = _HEAD.size + _RENEWED.size + len(packed)
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
    first = _HEAD.pack(_HEAD.size + _RENEWED.size, len(packed), numbers_at, len(numbers), positions_at, len(contents))
    fd = os.memfd_create("mpserver-settings", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.writelines([first, bytes(_RENEWED.size), packed, *records, *contents, *numbers, *positions])
        if not renewable:
            sealing.seal(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def renew(fd: int, pieces: Sequence[bytes]) -> None:
    """Put pieces in the place of those before, for all that have the file. :raises OSError: there is no memory."""
    version, at, size, next_at, next_size = _RENEWED.unpack(os.pread(fd, _RENEWED.size, _HEAD.size))
    table = _NUMBER.size * len(pieces)
    needed = table + sum(map(len, pieces))
    if needed > next_size:
        next_at, next_size = os.fstat(fd).st_size, needed
    start = next_at + table
    entries = []
    for piece in pieces:
        entries.append(_NUMBER.pack(start, len(piece)))
        start += len(piece)
    with open(fd, "r+b", closefd=False) as file:
        file.seek(next_at)
        file.writelines([*entries, *pieces])
    os.pwrite(fd, _RENEWED.pack(version + 1, next_at, next_size, at, size), _HEAD.size)


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
        return marshal.loads(os.pread(self.fd, length, at))  # noqa: S302 - the master wrote it, into sealed memory

    def record(self, number: int) -> bytes:
        """A record."""
        at, length = _NUMBER.unpack(os.pread(self.fd, _NUMBER.size, self._numbers_at + number * _NUMBER.size))
        return os.pread(self.fd, length, at)

    def version(self) -> int:
        """How often pieces were written; 0: there are none."""
        number: int = _VERSION.unpack(os.pread(self.fd, _VERSION.size, _HEAD.size))[0]
        return number

    def piece(self, number: int) -> bytes:
        """One of the pieces, as it is now."""
        while True:
            version, place, *_ = _RENEWED.unpack(os.pread(self.fd, _RENEWED.size, _HEAD.size))
            at, length = _NUMBER.unpack(os.pread(self.fd, _NUMBER.size, place + number * _NUMBER.size))
            if self.version() != version:
                continue  # (renewed twice meanwhile: what was read may be no length)
            found = os.pread(self.fd, length, at)
            if self.version() == version:
                return found

    def find(self, *key: Any) -> Any:
        """What a key stands for, None if nothing."""
        if not self._buckets:
            return None
        data = key_of(*key)
        place = self._buckets_at + crc32(data) % self._buckets * _POSITION.size
        start, end = _POSITIONS.unpack(os.pread(self.fd, _POSITIONS.size, place))
        if start == end:
            return None
        return marshal.loads(os.pread(self.fd, end - start, start)).get(data)  # noqa: S302 - the master wrote it, into sealed memory
