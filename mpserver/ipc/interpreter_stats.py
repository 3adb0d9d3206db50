"""The figures of interpreters: what each has done, and what it does right now.

Each interpreter has a record in the scoreboard's memory file, after the pages of the workers, which it maps
by itself and writes alone. A record takes 8 KiB; records that nobody uses take no memory, for the file has
holes there.

    0     start, first request's number, process, thread, kind, name     written when the interpreter starts
    256   start and head (its beginning) of the current request                    written when a request begins
    512   errors (written when a request fails); bytes, busy seconds and end of what no virtual host counts
    544   requests that PythonRequestTimeout ended                       written when it ends one
    552   connections                                                    written when it gets or loses one
    560   modules of PythonImport that failed                            written when the interpreter starts
    576   time and text of the last error                                written when a request fails
    1024  counts by virtual host (`mpserver.ipc.request_counts`)         written when a request ends

What is written per request is packed in one go at its beginning and one at its end. What takes time to find out (CPU
time, memory) is not kept here: a reader finds it in ``/proc`` by process and thread.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time

from mpserver.ipc import request_counts
from mpserver.ipc.mapping import mapped
from mpserver.ipc.request_counts import Counts, packed, seconds_of, text_of
from mpserver.typing import NamedTuple

RECORD = 8192
_REQUEST, _TOTALS, _TIMEOUTS, _CONNECTIONS, _UNLOADED, _ERROR, CELLS = 256, 512, 544, 552, 560, 576, 1024

_OPENING = struct.Struct("=dQQQ8s200s")
_BEGIN = struct.Struct("=d248s")
_TIME = struct.Struct("=d")
_NAME = 200
_END = struct.Struct("=QQdd")
_FAILED = struct.Struct("=d440s")
_COUNT = struct.Struct("=Q")
_THREE = struct.Struct("=QQQ")

#: What stands in the place of a request's line while a module of PythonImport is imported: it is none.
IMPORTS = "(imports) "

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
    timeouts: int = 0
    connections: int = 0
    unloaded: int = 0


class Writer:
    """An interpreter's own figures, to be written by it alone."""

    __slots__ = ("_at", "_end", "begin_at", "begins", "busy", "bytes", "counts", "errors", "memory")

    def __init__(self, fd: int, offset: int) -> None:
        """``offset`` is that of the record in the memory file."""
        page = offset - offset % mmap.ALLOCATIONGRANULARITY
        self.memory = mapped(fd, offset - page + RECORD, page)
        self._at = offset - page
        self.begin_at = self._at + _REQUEST
        self._end = self._at + _TOTALS
        #: When the current request began: the first part of what `begin` writes.
        self.begins = memoryview(self.memory)[self.begin_at : self.begin_at + _TIME.size].cast("d")
        self.errors = 0
        self.bytes = 0
        self.busy = 0.0
        #: What its requests were, by virtual host.
        self.counts = Counts(self.memory, self._at + CELLS)

    def open(self, kind: str, name: str, first: int) -> None:
        """Begin the figures; the calling thread is the interpreter's main one."""
        self.memory[self._at : self._at + CELLS] = bytes(CELLS)
        _OPENING.pack_into(
            self.memory, self._at, time.time(), first, os.getpid(), threading.get_native_id(),
            kind.encode(), packed(name, 200),
        )  # fmt: skip

    def begin(self, now: float, head: bytes) -> None:
        """A request with this head begins; so much of it is kept that its first line shows."""
        pack_begin(self.memory, self.begin_at, now, head)

    def imports(self, module: str) -> None:
        """A module of PythonImport is imported from now on; "": no more is."""
        line = f"{IMPORTS}{module}"[:_NAME].encode("latin-1", "replace") if module else b""
        pack_begin(self.memory, self.begin_at, time.time() if module else 0.0, line)

    def end(self, now: float, began: float, size: int) -> None:
        """What began at a time has ended, and is no request that its virtual host counts (`counts`)."""
        self.bytes += size
        self.busy += now - began
        _END.pack_into(self.memory, self._end, self.errors, self.bytes, self.busy, now)

    def fail(self, now: float, why: str) -> None:
        """A request fails with a status from 500 on; before its `end`."""
        self.errors += 1
        _COUNT.pack_into(self.memory, self._end, self.errors)
        _FAILED.pack_into(self.memory, self._at + _ERROR, now, packed(why, 440))

    def timed_out(self) -> None:
        """A request took too long, and is ended."""
        self._add(_TIMEOUTS)

    def import_failed(self) -> None:
        """A module of PythonImport could not be loaded."""
        self._add(_UNLOADED)

    def _add(self, field: int) -> None:
        at = self._at + field
        _COUNT.pack_into(self.memory, at, _COUNT.unpack_from(self.memory, at)[0] + 1)

    def connected(self, count: int) -> None:
        """It has so many connections now."""
        _COUNT.pack_into(self.memory, self._at + _CONNECTIONS, count)

    def close(self) -> None:
        """Unmap it."""
        self.counts.close()
        self.begins.release()
        self.memory.close()


def began(fd: int, offset: int) -> float:
    """When the current or last request of a record began (seconds since the epoch), 0 where there was none."""
    found: float = _TIME.unpack(os.pread(fd, _TIME.size, offset + _REQUEST))[0]
    return found


def read(fd: int, offset: int) -> InterpreterStats | None:
    """The record at an offset of the memory file; None where no interpreter has opened it."""
    return unpack(os.pread(fd, RECORD, offset))


def unpack(data: bytes) -> InterpreterStats | None:
    """A record, as `read` gives it."""
    started, first, pid, thread, kind, name = _OPENING.unpack_from(data)
    if not pid:
        return None
    begin, line = _BEGIN.unpack_from(data, _REQUEST)
    errors, size, busy, last = _END.unpack_from(data, _TOTALS)
    failed, error = _FAILED.unpack_from(data, _ERROR)
    for counted in request_counts.read(data[CELLS:]).values():
        size, busy, last = size + counted.bytes, busy + counted.seconds, max(last, counted.last)
    started, begin, busy, last, failed = map(seconds_of, (started, begin, busy, last, failed))
    line = line.rstrip(b"\0").lstrip(b"\r\n").partition(b"\r\n")[0]
    return InterpreterStats(
        started, first, pid, thread, text_of(kind), text_of(name), begin, line.decode("latin-1"),
        errors, size, busy, last, failed, text_of(error), *_THREE.unpack_from(data, _TIMEOUTS),
    )  # fmt: skip
