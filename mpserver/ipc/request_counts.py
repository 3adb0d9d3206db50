"""What an interpreter's requests were, by virtual host: their statuses and times, counted in shared memory.

An interpreter has `CELLS` cells behind its figures (`mpserver.ipc.interpreter_stats`), which it alone writes. The
first virtual hosts that it serves get one each, all further ones share the last one, `OTHERS`. A cell is::

    0     the virtual host, as name:port in UTF-8
    80    requests by the class of their status (those without one, then 1xx to 5xx), and each by the time they took,
          in the intervals that `BOUNDS` ends; the last has no end
    752   bytes of bodies that were sent, the seconds that the requests took together, and the end of the last one
"""

from __future__ import annotations

import mmap
import struct

from mpserver.typing import NamedTuple, Protocol

CELLS = 9
CELL = 776
#: The size of an interpreter's cells together, in bytes.
SIZE = CELLS * CELL

#: Where the intervals of the times end, in seconds, each included.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: Stands for the virtual hosts that have no cell of their own.
OTHERS = "(others)"

_NAME = 80
#: How many numbers a class of statuses has.
TIMES = len(BOUNDS) + 1
_CLASSES = 6
_MATRIX = _CLASSES * TIMES
_CELL = struct.Struct(f"={_NAME}s{_MATRIX}QQdd")
_SUMS = struct.Struct("=Qdd")
_SUMS_AT = _NAME + _MATRIX * 8
#: Writes a cell's sums.
pack_sums = _SUMS.pack_into
#: No count and no time gets beyond: about 36 years of nanoseconds.
MOST = 1 << 60


class HasLabel(Protocol):
    """A virtual host."""

    @property
    def label(self) -> str:
        """Its name and port."""


class Counted(NamedTuple):
    """What was counted of some requests.

    ``matrix``: how many, by the class of their status and the interval of their time; ``last``: the end of the last
    one, in seconds since the epoch.
    """

    matrix: tuple[int, ...] = (0,) * _MATRIX
    bytes: int = 0
    seconds: float = 0.0
    last: float = 0.0

    def with_(self, other: Counted) -> Counted:
        """Both together."""
        return Counted(
            tuple(map(sum, zip(self.matrix, other.matrix, strict=True))),
            self.bytes + other.bytes,
            self.seconds + other.seconds,
            max(self.last, other.last),
        ).believable()

    def believable(self) -> Counted:
        """The same, with numbers that can be added and written again, whatever wrote them.

        (Applications share their interpreters' memory: none can be let break the sums of all, nor who makes them.)
        """
        return Counted(
            tuple([count if count <= MOST else MOST for count in self.matrix]),
            min(self.bytes, MOST),
            seconds_of(self.seconds),
            seconds_of(self.last),
        )

    @property
    def statuses(self) -> tuple[int, ...]:
        """By class of status, 0 for those without one."""
        return tuple(sum(self.matrix[at : at + TIMES]) for at in range(0, _MATRIX, TIMES))

    @property
    def times(self) -> tuple[int, ...]:
        """By interval."""
        return tuple(sum(self.matrix[at::TIMES]) for at in range(TIMES))

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(self.matrix)


class Cell:
    """Where a virtual host is counted: the place of its numbers, as a count of 8 bytes; that of its sums, and these."""

    __slots__ = ("bytes", "numbers_at", "seconds", "sums_at")

    def __init__(self, numbers_at: int, sums_at: int, counted: Counted) -> None:
        self.numbers_at, self.sums_at = numbers_at, sums_at
        self.bytes, self.seconds = counted.bytes, counted.seconds


class Counts:
    """An interpreter's own cells, to be written by it alone (`mpserver.ipc.scoreboard.ScoreboardEntry.done`)."""

    __slots__ = ("_at", "_by_place", "by_host", "memory", "numbers")

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        """``at`` is where the cells begin in the memory, a multiple of 8."""
        self.memory, self._at = memory, at
        #: The numbers of all cells, and the cells of the virtual hosts that were counted already.
        self.numbers = memoryview(memory)[at : at + SIZE].cast("Q")
        self.by_host: dict[HasLabel, Cell] = {}
        self._by_place: dict[int, Cell] = {}

    def cell(self, host: HasLabel) -> Cell:
        """The cell of a virtual host, taken where it has none yet."""
        memory, name = self.memory, packed(host.label, _NAME)
        for number in range(CELLS):
            at = self._at + number * CELL
            known = memory[at : at + _NAME].rstrip(b"\0")
            if not known:
                known = OTHERS.encode() if number == CELLS - 1 else name
                memory[at : at + len(known)] = known
            if known == name or number == CELLS - 1:
                break
        cell = self._by_place.get(number)
        if cell is None:
            counted = unpacked(memory[at : at + CELL])[1]
            numbers_at = (number * CELL + _NAME) // 8
            cell = self._by_place[number] = Cell(numbers_at, at + _SUMS_AT, counted)
        self.by_host[host] = cell
        return cell

    def close(self) -> None:
        """Let go of the memory."""
        self.numbers.release()


def seconds_of(number: float) -> float:
    """A time as it was written, or 0 where nobody could have meant it."""
    return number if 0.0 <= number <= MOST else 0.0


def packed(text: str, length: int) -> bytes:
    """Text as at most so many bytes of UTF-8, no character cut in two."""
    return text.encode("utf-8", "surrogateescape")[:length].decode("utf-8", "ignore").encode()


def text_of(data: bytes) -> str:
    """The inverse, of a field that is filled up with zeros."""
    return data.rstrip(b"\0").decode("utf-8", "replace")


def unpacked(data: bytes, at: int = 0) -> tuple[str, Counted]:
    """A cell: its virtual host, "" where it has none; and what was counted."""
    name, *numbers = _CELL.unpack_from(data, at)
    return text_of(name), Counted(tuple(numbers[:_MATRIX]), *numbers[_MATRIX:]).believable()


def pack_into(memory: mmap.mmap, at: int, name: str, counted: Counted) -> None:
    """Write a cell."""
    _CELL.pack_into(memory, at, packed(name, _NAME), *counted.matrix, counted.bytes, counted.seconds, counted.last)


def read(data: bytes) -> dict[str, Counted]:
    """What an interpreter has counted, by virtual host; ``data`` are its cells."""
    taken = (at for at in range(0, SIZE, CELL) if data[at : at + _NAME].strip(b"\0"))  # (most have one or two)
    return dict(unpacked(data, at) for at in taken)
