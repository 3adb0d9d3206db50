"""The scoreboard: what each worker and each interpreter in it is doing, readable by all of them.

It is a memory file: every process inherits its descriptor, and every interpreter maps it by itself
(an ``mmap`` object can't cross interpreters, a descriptor can). Every field has one writer, so
there are no locks; a reader may see a value that is a moment old.

One page per worker slot:

    0     pid, generation, start time, oldest one      written by the master
    32    connections accepted                         written by the worker's main thread
    64    one state per interpreter (index 0: router)  written by that interpreter
    512   one count of requests per interpreter        written by that interpreter
    4096  the crc32 of each interpreter's place        written by that interpreter
    6144  how many threads of each are in a request    written by that interpreter, under the worker MPM
    8192  the process groups of the programs that run for each interpreter's requests, 0: none

After the workers' pages comes one with the applications that moved from subinterpreters to
processes, written by the keeper of processes, and at its end the soft limit of descriptors that the server was
started with; then the accounts of the interpreters (`mpserver.ipc.interpreter_stats`).
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import time
import zlib
from collections.abc import Iterator

from mpserver.ipc import interpreter_stats
from mpserver.ipc.interpreter_stats import InterpreterStats, Writer, pack_begin
from mpserver.typing import NamedTuple

PAGE = 65536
_STATES = 64
_COUNTS = 512
_PLACES = 4096
_THREADS = 6144
_PROGRAMS = 8192

#: Interpreters of one worker that have a place, the router (index 0) among them.
INTERPRETERS = _COUNTS - _STATES

#: So many programs of one interpreter are known at a time.
PROGRAMS = 32

#: A request that takes longer than this keeps others waiting, in seconds.
LONG = 0.01

#: The accounts of one worker's interpreters.
_ACCOUNTS = INTERPRETERS * interpreter_stats.RECORD

# States, with the letters of httpd's server-status.
OPEN = ord(".")  # the slot is free
STARTING = ord("S")
IDLE = ord("_")
READING = ord("R")
WORKING = ord("W")  # in a handler
KEEPALIVE = ord("K")
CLOSING = ord("C")
LOGGING = ord("L")
FINISHING = ord("G")  # draining: serves what it has, takes nothing new

#: Bytes that don't make a worker busy. Zero: no interpreter there.
_NOT_BUSY = bytes((0, OPEN, IDLE, KEEPALIVE, FINISHING, STARTING))

#: pid, generation, started (seconds since the epoch), the oldest generation whose connections it may take
_MASTER = struct.Struct("=QQdQ")
_COUNT = struct.Struct("=Q")
_CRC = struct.Struct("=I")
_GROUP = struct.Struct("=I")
_BUSY = struct.Struct("=H")
_MOVED = struct.Struct("=II")  # crc32 of a place, generation
_CONNECTIONS = 32
#: In the page after the workers'.
_DESCRIPTORS = PAGE - _COUNT.size


def end_group(group: int, number: signal.Signals = signal.SIGKILL) -> None:
    """End a program that is on the scoreboard, and all that it started; 0: there is none."""
    if group:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended


class Row(NamedTuple):
    """A worker slot as it was a moment ago; ``pid`` is 0 where no worker is."""

    slot: int
    pid: int
    generation: int
    started: float
    state: int
    connections: int
    requests: int
    interpreters: bytes


class ScoreboardEntry:
    """The place of one interpreter: it alone writes there."""

    __slots__ = (
        "_count_at", "_memory", "_place_at", "_programs_at", "_state_at", "_threads_at", "requests", "writer",
    )  # fmt: skip

    def __init__(self, memory: mmap.mmap, slot: int, index: int, writer: Writer) -> None:
        self._memory = memory
        self.writer = writer
        self._state_at = slot * PAGE + _STATES + index
        self._count_at = slot * PAGE + _COUNTS + index * _COUNT.size
        self._place_at = slot * PAGE + _PLACES + index * _CRC.size
        self._threads_at = slot * PAGE + _THREADS + index * _BUSY.size
        self._programs_at = slot * PAGE + _PROGRAMS + index * _GROUP.size * PROGRAMS
        #: Requests served here, those of an earlier interpreter in this place included.
        self.requests: int = _COUNT.unpack_from(memory, self._count_at)[0]

    def state(self, state: int) -> None:
        """Tell what the interpreter does from now on."""
        self._memory[self._state_at] = state

    def working(self, now: float, head: bytes) -> None:
        """A request with this head enters its handlers at ``now`` (seconds since the epoch)."""
        writer = self.writer
        pack_begin(writer.memory, writer.begin_at, now, head)
        self._memory[self._state_at] = WORKING

    def done(self, now: float, began: float, size: int = 0) -> None:
        """A request that began at a time was served, with ``size`` bytes of a body: count it, and be idle."""
        self.requests += 1
        _COUNT.pack_into(self._memory, self._count_at, self.requests)
        self.writer.end(now, began, size)
        self._memory[self._state_at] = IDLE

    def runs(self, group: int) -> None:
        """Tell the process group of a program that may not outlive the interpreter; 0: it has ended."""
        self.runs_also(group, 0)

    def runs_also(self, group: int, number: int) -> None:
        """The same where several may run at a time; those past `PROGRAMS` share the last number."""
        _GROUP.pack_into(self._memory, self._programs_at + min(number, PROGRAMS - 1) * _GROUP.size, group)

    def count(self, now: float, began: float, size: int) -> None:
        """A request was served, and others still are."""
        self.requests += 1
        _COUNT.pack_into(self._memory, self._count_at, self.requests)
        self.writer.end(now, began, size)

    def threads(self, busy: int, most: int) -> None:
        """How many of an interpreter's threads are in a request; it is busy when all are."""
        _BUSY.pack_into(self._memory, self._threads_at, busy)
        self._memory[self._state_at] = WORKING if busy >= most else IDLE

    def fail(self, now: float, why: str) -> None:
        """The request at hand failed: its account tells why. `done` follows."""
        self.writer.fail(now, why)

    def sign(self, place: str, kind: str, name: str) -> None:
        """Tell which interpreter has this place: its kind and name, as `Place.key` gives them; open its account.

        ``kind`` is what it really is.
        """
        _CRC.pack_into(self._memory, self._place_at, zlib.crc32(place.encode("utf-8", "surrogateescape")))
        self.writer.open(kind, name, self.requests)

    def gone(self) -> None:
        """The interpreter ended; its count stays."""
        _CRC.pack_into(self._memory, self._place_at, 0)
        _BUSY.pack_into(self._memory, self._threads_at, 0)
        self._memory[self._state_at] = 0


class Scoreboard:
    """The mapped scoreboard. `create` once in the master, `attach` in every other interpreter."""

    __slots__ = ("fd", "memory", "slots")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.slots = (os.fstat(fd).st_size - PAGE) // (PAGE + _ACCOUNTS)
        self.memory = mmap.mmap(fd, (self.slots + 1) * PAGE)

    @classmethod
    def create(cls, slots: int, descriptors: int = 0) -> Scoreboard:
        """A new one; pages that nobody uses take no memory."""
        fd = os.memfd_create("mpserver-scoreboard", os.MFD_CLOEXEC)
        os.ftruncate(fd, (slots + 1) * PAGE + slots * _ACCOUNTS)
        board = cls(fd)
        for slot in range(slots):
            board.memory[slot * PAGE + _STATES] = OPEN
        _COUNT.pack_into(board.memory, slots * PAGE + _DESCRIPTORS, descriptors)
        return board

    @classmethod
    def attach(cls, fd: int) -> Scoreboard:
        """The one behind an inherited descriptor, mapped for this interpreter."""
        return cls(fd)

    @property
    def descriptors(self) -> int:
        """The soft limit of descriptors that the server was started with, which programs get; 0: as it is."""
        found: int = _COUNT.unpack_from(self.memory, self.slots * PAGE + _DESCRIPTORS)[0]
        return found

    def entry(self, slot: int, index: int) -> ScoreboardEntry:
        """The place of interpreter ``index`` of a worker; those past `INTERPRETERS` share the last one."""
        index = min(index, INTERPRETERS - 1)
        return ScoreboardEntry(self.memory, slot, index, self.writer(slot, index))

    def writer(self, slot: int, index: int) -> Writer:
        """The account of an interpreter, to be written by it."""
        return Writer(self.fd, self._account_at(slot, min(index, INTERPRETERS - 1)))

    def _account_at(self, slot: int, index: int) -> int:
        return (self.slots + 1) * PAGE + slot * _ACCOUNTS + index * interpreter_stats.RECORD

    # What the master writes.

    def enter(self, slot: int, pid: int, generation: int, started: float, oldest: int | None = None) -> None:
        """A worker was forked into the slot. The state is the worker's from here on.

        ``oldest``: it may take the connections of workers from this generation on; None: of its own alone.
        """
        _MASTER.pack_into(self.memory, slot * PAGE, pid, generation, started, generation if oldest is None else oldest)

    def prepare(self, slot: int) -> None:
        """Wipe the slot before a worker is forked into it."""
        self._wipe(slot)
        self.memory[slot * PAGE + _STATES] = STARTING

    def leave(self, slot: int) -> None:
        """The slot's worker is gone."""
        self._wipe(slot)
        self.memory[slot * PAGE + _STATES] = OPEN

    def _wipe(self, slot: int) -> None:
        """Forget all about a slot's worker, and give back the memory of its accounts."""
        self.memory[slot * PAGE : (slot + 1) * PAGE] = bytes(PAGE)
        with mmap.mmap(self.fd, _ACCOUNTS, offset=self._account_at(slot, 0)) as records:
            records.madvise(mmap.MADV_REMOVE)

    # What the keeper of process interpreters writes.

    def move(self, place: str, generation: int) -> bool:
        """An application moved from subinterpreters to processes. :returns: False if that was known."""
        if self.has_moved(place, generation):
            return False
        entry = _MOVED.pack(zlib.crc32(place.encode("utf-8", "surrogateescape")), generation)
        start = self.slots * PAGE
        for at in range(start, start + _DESCRIPTORS, _MOVED.size):
            crc, its_generation = _MOVED.unpack_from(self.memory, at)
            if not crc or its_generation < generation:
                self.memory[at : at + _MOVED.size] = entry
                return True
        return True  # no room to tell: each worker finds out by itself

    def has_moved(self, place: str, generation: int) -> bool:
        """Whether an application is known to need processes in this generation."""
        entry = _MOVED.pack(zlib.crc32(place.encode("utf-8", "surrogateescape")), generation)
        start = self.slots * PAGE
        return self.memory.find(entry, start, start + _DESCRIPTORS) >= 0

    # What the worker's main thread writes.

    def connections(self, slot: int, count: int) -> None:
        """How many connections the worker has accepted so far."""
        _COUNT.pack_into(self.memory, slot * PAGE + _CONNECTIONS, count)

    # What everybody reads.

    def worker_state(self, slot: int) -> int:
        """The state of the slot's router."""
        return self.memory[slot * PAGE + _STATES]

    def worker_busy(self, slot: int) -> bool:
        """Whether any interpreter of the worker is in a request."""
        start = slot * PAGE + _STATES
        return bool(self.memory[start : start + INTERPRETERS].translate(None, _NOT_BUSY))

    def busy(self, slot: int, threads: int) -> int:
        """How many of a worker's threads are in a request, as its master counts: of ``threads`` at most."""
        if threads == 1:
            return int(self.worker_busy(slot))
        counts: tuple[int, ...] = struct.unpack_from(f"={INTERPRETERS}H", self.memory, slot * PAGE + _THREADS)
        return min(sum(counts), threads)

    def used(self) -> int:
        """The highest slot that has a worker, counted from 1."""
        pids = (_MASTER.unpack_from(self.memory, slot * PAGE)[0] for slot in range(self.slots - 1, -1, -1))
        below = next((number for number, pid in enumerate(pids) if pid), self.slots)
        return self.slots - below

    def interpreter_state(self, slot: int, index: int) -> int:
        """The state of one interpreter of one worker (0: there is none)."""
        return self.memory[slot * PAGE + _STATES + min(index, INTERPRETERS - 1)]

    def assign(self, slot: int, index: int) -> None:
        """A place gets another interpreter (written by its router): the account there is not this one's."""
        if index < INTERPRETERS - 1:
            os.pwrite(self.fd, bytes(interpreter_stats.RECORD), self._account_at(slot, index))

    def retire(self, slot: int, index: int) -> None:
        """An interpreter of a worker takes nothing new (written by its router): siblings look for another."""
        if index < INTERPRETERS - 1:
            _CRC.pack_into(self.memory, slot * PAGE + _PLACES + index * _CRC.size, 0)

    def retired(self, slot: int, index: int) -> bool:
        """Whether an interpreter that had signed its place takes nothing new."""
        at = slot * PAGE + _PLACES + min(index, INTERPRETERS - 1) * _CRC.size
        return not any(self.memory[at : at + _CRC.size])

    def clear(self, slot: int, index: int) -> None:
        """An interpreter is gone, however it ended (written by its router); its count stays."""
        if index < INTERPRETERS - 1:
            self.retire(slot, index)
            self.memory[slot * PAGE + _STATES + index] = 0

    def accounts(self, slot: int) -> dict[int, InterpreterStats]:
        """The accounts of a worker's live interpreters, by their places."""
        start = slot * PAGE + _STATES
        found = {}
        for index in range(1, INTERPRETERS):
            if self.memory[start + index]:
                account = interpreter_stats.read(self.fd, self._account_at(slot, index))
                if account is not None:
                    found[index] = account
        return found

    def account(self, slot: int, index: int) -> InterpreterStats | None:
        """The account of one interpreter, the last one that had this place."""
        return interpreter_stats.read(self.fd, self._account_at(slot, min(index, INTERPRETERS - 1)))

    def requests(self, slot: int, index: int) -> int:
        """How many requests were served in a place."""
        count: int = _COUNT.unpack_from(self.memory, slot * PAGE + _COUNTS + min(index, INTERPRETERS - 1) * 8)[0]
        return count

    def idle_siblings(self, slot: int, place: str) -> list[int]:
        """Other workers that may take connections of this one, and whose interpreter of this place is free.

        Those that have the interpreter already come first; a worker without it could start it.
        """
        warm: list[int] = []
        cold: list[int] = []
        for other, scoreboard_index in self._siblings(slot, place):
            if scoreboard_index is None:
                cold.append(other)
            elif self.interpreter_state(other, scoreboard_index) == IDLE:
                warm.append(other)
        return warm + cold

    def brisk_siblings(self, slot: int, place: str) -> list[int]:
        """Other workers whose interpreter of this place is free, or soon will be: in no long request."""
        now = time.time()
        return [
            other
            for other, scoreboard_index in self._siblings(slot, place)
            if scoreboard_index is not None and not self.is_stuck(other, scoreboard_index, now)
        ]

    def has_siblings(self, slot: int) -> bool:
        """Whether any other worker serves that may take connections of this one."""
        return any(True for _sibling in self._siblings(slot, ""))

    def is_stuck(self, slot: int, index: int, now: float) -> bool:
        """Whether an interpreter is in a long request at ``now`` (seconds since the epoch)."""
        index = min(index, INTERPRETERS - 1)
        if self.interpreter_state(slot, index) != WORKING:
            return False
        return now - interpreter_stats.began(self.fd, self._account_at(slot, index)) > LONG

    def _siblings(self, slot: int, place: str) -> Iterator[tuple[int, int | None]]:
        """Other workers that may take connections of this one, and where they have the interpreter of a place.

        They are of its generation or of one that follows it: a worker that leaves has no others.
        """
        wanted = _CRC.pack(zlib.crc32(place.encode("utf-8", "surrogateescape")))
        generation = _MASTER.unpack_from(self.memory, slot * PAGE)[1]
        for other in range(slot + 1, slot + self.slots):
            other %= self.slots
            start = other * PAGE
            pid, newest, _started, oldest = _MASTER.unpack_from(self.memory, start)
            if pid and oldest <= generation <= newest and self.memory[start + _STATES] == IDLE:
                yield other, self._scoreboard_entry(start, wanted)

    def _scoreboard_entry(self, start: int, wanted: bytes) -> int | None:
        at = self.memory.find(wanted, start + _PLACES, start + _PLACES + INTERPRETERS * _CRC.size)
        while at >= 0 and (at - start - _PLACES) % _CRC.size:
            at = self.memory.find(wanted, at + 1, start + _PLACES + INTERPRETERS * _CRC.size)
        return None if at < 0 else (at - start - _PLACES) // _CRC.size

    def programs(self, slot: int) -> list[int]:
        """The process groups of the programs that run for a worker's requests."""
        start = slot * PAGE + _PROGRAMS
        found = struct.unpack_from(f"={INTERPRETERS * PROGRAMS}I", self.memory, start)
        return [group for group in found if group]

    def programs_of(self, slot: int, index: int) -> list[int]:
        """Those of one interpreter."""
        at = slot * PAGE + _PROGRAMS + min(index, INTERPRETERS - 1) * _GROUP.size * PROGRAMS
        return [group for group in struct.unpack_from(f"={PROGRAMS}I", self.memory, at) if group]

    def end_programs(self, slot: int, owner: int) -> None:
        """A worker is gone without ending what ran for it: do that, where it is the owner's (a user's number).

        The scoreboard is not to be believed: who may write to it must not be able to make the master end others.
        """
        for group in self.programs(slot):
            try:
                if os.stat(f"/proc/{group}").st_uid == owner and os.getsid(group) == group:
                    end_group(group)
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended

    def row(self, slot: int) -> Row:
        """All about one slot."""
        start = slot * PAGE
        page = self.memory[start : start + _PLACES]
        pid, generation, started, _oldest = _MASTER.unpack_from(page)
        (connections,) = _COUNT.unpack_from(page, _CONNECTIONS)
        requests = sum(struct.unpack_from(f"={INTERPRETERS}Q", page, _COUNTS))
        states = page[_STATES:_COUNTS]
        return Row(slot, pid, generation, started, states[0], connections, requests, states.rstrip(b"\0"))

    def close(self) -> None:
        """Unmap it; the descriptor stays open for others that attach to it."""
        self.memory.close()
