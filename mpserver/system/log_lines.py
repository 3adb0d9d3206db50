"""How an interpreter's lines get into its access logs: those of one wake-up of its loop in one write.

Where wake-ups follow each other within `PAUSE`, the lines of several are: so a busy interpreter writes a hundred times
a second, and an idle one at once.

Each line is whole and in its place: what waits for a pipe is written in pieces that arrive as one (`PIPE_BUF`), and
what goes to a socket of messages does not wait. Where more is to be collected (httpd's BufferedLogs), it is written
when there is no room for more, and after `LONGEST` at the latest.
"""

from __future__ import annotations

import _socket
import mmap
import os
import select
import stat
import time
from _thread import allocate_lock
from collections.abc import Callable

from mpserver.ipc import log_lines
from mpserver.ipc.log_lines import AREA, HEAD, PLACE, PLACES
from mpserver.ipc.mapping import mapped
from mpserver.system.loop import Loop
from mpserver.typing import Any, Protocol

#: Takes a line without its end; for a queue a `Batch`.
Write = Callable[[Any], None]

#: How long lines wait for those of further wake-ups, in seconds.
PAUSE = 0.01
#: Where the lines of a log begin in its place.
BEGIN = HEAD.size
#: How long lines wait at most under BufferedLogs, and records for a queue, in seconds.
LONGEST, TOLD_WITHIN = 1.0, 0.25


class Batch(Protocol):
    """What is told of several requests in messages, in place of a line for each: every line of it is the same one."""

    #: Whether it is among those that wait.
    waits: bool
    #: The messages that are ready; more records may wait.
    full: list[bytes]

    def taken(self) -> list[bytes]:
        """The messages of all that waits, which waits no more."""


def at_once(fd: int) -> Write:
    """Writes lines to a log as they come."""
    if is_queue(fd):
        return lambda batch: _send(fd, batch)

    def write(line: str) -> None:
        try:
            os.write(fd, (line + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # a full disk must not fail requests

    return write


class LogLines:
    """The lines of one interpreter that wait.

    :param board: the descriptor of the scoreboard.
    :param buffered: whether to wait for more than the loop's other events.
    :param in_loop: calls something in the loop's thread.
    """

    def __init__(
        self, board: int, slot: int, index: int, loop: Loop, buffered: bool,
        in_loop: Callable[[Callable[[], None]], None], gone: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._memory = mapped(board, AREA, log_lines.area_at(board, slot, index))
        self._loop, self._in_loop, self._buffered = loop, in_loop, buffered
        #: Whether the worker is gone, and with it what waited: the master has written that.
        self.gone = gone
        self._logs: dict[int, _Log] = {}
        self._queues: dict[int, _Queue] = {}
        #: Held while lines are added or written.
        self.lock = allocate_lock()
        #: Whether lines wait for the loop.
        self.waiting = False
        #: When lines were written last (``time.monotonic()``).
        self._written = float("-inf")
        self.deadline = float("inf")

    def writer(self, fd: int) -> Write:
        """What takes the lines of a log."""
        if is_queue(fd):
            return self._queues.setdefault(fd, _Queue(self, fd)).add
        log = self._logs.get(fd)
        if log is None:
            most = _most(fd)
            if not most or len(self._logs) == PLACES:
                return at_once(fd)
            log = self._logs[fd] = _Log(self, fd, self._memory, len(self._logs) * PLACE, most)
        return log.add

    def await_end(self) -> None:
        """A line waits, the first one."""
        if not self._buffered:
            self.waiting = True
            self._loop.soon(self._after_events)
        else:
            self.wait(LONGEST)

    def wait(self, patience: float) -> None:
        """Something waits that may do so for some seconds."""
        if self.deadline == float("inf"):
            self.deadline = self._loop.now + patience
            self._in_loop(self._begin_to_wait)

    def _after_events(self) -> None:
        """The loop's wake-up is over."""
        due = self._written + PAUSE
        if self._loop.now >= due:
            self.flush()
        else:
            self._loop.later(due, self.hurry)

    def _begin_to_wait(self) -> None:
        self._loop.watch(self)

    def expire(self, now: float) -> None:
        """What is collected has waited long enough; see `mpserver.system.loop.Timed`."""
        self._loop.unwatch(self)
        self.deadline = float("inf")
        self.flush()

    def flush(self) -> None:
        """Write what waits; in any thread of the interpreter."""
        self.waiting = False
        self._written = time.monotonic()
        with self.lock:
            for log in self._logs.values():
                log.write()
            for queue in self._queues.values():
                queue.write()

    def hurry(self) -> None:
        """Write what waits for the loop, now."""
        if self.waiting:
            self.flush()


class _Log:
    """The lines of one log."""

    __slots__ = ("_end", "_fd", "_lines", "_lock", "_marks", "_memory", "_most", "_start", "_waiting")

    def __init__(self, lines: LogLines, fd: int, memory: mmap.mmap, start: int, most: int) -> None:
        """``start`` is where its place in the memory begins."""
        self._lines, self._fd, self._memory, self._lock = lines, fd, memory, lines.lock
        self._start, self._most = start, BEGIN + most
        #: (what is in the memory is for others, and theirs once the worker is gone)
        self._waiting: list[bytes] = []
        self._marks = memoryview(memory)[start : start + BEGIN].cast("I")
        self._end = self._marks[1] = BEGIN
        self._marks[0] = fd

    def add(self, line: str) -> None:
        """Let a line wait."""
        data = (line + "\n").encode("utf-8", "backslashreplace")
        with self._lock:
            begin = self._end
            if self._marks[1] != begin:
                begin = self._forget_written()
            end = begin + len(data)
            if end > self._most:
                self.write()
                begin = BEGIN
                end = begin + len(data)
                if end > self._most:
                    self._out(data)
                    return
            self._waiting.append(data)
            start = self._start
            self._memory[start + begin : start + end] = data
            self._marks[1] = self._end = end
        if begin == BEGIN:
            self._lines.await_end()

    def write(self) -> None:
        """Write what waits; the lock is held."""
        if self._marks[1] != self._end:
            self._forget_written()
        if self._end > BEGIN:
            self._out(b"".join(self._waiting))
            self._waiting.clear()
            self._end = self._marks[1] = BEGIN

    def _forget_written(self) -> int:
        """The memory is not as it was left: look whether it has been written out. :returns: its end."""
        if self._lines.gone():
            self._waiting.clear()
            self._end = self._marks[1] = BEGIN
        return self._end

    def _out(self, data: bytes) -> None:
        try:
            os.write(self._fd, data)
        except OSError:
            pass  # a full disk must not fail requests


class _Queue:
    """What a process of the server's own is told, a message for many requests."""

    __slots__ = ("_fd", "_lines", "_waiting")

    def __init__(self, lines: LogLines, fd: int) -> None:
        self._lines, self._fd = lines, fd
        self._waiting: list[Batch] = []

    def add(self, batch: Batch) -> None:
        """Let a batch wait, to which something was added."""
        if not batch.waits:
            batch.waits = True
            self._waiting.append(batch)
            self._lines.wait(TOLD_WITHIN)
        if batch.full:
            with self._lines.lock:
                self.write()

    def write(self) -> None:
        """Write what waits; the lock is held."""
        waiting, self._waiting = self._waiting, []
        for batch in waiting:
            batch.waits = False
            _send(self._fd, batch)


def _send(fd: int, batch: Batch) -> None:
    sock = _socket.socket(fileno=fd)
    try:
        sock.setblocking(False)  # (an application may have set a default timeout, which would wait)
        for message in batch.taken():
            try:
                # (whether the socket itself may wait, every process that has it can change)
                sock.send(message, _socket.MSG_DONTWAIT)
            except OSError:
                pass  # (its reader is behind: it sees by the numbers of the next ones what is missing)
    finally:
        sock.detach()


def is_queue(fd: int) -> bool:
    """Whether a descriptor is a socket of messages that a process of the server's own reads."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return False
        sock = _socket.socket(fileno=fd)
    except OSError:
        return False
    kind = sock.type
    sock.detach()
    return kind == _socket.SOCK_SEQPACKET


def _most(fd: int) -> int:
    """How many bytes of lines a log takes at a time and keeps together; 0: each line has to be a write of its own."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return PLACE - HEAD.size
    return select.PIPE_BUF if stat.S_ISFIFO(mode) else 0
