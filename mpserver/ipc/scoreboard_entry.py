"""What one interpreter writes on the scoreboard (`mpserver.ipc.scoreboard`): its state and its counts."""

from __future__ import annotations

from bisect import bisect_left

from mpserver.ipc.interpreter_stats import Writer, pack_begin
from mpserver.ipc.request_counts import BOUNDS, TIMES, pack_sums
from mpserver.ipc.scoreboard_layout import (
    BUSY,
    COUNT,
    COUNTS,
    CRC,
    GROUP,
    GROUPS,
    KEYS,
    PAGE,
    PROGRAMS,
    STATES,
    STREAMS,
    THREADS,
    State,
    crc,
)
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap

    from mpserver.ipc.request_counts import HasLabel

#: (Bound to names, for each request writes two of them; and plain ints, which are written with fewer steps.)
IDLE, WORKING = int(State.IDLE), int(State.WORKING)
QUICKEST = BOUNDS[0]
#: Where the numbers of most requests are, those with status 200, from the place of their cell's numbers on.
SUCCEEDED = 2 * TIMES


class ScoreboardEntry:
    """What one interpreter writes: it alone writes there."""

    __slots__ = (
        "_board", "_cells", "_count_at", "_head", "_memory", "_key_at", "_numbers", "_programs_at", "_state_at",
        "_streams_at", "_sums", "_threads_at", "requests", "writer",
    )  # fmt: skip

    #: The interpreter's state once a request is over; 0 where that does not tell it.
    state_after = IDLE

    def __init__(self, memory: mmap.mmap, numbers: memoryview, slot: int, index: int, writer: Writer) -> None:
        """``numbers``: the memory as numbers of 8 bytes."""
        self._memory, self._board = memory, numbers
        self.writer = writer
        #: What was told last of a head: clients repeat theirs, and it is there already then.
        self._head = b""
        self._cells, self._numbers, self._sums = writer.counts.by_host, writer.counts.numbers, writer.memory
        self._state_at = slot * PAGE + STATES + index
        self._count_at = (slot * PAGE + COUNTS) // COUNT.size + index
        self._key_at = slot * PAGE + KEYS + index * CRC.size
        self._threads_at = slot * PAGE + THREADS + index * BUSY.size
        self._streams_at = slot * PAGE + STREAMS + index
        self._programs_at = slot * PAGE + GROUPS + index * GROUP.size * PROGRAMS
        #: Requests served here, those of earlier interpreters that had this index included.
        self.requests: int = numbers[self._count_at]

    def state(self, state: int) -> None:
        """Tell what the interpreter does from now on."""
        self._memory[self._state_at] = state

    def working(self, now: float, head: bytes) -> None:
        """A request with this head enters its handlers at ``now`` (seconds since the epoch)."""
        writer = self.writer
        if head is self._head:
            writer.begins[0] = now
        else:
            pack_begin(writer.memory, writer.begin_at, now, head)
            self._head = head
        self._memory[self._state_at] = WORKING

    def pause(self) -> None:
        """The request at hand stands aside, and will be counted when it is over."""
        self._memory[self._state_at] = IDLE

    def streams(self, count: int) -> None:
        """How many requests wait for bodies in their handlers."""
        self._memory[self._streams_at] = min(count, 255)

    def done(self, now: float, began: float, size: int = 0, status: int = 0, host: HasLabel | None = None) -> None:
        """A request that began at a time was served, with ``size`` bytes of a body: count it, and be idle.

        Without a ``host`` it is one that was given away, or that could not be read. (What it does stands here in one
        piece: it is on the road of each request.)
        """
        self.requests = self._board[self._count_at] = self.requests + 1
        if host is None:
            self.writer.end(now, began, size)
        else:
            try:
                cell = self._cells[host]
            except KeyError:
                cell = self.writer.counts.cell(host)
            seconds, at = now - began, cell.numbers_at
            if status == 200:
                at += SUCCEEDED
            elif status < 600:
                at += status // 100 * TIMES
            if seconds > QUICKEST:
                at += bisect_left(BOUNDS, seconds)
            elif seconds < 0.0:  # (the clock was set back)
                seconds = 0.0
            self._numbers[at] += 1
            cell.bytes = sent = cell.bytes + size
            cell.seconds = spent = cell.seconds + seconds
            pack_sums(self._sums, cell.sums_at, sent, spent, now)
        state = self.state_after
        if state:
            self._memory[self._state_at] = state

    def runs(self, group: int) -> None:
        """Tell the process group of a program that may not outlive the interpreter; 0: it has ended."""
        self.runs_also(group, 0)

    def runs_also(self, group: int, number: int) -> None:
        """The same where several may run at a time; those past `PROGRAMS` share the last number."""
        GROUP.pack_into(self._memory, self._programs_at + min(number, PROGRAMS - 1) * GROUP.size, group)

    def threads(self, busy: int, most: int) -> None:
        """How many of an interpreter's threads are in a request; it is busy when all are."""
        BUSY.pack_into(self._memory, self._threads_at, busy)
        self._memory[self._state_at] = WORKING if busy >= most else IDLE

    def fail(self, now: float, why: str) -> None:
        """The request at hand failed: the figures tell why. `done` follows."""
        self.writer.fail(now, why)

    def sign(self, key: str, kind: str, name: str) -> None:
        """Tell which interpreter has this entry, and begin its figures.

        ``key`` has the kind that was asked for, ``kind`` is what it really is.
        """
        self.streams(0)
        CRC.pack_into(self._memory, self._key_at, crc(key))
        self.writer.open(kind, name, self.requests)

    def gone(self) -> None:
        """The interpreter ended; its count stays."""
        CRC.pack_into(self._memory, self._key_at, 0)
        BUSY.pack_into(self._memory, self._threads_at, 0)
        self._memory[self._state_at] = 0
