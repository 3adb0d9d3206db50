"""What a response is made of on its way to the client: bytes, and parts of files that nobody has read yet."""

from __future__ import annotations

import os
from collections.abc import Iterator

#: A file is read in pieces of so many bytes, and so many may wait for the end of a response.
SLICE = 1 << 20


class FilePart:
    """A part of a file on its way to the client; owns the descriptor."""

    __slots__ = ("fd", "length", "offset")

    def __init__(self, fd: int, offset: int, length: int) -> None:
        self.fd = fd
        self.offset = offset
        self.length = length

    def close(self) -> None:
        """Close the descriptor, once."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


#: Bytes or a part of a file.
Part = bytes | FilePart

#: The beginning of a response: its head without framing and the empty line, and the body so far. None in place
#: of the body: the other is all there is, framed in chunks.
Begun = tuple[bytes, bytes | None]


def size_of(part: Part) -> int:
    """The length of a part in bytes."""
    return part.length if isinstance(part, FilePart) else len(part)


def pieces(parts: list[Part]) -> Iterator[bytes]:
    """The bytes of some parts; files are read in pieces, and closed."""
    try:
        while parts:
            part = parts[0]
            if not isinstance(part, FilePart):
                del parts[0]
                yield part
                continue
            data = read_file(part, SLICE)
            if not part.length:
                part.close()
                del parts[0]
            if data:
                yield data
    finally:
        close_files(parts)


def read_file(part: FilePart, size: int) -> bytes:
    """At most ``size`` bytes of a file part, which it then has no more; a file that became shorter ends."""
    data = os.pread(part.fd, min(size, part.length), part.offset)
    part.offset += len(data)
    part.length = part.length - len(data) if data else 0
    return data


def close_files(parts: list[Part]) -> None:
    """Forget some parts."""
    for part in parts:
        if isinstance(part, FilePart):
            part.close()
    parts.clear()
