"""The lines of access logs that wait to be written, in memory that outlives their process.

An interpreter collects the lines of the requests that one wake-up of its loop brings, and writes them together
(`mpserver.system.log_lines`). Until then they are at the end of the scoreboard's memory file, where each interpreter of
each worker has an `AREA`: `PLACES` of `PLACE` bytes, one for each of its logs::

    0    the log's descriptor       written by the interpreter
    4    where the lines end        written by the interpreter, after them
    8    the lines

Where an interpreter ends without having written them, because it crashed or was killed, its worker does it; and where
the worker crashed, the master.
"""

from __future__ import annotations

import os
import select
import stat
import struct
from collections.abc import Collection

from mpserver.ipc.scoreboard_layout import COMMON, INTERPRETERS, LINES_AREA, PER_WORKER

AREA = LINES_AREA
PLACES = 4
PLACE = AREA // PLACES
#: What one worker's interpreters have.
LINES = INTERPRETERS * AREA
HEAD = struct.Struct("=II")
#: How long the program of a log may take to read what comes before, in milliseconds.
PATIENCE = 100


def area_at(fd: int, slot: int, index: int) -> int:
    """Where the area of an interpreter is in the memory file; see `has_area`."""
    size = os.fstat(fd).st_size
    slots = (size - COMMON) // PER_WORKER
    return size - (slots - slot) * LINES + index * AREA


def has_area(index: int) -> bool:
    """Whether an interpreter has one of its own: those past `INTERPRETERS` share a place on the scoreboard."""
    return 0 < index < INTERPRETERS - 1


def write_left(fd: int, slot: int, index: int, logs: Collection[int]) -> None:
    """Write what an interpreter that has ended has left.

    :param logs: the descriptors that it may have written to: the memory is not to be believed.
    """
    if has_area(index):
        at = area_at(fd, slot, index)
        for place in range(at, at + AREA, PLACE):
            _write_left(fd, place, logs)


def write_all_left(fd: int, slot: int, logs: Collection[int]) -> None:
    """Write what the interpreters of a worker have left that has ended."""
    at = start = area_at(fd, slot, 0)
    end = at + LINES
    while True:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return  # there is none behind
        if at >= end:
            return
        at -= (at - start) % PLACE
        _write_left(fd, at, logs)
        at += PLACE


def _write_left(fd: int, at: int, logs: Collection[int]) -> None:
    log, end = HEAD.unpack(os.pread(fd, HEAD.size, at))
    if not HEAD.size < end <= PLACE:
        return
    data = os.pread(fd, end - HEAD.size, at + HEAD.size)
    os.pwrite(fd, bytes(HEAD.size), at)
    if log in logs and _takes(log):
        try:
            os.write(log, data if stat.S_ISREG(os.fstat(log).st_mode) else data[: select.PIPE_BUF])
        except OSError:
            pass  # (as where it is written in time: a full disk)


def _takes(log: int) -> bool:
    """Whether a log takes so much at once: the master waits for no program, which it may have to start again."""
    poll = select.poll()
    poll.register(log, select.POLLOUT)
    return bool(poll.poll(PATIENCE))
