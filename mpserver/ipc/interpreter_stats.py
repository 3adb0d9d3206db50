"""The figures of interpreters: what each has done, and what it does right now.

Each interpreter has a record in the scoreboard's memory file, after the pages of the workers, which it maps
by itself and writes alone. A record takes 1 KiB; records that nobody uses take no memory, for the file has
holes there.

    0     start, first request's number, process, thread, kind, name     written when the interpreter starts
    256   start and head (its beginning) of the current request                    written when a request begins
    512   errors, bytes, busy seconds, end of the last request           written when a request ends
    576   time and text of the last error                                written when a request fails

What is written per request is packed in one go at its beginning and one at its end. What takes time to find out (CPU
time, memory) is not kept here: a reader finds it in ``/proc`` by process and thread.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time

from mpserver.typing import NamedTuple

RECORD = 1024
_REQUEST, _TOTALS, _ERROR = 256, 512, 576

_OPENING = struct.Struct("=dQQQ8s200s")
_BEGIN = struct.Struct("=d128s")
_TIME = struct.Struct("=d")
_END = struct.Struct("=QQdd")
_FAILED = struct.Struct("=d440s")

#: `Writer.begin`, for those who have its memory and offset at hand.
pack_begin = _BEGIN.pack_into


class InterpreterStats(NamedTuple):
    """An interpreter's figures as they were a moment ago. Times are seconds since the epoch, 0 for never.

    ``first`` is how many requests its entry on the scoreboard had seen before it. ``thread`` is the kernel's number
    of its main thread. ``line`` is the line of the request that began at ``began``.
    """

    started: float
    first: int
    pid: int
    thread: int
    kind: str
    name: str
    began: float
    line: str
    errors: int
    bytes: int
    busy: float
    last: float
    failed: float
    error: str


def _cut(text: str, length: int) -> bytes:
    """Text as at most so many bytes of UTF-8, no character cut in two."""
    return text.encode("utf-8", "surrogateescape")[:length].decode("utf-8", "ignore").encode()


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")


class Writer:
    """An interpreter's own figures, to be written by it alone."""

    __slots__ = ("_at", "_end", "begin_at", "busy", "bytes", "errors", "memory")

    def __init__(self, fd: int, offset: int) -> None:
        """``offset`` is that of the record in the memory file."""
        page = offset - offset % mmap.ALLOCATIONGRANULARITY
        self.memory = mmap.mmap(fd, offset - page + RECORD, offset=page)
        self._at = offset - page
        self.begin_at = self._at + _REQUEST
        self._end = self._at + _TOTALS
        self.errors = 0
        self.bytes = 0
        self.busy = 0.0

    def open(self, kind: str, name: str, first: int) -> None:
        """Begin the figures; the calling thread is the interpreter's main one."""
        self.memory[self._at : self._at + RECORD] = bytes(RECORD)
        _OPENING.pack_into(
            self.memory, self._at, time.time(), first, os.getpid(), threading.get_native_id(),
            kind.encode(), _cut(name, 200),
        )  # fmt: skip

    def begin(self, now: float, head: bytes) -> None:
        """A request with this head begins; so much of it is kept that its first line shows."""
        pack_begin(self.memory, self.begin_at, now, head)

    def end(self, now: float, began: float, size: int) -> None:
        """A request that began at a time has ended; ``size`` bytes of its body were sent."""
        self.bytes += size
        self.busy += now - began
        _END.pack_into(self.memory, self._end, self.errors, self.bytes, self.busy, now)

    def fail(self, now: float, why: str) -> None:
        """A request fails with a status from 500 on; before its `end`."""
        self.errors += 1
        _FAILED.pack_into(self.memory, self._at + _ERROR, now, _cut(why, 440))

    def close(self) -> None:
        """Unmap it."""
        self.memory.close()


def began(fd: int, offset: int) -> float:
    """When the current or last request of a record began (seconds since the epoch), 0 where there was none."""
    found: float = _TIME.unpack(os.pread(fd, _TIME.size, offset + _REQUEST))[0]
    return found


def read(fd: int, offset: int) -> InterpreterStats | None:
    """The record at an offset of the memory file; None where no interpreter has opened it."""
    data = os.pread(fd, RECORD, offset)
    started, first, pid, thread, kind, name = _OPENING.unpack_from(data)
    if not pid:
        return None
    begin, line = _BEGIN.unpack_from(data, _REQUEST)
    errors, size, busy, last = _END.unpack_from(data, _TOTALS)
    failed, error = _FAILED.unpack_from(data, _ERROR)
    line = line.rstrip(b"\0").lstrip(b"\r\n").partition(b"\r\n")[0]
    return InterpreterStats(
        started, first, pid, thread, _text(kind), _text(name), begin, line.decode("latin-1"),
        errors, size, busy, last, failed, _text(error),
    )  # fmt: skip
