"""A request's body that was taken in before its handler runs: in memory, and in a file where it is long.

The file has no name (``O_TMPFILE``), so nothing of it is left, however the process ends.
"""

from __future__ import annotations

import errno
import os

from mpserver.system.unnamed_files import unnamed_file
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.ipc.slow_clients import SlowClients

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

    __slots__ = ("_counted", "_fd", "_memory", "_on_disk", "_position", "_room", "_slow_clients", "_written", "size")

    def __init__(self, room: Room, slow_clients: SlowClients | None = None) -> None:
        """``slow_clients``: what the interpreter keeps in all; None: nobody counts that."""
        self._fd = -1
        self._room = room
        self._slow_clients = slow_clients
        #: How many bytes in memory, and on the disk, are counted there.
        self._counted = self._on_disk = 0
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
        elif len(self._memory) > self._room.memory or not self._count(len(data)):
            self._fd = unnamed_file(self._room.directory, "body")
            self._write()
            self._uncount()

    def _count(self, size: int) -> bool:
        """Count more bytes in memory. :returns: whether there is room for them."""
        if self._slow_clients is not None:
            if not self._slow_clients.memory.take(size):
                return False
            self._counted += size
        return True

    def _uncount(self) -> None:
        if self._slow_clients is not None:
            self._slow_clients.memory.give(self._counted)
            self._counted = 0

    def _write(self) -> None:
        if self._slow_clients is not None:
            if not self._slow_clients.disk.take(len(self._memory)):
                raise OSError(errno.ENOSPC, "the server keeps as much for slow clients as it may (SlowClientDisk)")
            self._on_disk += len(self._memory)
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
        if self._slow_clients is not None:
            self._uncount()
            self._slow_clients.disk.give(self._on_disk)
            self._on_disk = 0
        self._memory = bytearray()
        self._written = self._position = self.size = 0
        if fd >= 0:
            os.close(fd)  # (last: who sees it gone finds room)

    __del__ = close
