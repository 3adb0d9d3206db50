"""What a response is made of on its way to the client: bytes, and parts of files that nobody has read yet."""

from __future__ import annotations

import os
from collections.abc import Iterator

#: A file is read in pieces of so many bytes, and so many may wait for the end of a response.
SLICE = 1 << 20
#: So many bytes are read at a time of what the kernel does not send itself.
READ = 1 << 16


class FilePart:
    """A part of a file on its way to the client; owns the descriptor."""

    __slots__ = ("fd", "length", "offset")

    def __init__(self, fd: int, offset: int, length: int) -> None:
        self.fd = fd
        self.offset = offset
        self.length = length

    def send_to(self, sock: int) -> int:
        """Send as much as a socket, by its descriptor, takes now. :returns: the bytes. :raises OSError: none."""
        return os.sendfile(sock, self.fd, self.offset, self.length)

    def close(self) -> None:
        """Close the descriptor, once."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class ReadPart(FilePart):
    """One that is read and written, for file systems whose files the kernel does not send well (EnableSendfile Off)."""

    __slots__ = ()

    def send_to(self, sock: int) -> int:
        """See `FilePart.send_to`."""
        data = os.pread(self.fd, min(self.length, READ), self.offset)
        return os.write(sock, data) if data else 0


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
