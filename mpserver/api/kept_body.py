"""A request's body that was taken in before its handler runs: in memory, and in a file where it is long.

The file has no name (``O_TMPFILE``), so nothing of it is left, however the process ends.
"""

from __future__ import annotations

import errno
import os

from mpserver.system.unnamed_files import unnamed_file
from mpserver.typing import NamedTuple

#: What is kept in memory before it is written to the file, and read of it at a time, in bytes.
PIECE = 1 << 17


class Room(NamedTuple):
    """Where the bodies of a section are kept: RequestBodyBuffer and RequestBodySpool."""

    #: Bytes in memory; the directory of the files; the bytes of a body beyond which it is not kept but streamed.
    memory: int
    directory: str
    most: int


class KeptBody:
    """The bytes of a body, written in order, then read in order; any number of times from its begin."""

    __slots__ = ("_fd", "_memory", "_position", "_room", "_written", "size")

    def __init__(self, room: Room) -> None:
        self._fd = -1
        self._room = room
        #: All of it, or with a file what is not written there yet.
        self._memory = bytearray()
        self._written = self._position = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        """Keep more of it. :raises OSError: there is no room for it on the disk."""
        self._memory += data
        self.size += len(data)
        if self._fd >= 0:
            if len(self._memory) >= PIECE:
                self._write()
        elif len(self._memory) > self._room.memory:
            self._fd = unnamed_file(self._room.directory, "body")
            self._write()

    def _write(self) -> None:
        view = memoryview(self._memory)
        try:
            while view:
                written = os.pwrite(self._fd, view, self._written)
                self._written += written
                view = view[written:]
        finally:
            view.release()
        self._memory = bytearray()

    @property
    def left(self) -> int:
        """How many bytes were not read yet."""
        return self.size - self._position

    def next(self) -> bytes:
        """The next piece of it; empty at the end."""
        at = self._position
        if at < self._written:
            data = os.pread(self._fd, min(PIECE, self._written - at), at)
            if not data:
                raise OSError(errno.EIO, "a request's body became shorter on the disk")
        else:
            data = bytes(memoryview(self._memory)[at - self._written :])
        self._position = at + len(data)
        return data

    def whole(self) -> bytes:
        """All of it, from its begin."""
        written = b""
        while len(written) < self._written:
            data = os.pread(self._fd, self._written - len(written), len(written))
            if not data:
                raise OSError(errno.EIO, "a request's body became shorter on the disk")
            written += data
        return written + self._memory if self._memory else written

    def close(self) -> None:
        """Nobody reads it any more."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        self._memory = bytearray()
        self._written = self._position = self.size = 0

    __del__ = close
