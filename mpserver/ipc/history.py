"""What there was: the counts of interpreters that have ended, kept so that no figure of the server ever falls back.

The master alone writes it, at the end of the scoreboard's memory file; every interpreter may read it. Where an
interpreter has ended, its counts are added to those of the same name, kind and virtual host, and its place on the
scoreboard is marked as kept: from then on whoever reads does not count it a second time. Meanwhile the sequence
number is odd, so that a reader who sees it change reads again.

    0     the sequence number
    64    what the master tells of the server: the length of a JSON text, and that
    65536 the entries: kind, name, how many interpreters ended in which way, and a cell (`mpserver.ipc.request_counts`)

An entry without a virtual host is about the interpreters of a name themselves. Entries are taken in order; where there
are none left, the last one has all others.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import time
from collections.abc import Callable, Iterator

from mpserver.ipc import interpreter_stats, request_counts
from mpserver.ipc.request_counts import MOST, OTHERS, Counted, packed, text_of
from mpserver.ipc.scoreboard import WORKING, Scoreboard
from mpserver.ipc.scoreboard_layout import (
    ENDED,
    ENTRIES,
    ENTRY,
    FACTS,
    HISTORY,
    HISTORY_ENTRIES,
    INTERPRETERS,
    PAGE,
    STATES,
    End,
)
from mpserver.typing import NamedTuple, TypeVar

T = TypeVar("T")

_SEQUENCE = struct.Struct("=Q")
_LENGTH = struct.Struct("=I")
#: kind, name, and the ends by `End`.
_HEAD = struct.Struct(f"=8s200s{len(End)}Q")
_CELL_AT = ENTRY - request_counts.CELL

#: How long a reader waits for the master to end a change, in seconds; it takes microseconds, unless it was stopped.
PATIENCE = 0.1


class Series(NamedTuple):
    """Whose requests are counted: those of a virtual host in the interpreters of a name and kind."""

    kind: str
    name: str
    host: str


class Lives(NamedTuple):
    """The interpreters of a name and kind: how many live, and how many ended in which way, by `End`."""

    live: int = 0
    ends: tuple[int, ...] = (0,) * len(End)
    timeouts: int = 0


class Figures(NamedTuple):
    """All that was counted since the server's start."""

    requests: dict[Series, Counted]
    lives: dict[tuple[str, str], Lives]

    @property
    def total(self) -> Counted:
        """All requests together."""
        total = Counted()
        for counted in self.requests.values():
            total = total.with_(counted)
        return total


class _Tally:
    """Figures as they are added up."""

    def __init__(self) -> None:
        self.requests: dict[Series, Counted] = {}
        self.lives: dict[tuple[str, str], Lives] = {}

    def add(self, series: Series, counted: Counted) -> None:
        known = self.requests.get(series)
        self.requests[series] = counted if known is None else known.with_(counted)

    def add_lives(self, kind: str, name: str, lives: Lives) -> None:
        known = self.lives.get((kind, name), Lives())
        ends = tuple(map(sum, zip(known.ends, lives.ends, strict=True)))
        self.lives[kind, name] = Lives(known.live + lives.live, ends, known.timeouts + lives.timeouts)


class History:
    """The master's side: keeps what is about to be wiped."""

    def __init__(self, board: Scoreboard) -> None:
        self._board = board
        self._memory = _map(board)
        self._places: dict[Series, int] = {}
        self._depth = 0
        #: How many requests the workers have served that are gone.
        self.served = 0

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """While the block lasts, readers wait."""
        if not self._depth:
            self._step()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._step()

    def _step(self) -> None:
        _SEQUENCE.pack_into(self._memory, 0, _SEQUENCE.unpack_from(self._memory)[0] + 1)

    def tell(self, facts: bytes) -> None:
        """Publish a JSON text about the server; one that is too long is left out."""
        if len(facts) <= HISTORY_ENTRIES - FACTS - _LENGTH.size:
            with self.changing():
                _LENGTH.pack_into(self._memory, FACTS, len(facts))
                self._memory[FACTS + _LENGTH.size : FACTS + _LENGTH.size + len(facts)] = facts

    def settle(self, slot: int) -> None:
        """Keep the counts of a worker's interpreters that have ended; their places can be had again."""
        kept = self._board.kept(slot)  # (first: an index may get another interpreter meanwhile, which has not ended)
        ends = self._board.ends(slot)
        for index in _indexes(ends, kept):
            with self.changing():
                self._keep(self._board.record(slot, index), ends[index] & ~ENDED)
                self._board.keep(slot, index)

    def wipe(self, slot: int, crashed: bool) -> None:
        """Keep all that a worker has counted, which is gone, then free its slot. ``crashed``: by no will of ours."""
        board = self._board
        with self.changing():
            ends, kept = board.ends(slot), board.kept(slot)
            states = board.memory[slot * PAGE + STATES : slot * PAGE + STATES + INTERPRETERS]
            for index, data in board.records(slot):
                if not kept[index]:
                    end = ends[index] & ~ENDED
                    if crashed and not ends[index] and states[index] == WORKING:
                        end = End.CRASHED
                    self._keep(data, end)
            self.served += board.row(slot).requests
            board.leave(slot)

    def _keep(self, data: bytes, end: int) -> None:
        stats = interpreter_stats.unpack(data)
        if stats is None:
            return
        for host, counted in request_counts.read(data[interpreter_stats.CELLS :]).items():
            self._add(Series(stats.kind, stats.name, host), counted)
        ends = [0] * len(End)
        ends[end if end < len(End) else End.NORMAL] = 1
        ends[End.TIMEOUTS] = stats.timeouts
        self._add(Series(stats.kind, stats.name, ""), Counted(), ends)

    def _add(self, series: Series, counted: Counted, ends: list[int] | None = None) -> None:
        memory, at = self._memory, self._place(series)
        host = series.host if series in self._places or not series.host else OTHERS
        head = _HEAD.unpack_from(memory, at)
        known = request_counts.unpacked(memory[at + _CELL_AT : at + ENTRY])[1]
        new = head[2:] if ends is None else [min(sum(both), MOST) for both in zip(head[2:], ends, strict=True)]
        _HEAD.pack_into(memory, at, *head[:2], *new)
        request_counts.pack_into(memory, at + _CELL_AT, host, known.with_(counted))

    def _place(self, series: Series) -> int:
        at = self._places.get(series)
        if at is None:
            number = len(self._places)
            if number >= ENTRIES - 2:  # the last two are for all others
                others = Series("", OTHERS, OTHERS if series.host else "")
                at = HISTORY_ENTRIES + (ENTRIES - (2 if series.host else 1)) * ENTRY
                _HEAD.pack_into(
                    self._memory, at, b"", packed(others.name, 200), *_HEAD.unpack_from(self._memory, at)[2:]
                )
                return at
            at = self._places[series] = HISTORY_ENTRIES + number * ENTRY
            _HEAD.pack_into(self._memory, at, series.kind.encode(), packed(series.name, 200), *[0] * len(End))
        return at


def _map(board: Scoreboard) -> mmap.mmap:
    return mmap.mmap(board.fd, HISTORY, offset=board.history_at)


def _indexes(ends: bytes, kept: bytes) -> list[int]:
    """Of the interpreters that have ended, those that are not kept yet."""
    if not ends.strip(b"\0"):
        return []
    return [index for index, end in enumerate(ends) if end & ENDED and not kept[index]]


def figures(board: Scoreboard) -> Figures:
    """What was counted so far, in interpreters that live and in those that ended."""
    return _quietly(board, _read)


def facts(board: Scoreboard) -> bytes:
    """What the master tells of the server, a JSON text; empty where there is no master."""
    return _quietly(board, _facts)


def _quietly(board: Scoreboard, read: Callable[[Scoreboard, mmap.mmap], T]) -> T:
    """Read while the master changes nothing."""
    memory = _map(board)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            before = _SEQUENCE.unpack_from(memory)[0]
            found = read(board, memory)
            if (before % 2 == 0 and _SEQUENCE.unpack_from(memory)[0] == before) or time.monotonic() > until:
                return found
            time.sleep(0)
    finally:
        memory.close()


def _facts(_board: Scoreboard, memory: mmap.mmap) -> bytes:
    length = _LENGTH.unpack_from(memory, FACTS)[0]
    return memory[FACTS + _LENGTH.size : FACTS + _LENGTH.size + length]


def _read(board: Scoreboard, memory: mmap.mmap) -> Figures:
    tally = _Tally()
    number = 0
    while number < ENTRIES:
        at = HISTORY_ENTRIES + number * ENTRY
        kind, name, *ends = _HEAD.unpack_from(memory, at)
        if name.strip(b"\0"):
            host, counted = request_counts.unpacked(memory[at + _CELL_AT : at + ENTRY])
            _take(tally, text_of(kind), text_of(name), host, counted, ends)
            number += 1
        else:  # nothing is behind it but what is for all others
            number = max(number + 1, ENTRIES - 2)
    for slot in range(board.used()):
        kept, ended = board.kept(slot), board.ends(slot)
        for index, data in board.records(slot):
            stats = None if kept[index] else interpreter_stats.unpack(data)
            if stats is None:
                continue
            for host, counted in request_counts.read(data[interpreter_stats.CELLS :]).items():
                tally.add(Series(stats.kind, stats.name, host), counted)
            ends = [0] * len(End)
            if ended[index] & ENDED:
                ends[min(ended[index] & ~ENDED, End.TIMED_OUT)] = 1
            tally.add_lives(stats.kind, stats.name, Lives(not ended[index] & ENDED, tuple(ends), stats.timeouts))
    return Figures(tally.requests, tally.lives)


def _take(tally: _Tally, kind: str, name: str, host: str, counted: Counted, ends: list[int]) -> None:
    if host:
        tally.add(Series(kind, name, host), counted)
    else:
        timeouts, ends[End.TIMEOUTS] = ends[End.TIMEOUTS], 0
        tally.add_lives(kind, name, Lives(0, tuple(ends), timeouts))
