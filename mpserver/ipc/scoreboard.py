"""The scoreboard: what each worker and each interpreter in it is doing, readable by all of them.

`mpserver.ipc.scoreboard_layout` tells who writes what, and the states.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

from mpserver.ipc import interpreter_stats
from mpserver.ipc.interpreter_stats import InterpreterStats, Writer
from mpserver.ipc.log_lines import LINES, area_at
from mpserver.ipc.mapping import mapped
from mpserver.ipc.scoreboard_entry import ScoreboardEntry
from mpserver.ipc.scoreboard_layout import (
    ADDRESSES,
    ADDRESSES_HEAD,
    BUSY,
    COMMON,
    COUNT,
    COUNTS,
    CRC,
    DESCRIPTORS,
    ENDED,
    ENDS,
    GROUP,
    GROUPS,
    HEALTH,
    HISTORY,
    INTERPRETERS,
    KEPT,
    KEYS,
    MOVED,
    PAGE,
    PER_WORKER,
    PROGRAMS,
    SLOW_CLIENTS,
    STATES,
    STATS,
    STREAMS,
    THREADS,
    WORKER,
    End,
    State,
    crc,
)  # fmt: skip
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpserver.ipc.waiting_requests import WaitingRequest

OPEN, STARTING, IDLE, WORKING, FINISHING = State

#: Bytes that don't make a worker busy. Zero: no interpreter there.
_NOT_BUSY = bytes((0, OPEN, IDLE, FINISHING, STARTING))

#: As `signal` has it, which every interpreter would pay for.
SIGKILL = 9


def end_group(group: int, number: int = SIGKILL) -> None:
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
    requests: int
    interpreters: bytes


class Scoreboard:
    """The mapped scoreboard. `create` once in the master, `attach` in every other interpreter."""

    __slots__ = ("fd", "memory", "numbers", "slots")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.slots = (os.fstat(fd).st_size - COMMON) // PER_WORKER
        self.memory = mapped(fd, (self.slots + 1) * PAGE)
        #: The same as numbers of 8 bytes: each request counts one.
        self.numbers = memoryview(self.memory).cast("Q")

    @classmethod
    def create(cls, slots: int, descriptors: int = 0) -> Scoreboard:
        """A new one; pages that nobody uses take no memory."""
        fd = os.memfd_create("mpserver-scoreboard", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, COMMON + slots * PER_WORKER)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        board = cls(fd)
        for slot in range(slots):
            board.memory[slot * PAGE + STATES] = OPEN
        COUNT.pack_into(board.memory, slots * PAGE + DESCRIPTORS, descriptors)
        return board

    @classmethod
    def attach(cls, fd: int) -> Scoreboard:
        """The one behind an inherited descriptor, mapped for this interpreter."""
        return cls(fd)

    @property
    def descriptors(self) -> int:
        """The soft limit of descriptors that the server was started with, which programs get; 0: as it is."""
        found: int = COUNT.unpack_from(self.memory, self.slots * PAGE + DESCRIPTORS)[0]
        return found

    def entry(self, slot: int, index: int) -> ScoreboardEntry:
        """The entry of interpreter ``index`` of a worker; those past `INTERPRETERS` share the last one."""
        index = min(index, INTERPRETERS - 1)
        return ScoreboardEntry(self.memory, self.numbers, slot, index, self.writer(slot, index))

    def writer(self, slot: int, index: int) -> Writer:
        """The figures of an interpreter, to be written by it."""
        return Writer(self.fd, self.record_at(slot, min(index, INTERPRETERS - 1)))

    def record_at(self, slot: int, index: int) -> int:
        """Where the figures of an interpreter are in the memory file."""
        return (self.slots + 1) * PAGE + slot * STATS + index * interpreter_stats.RECORD

    # What the master writes.

    def enter(self, slot: int, pid: int, generation: int, started: float, oldest: int | None = None) -> None:
        """A worker was forked into the slot. The state is the worker's from here on.

        ``oldest``: it may take the connections of workers from this generation on; None: of its own alone.
        """
        WORKER.pack_into(self.memory, slot * PAGE, pid, generation, started, generation if oldest is None else oldest)

    def prepare(self, slot: int) -> None:
        """Wipe the slot before a worker is forked into it."""
        self._wipe(slot)
        self.memory[slot * PAGE + STATES] = STARTING

    def leave(self, slot: int) -> None:
        """The slot's worker is gone."""
        self._wipe(slot)
        self.memory[slot * PAGE + STATES] = OPEN

    def _wipe(self, slot: int) -> None:
        """Forget all about a slot's worker, and give back the memory of its figures and lines."""
        from mpserver.ipc import waiting_requests  # (the master alone does that)

        self.memory[slot * PAGE : (slot + 1) * PAGE] = bytes(PAGE)
        places = self.history_at + HISTORY + ADDRESSES_HEAD + slot * ADDRESSES
        for length, at in (
            (STATS, self.record_at(slot, 0)),
            (ADDRESSES, places),
            (waiting_requests.WAITING, waiting_requests.area_at(self.fd, slot, 0)),
            (LINES, area_at(self.fd, slot, 0)),
        ):
            with mmap.mmap(self.fd, length, offset=at) as memory:
                memory.madvise(mmap.MADV_REMOVE)

    # What the keeper of zygotes writes.

    def move(self, key: str, generation: int) -> bool:
        """An application moved from subinterpreters to processes. :returns: False if that was known.

        What earlier generations know stays as long as there is room, for their workers may serve yet; then the oldest
        of it goes.
        """
        if self.has_moved(key, generation):
            return False
        start = self.slots * PAGE
        table = self.memory[start : start + HEALTH]
        entries = enumerate(MOVED.iter_unpack(table))
        its_generation, place = min((written if known else -1, place) for place, (known, written) in entries)
        if its_generation < generation:
            at = start + place * MOVED.size
            self.memory[at : at + MOVED.size] = MOVED.pack(crc(key), generation)
        return True  # (without room for it, each worker finds out by itself)

    def has_moved(self, key: str, generation: int) -> bool:
        """Whether an application is known to need processes in this generation."""
        entry = MOVED.pack(crc(key), generation)
        start = self.slots * PAGE
        return self.memory.find(entry, start, start + HEALTH) >= 0

    # What everybody reads.

    def worker_busy(self, slot: int) -> bool:
        """Whether any interpreter of the worker is in a request."""
        start = slot * PAGE + STATES
        return bool(self.memory[start : start + INTERPRETERS].translate(None, _NOT_BUSY))

    def busy(self, slot: int, threads: int) -> int:
        """How many of a worker's threads are in a request, as its master counts: of ``threads`` at most."""
        if threads == 1:
            return int(self.worker_busy(slot))
        counts: tuple[int, ...] = struct.unpack_from(f"={INTERPRETERS}H", self.memory, slot * PAGE + THREADS)
        return min(sum(counts), threads)

    def occupied(self, slot: int, threads: int) -> int:
        """How many of them are to be shown as busy: under prefork also a worker whose requests wait for others."""
        busy = self.busy(slot, threads)
        start = slot * PAGE + THREADS
        return busy or int(threads == 1 and any(self.memory[start : start + INTERPRETERS * BUSY.size]))

    def waiting(self, slot: int, index: int) -> list[WaitingRequest]:
        """The requests of an interpreter that wait for other servers."""
        (count,) = BUSY.unpack_from(self.memory, slot * PAGE + THREADS + min(index, INTERPRETERS - 1) * BUSY.size)
        if not count or index >= INTERPRETERS - 1:
            return []
        from mpserver.ipc import waiting_requests  # (only who looks at the status)

        return waiting_requests.read(self.fd, slot, index)

    def used(self) -> int:
        """The highest slot that has a worker, counted from 1."""
        pids = (WORKER.unpack_from(self.memory, slot * PAGE)[0] for slot in range(self.slots - 1, -1, -1))
        below = next((number for number, pid in enumerate(pids) if pid), self.slots)
        return self.slots - below

    def interpreter_state(self, slot: int, index: int) -> int:
        """The state of one interpreter of one worker (0: there is none)."""
        return self.memory[slot * PAGE + STATES + min(index, INTERPRETERS - 1)]

    def streams(self, slot: int, index: int) -> int:
        """How many requests of one interpreter wait for bodies in their handlers."""
        return self.memory[slot * PAGE + STREAMS + min(index, INTERPRETERS - 1)]

    def assign(self, slot: int, index: int) -> None:
        """An index gets another interpreter (written by its router): the figures there are not this one's."""
        if index < INTERPRETERS - 1:
            os.pwrite(self.fd, bytes(interpreter_stats.RECORD), self.record_at(slot, index))
            self.memory[slot * PAGE + ENDS + index] = 0  # (before it is not kept any more: it has not ended)
            self.memory[slot * PAGE + KEPT + index] = 0

    def is_free(self, slot: int, index: int) -> bool:
        """Whether nothing would be lost if an index got another interpreter: the counts of the last one are kept."""
        return bool(self.memory[slot * PAGE + KEPT + index]) or not self.has_record(slot, index)

    def will_end(self, slot: int, index: int, end: End) -> None:
        """Tell how an interpreter is going to end (written by its router)."""
        self.memory[slot * PAGE + ENDS + min(index, INTERPRETERS - 1)] = end

    def retire(self, slot: int, index: int) -> None:
        """An interpreter of a worker takes nothing new (written by its router): siblings look for another."""
        if index < INTERPRETERS - 1:
            CRC.pack_into(self.memory, slot * PAGE + KEYS + index * CRC.size, 0)

    def retired(self, slot: int, index: int) -> bool:
        """Whether an interpreter that had signed its entry takes nothing new."""
        at = slot * PAGE + KEYS + min(index, INTERPRETERS - 1) * CRC.size
        return not any(self.memory[at : at + CRC.size])

    def clear(self, slot: int, index: int) -> None:
        """An interpreter is gone, however it ended (written by its router); its count stays."""
        if index < INTERPRETERS - 1:
            self.retire(slot, index)
            self.memory[slot * PAGE + STATES + index] = 0
            BUSY.pack_into(self.memory, slot * PAGE + THREADS + index * BUSY.size, 0)
            for at in (SLOW_CLIENTS, SLOW_CLIENTS + INTERPRETERS * GROUP.size):
                GROUP.pack_into(self.memory, slot * PAGE + at + index * GROUP.size, 0)
            self.memory[slot * PAGE + ENDS + index] |= ENDED

    def ends(self, slot: int) -> bytes:
        """How the interpreters of a worker ended: an `End`, with `ENDED`."""
        return self.memory[slot * PAGE + ENDS : slot * PAGE + ENDS + INTERPRETERS]

    def kept(self, slot: int) -> bytes:
        """Which indexes of a worker have counts that are kept elsewhere."""
        return self.memory[slot * PAGE + KEPT : slot * PAGE + KEPT + INTERPRETERS]

    def keep(self, slot: int, index: int) -> None:
        """The counts of an interpreter that has ended are kept (written by the master)."""
        self.memory[slot * PAGE + KEPT + index] = 1

    @property
    def history_at(self) -> int:
        """Where `mpserver.ipc.history` is in the memory file."""
        return (self.slots + 1) * PAGE + self.slots * STATS

    def has_record(self, slot: int, index: int) -> bool:
        """Whether an index has figures."""
        return any(self._memory_of(slot, index, 32))

    def record(self, slot: int, index: int) -> bytes:
        """The figures of an index."""
        return self._memory_of(slot, index, interpreter_stats.RECORD)

    def _memory_of(self, slot: int, index: int, length: int) -> bytes:
        return os.pread(self.fd, length, self.record_at(slot, min(index, INTERPRETERS - 1)))

    def records(self, slot: int) -> Iterator[tuple[int, bytes]]:
        """All figures of a worker's interpreters, those included that have ended: by index, holes are passed over."""
        start = at = self.record_at(slot, 0)
        size = interpreter_stats.RECORD
        while True:
            try:
                at = os.lseek(self.fd, at, os.SEEK_DATA)
            except OSError:
                return  # there is none behind
            at -= (at - start) % size
            if at >= start + STATS:
                return
            yield (at - start) // size, os.pread(self.fd, size, at)
            at += size

    def all_stats(self, slot: int) -> dict[int, InterpreterStats]:
        """The figures of a worker's live interpreters, by their indexes."""
        start = slot * PAGE + STATES
        found = {}
        for index in range(1, INTERPRETERS):
            if self.memory[start + index]:
                stats = interpreter_stats.read(self.fd, self.record_at(slot, index))
                if stats is not None:
                    found[index] = stats
        return found

    def importing(self, slot: int) -> list[tuple[InterpreterStats, str]]:
        """The interpreters of a worker that import modules of PythonImport, before they serve; and these."""
        keys, states = slot * PAGE + KEYS, slot * PAGE + STATES
        found = []
        for index in range(1, INTERPRETERS):
            at = keys + index * CRC.size
            if not self.memory[states + index] and self.memory[at : at + CRC.size] != bytes(CRC.size):
                stats = interpreter_stats.read(self.fd, self.record_at(slot, index))
                if stats is not None and stats.line.startswith(interpreter_stats.IMPORTS):
                    found.append((stats, stats.line.removeprefix(interpreter_stats.IMPORTS)))
        return found

    def running(self, slot: int) -> list[tuple[str, str]]:
        """The requests that a worker's interpreters are in: their lines, and the interpreters' names."""
        found = []
        for index, one in self.all_stats(slot).items():
            waiting = self.waiting(slot, index)
            found += [(its.line, one.name) for its in waiting]
            if not waiting and one.began > one.last and one.line:
                found.append((one.line, one.name))
        return found

    def stats(self, slot: int, index: int) -> InterpreterStats | None:
        """The figures of one interpreter, the last one that had this index; None: none has written any."""
        return interpreter_stats.read(self.fd, self.record_at(slot, min(index, INTERPRETERS - 1)))

    def requests(self, slot: int, index: int) -> int:
        """How many requests were served by the interpreters that had an index."""
        count: int = COUNT.unpack_from(self.memory, slot * PAGE + COUNTS + min(index, INTERPRETERS - 1) * 8)[0]
        return count

    def began(self, slot: int, index: int) -> float:
        """When an interpreter's current or last request began, in seconds since the epoch; 0: there was none."""
        return interpreter_stats.began(self.fd, self.record_at(slot, min(index, INTERPRETERS - 1)))

    def programs(self, slot: int) -> list[int]:
        """The process groups of the programs that run for a worker's requests."""
        start = slot * PAGE + GROUPS
        found = struct.unpack_from(f"={INTERPRETERS * PROGRAMS}I", self.memory, start)
        return [group for group in found if group]

    def programs_of(self, slot: int, index: int) -> list[int]:
        """The process groups of the programs that run for one interpreter's requests."""
        at = slot * PAGE + GROUPS + min(index, INTERPRETERS - 1) * GROUP.size * PROGRAMS
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
        page = self.memory[start : start + KEYS]
        pid, generation, started, _oldest = WORKER.unpack_from(page)
        requests = sum(struct.unpack_from(f"={INTERPRETERS}Q", page, COUNTS))
        states = page[STATES:COUNTS]
        return Row(slot, pid, generation, started, states[0], requests, states.rstrip(b"\0"))

    def close(self) -> None:
        """Unmap it; the descriptor stays open for others that attach to it."""
        self.numbers.release()
        self.memory.close()
