"""How many workers there should be: decisions of the master, as pure functions (httpd's prefork and worker MPMs)."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.typing import NamedTuple

#: The most workers that one step starts (httpd's MAX_SPAWN_RATE).
FASTEST_RATE = 32

#: Seconds before a worker is tried again after one died before it could serve; doubled each time.
FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0


class SpareRules(NamedTuple):
    """How many workers to start and to have at most; how many idle threads of all, of which each has ``threads``.

    Under prefork a worker counts as one thread.
    """

    start: int
    min_spare: int
    max_spare: int
    max_workers: int
    threads: int = 1


class WorkerLoad(NamedTuple):
    """A worker of the current generation that takes requests, or will; how many of its threads are busy."""

    slot: int
    busy: int


class MaintenanceStep(NamedTuple):
    """What to do now: workers to fork, the slot of a worker to end (None: none), the next step's rate.

    ``full``: more workers are wanted than MaxRequestWorkers allows.
    """

    fork: int
    end: int | None
    rate: int
    full: bool = False


def plan(workers: Sequence[WorkerLoad], rules: SpareRules, rate: int) -> MaintenanceStep:
    """One step of maintenance: idle threads are brought between the spare limits.

    Where there are too many, workers end one by one, the least busy first; where too few, workers are started
    at a rate that doubles with each step (1, 2, 4 ... 32) for as long as they stay too few.
    """
    idle = sum(max(0, rules.threads - worker.busy) for worker in workers)
    if idle > rules.max_spare and len(workers) > 1:
        return MaintenanceStep(0, min(workers, key=lambda worker: (worker.busy, -worker.slot)).slot, 1)
    missing = -(-(rules.min_spare - idle) // rules.threads)
    if missing <= 0:
        return MaintenanceStep(0, None, 1)
    room = rules.max_workers - len(workers)
    if room <= 0:
        return MaintenanceStep(0, None, 1, full=True)
    return MaintenanceStep(min(missing, room, rate), None, min(rate * 2, FASTEST_RATE))


def delay(failures: int) -> float:
    """Seconds to wait before the next fork when ``failures`` workers in a row died before they served."""
    return 0.0 if failures == 0 else min(FIRST_DELAY * 2.0 ** min(failures - 1, 16), LONGEST_DELAY)
