"""What processes use, as the kernel tells in ``/proc``."""

from __future__ import annotations

import os

from mpserver.typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Times(NamedTuple):
    """CPU seconds of a process: its own, and those of its children that have ended."""

    user: float = 0.0
    system: float = 0.0
    children_user: float = 0.0
    children_system: float = 0.0

    @property
    def own(self) -> float:
        """Those that it used itself."""
        return self.user + self.system

    def with_(self, other: Times) -> Times:
        """Both together."""
        return Times(*(one + two for one, two in zip(self, other, strict=True)))


def times(stat: str) -> Times | None:
    """The CPU seconds of a process or thread by its file in ``/proc``; None: it has ended, or is not ours to see."""
    try:
        with open(stat, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Times(*(int(field) / TICKS for field in fields[11:15]))


def cpu(stat: str) -> float | None:
    """Both kinds of CPU seconds together, without those of children."""
    found = times(stat)
    return None if found is None else found.own


def resident(pid: int) -> int | None:
    """The resident memory of a process, in bytes."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return None


def proportional(pid: int) -> int | None:
    """The same, with shared pages divided among those who share them; this takes the kernel some time."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return None
