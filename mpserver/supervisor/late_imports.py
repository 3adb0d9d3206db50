"""Modules of PythonImport that take long: which, in which interpreter, and for how long, for the log and for /readyz.

Where such a module keeps the GIL (a loop in C), nobody in its process can tell, and nothing limits what the first
workers of a server may take: so the interpreter writes down what it is about to import, and the master looks.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from mpserver.api.error_log import WARN, ErrorLog
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.supervisor.worker_handle import WorkerHandle

#: Seconds after which it is a reason, told at /readyz; after which the log tells it; and after which again.
LONG, TOLD_AFTER, AGAIN = 10.0, 30.0, 60.0


class Importing(NamedTuple):
    """An import that is under way."""

    slot: int
    pid: int
    interpreter: str
    module: str
    #: Seconds since the epoch.
    began: float


def imports_of(board: Scoreboard, workers: Iterable[WorkerHandle]) -> list[Importing]:
    """What the interpreters of workers import."""
    return [
        Importing(worker.slot, stats.pid, stats.name, module, stats.began)
        for worker in workers
        for stats, module in board.importing(worker.slot)
    ]


def missing(board: Scoreboard, workers: Iterable[WorkerHandle], names: Collection[str]) -> list[str]:
    """Which interpreters that PythonImport names are not there yet in some worker, or could not load all of it."""
    if not names:  # (as is the rule; the master asks each second)
        return []
    found: dict[str, None] = {}
    for worker in workers:
        here = {stats.name for stats in board.all_stats(worker.slot).values() if not stats.unloaded}
        found.update(dict.fromkeys(name for name in names if name not in here))
    return list(found)


def why_unready(
    board: Scoreboard, serving: Collection[WorkerHandle], workers: Iterable[WorkerHandle], names: Collection[str]
) -> str:
    """Why clients should not be sent here; "": they should.

    :param serving: the workers that serve.
    :param workers: all that there are.
    :param names: the interpreters that PythonImport names.
    """
    left = missing(board, serving, names)
    if serving and not left:
        return ""
    now = time.time()
    slow = {
        one.interpreter: f"{one.interpreter} has been importing {one.module} for {now - one.began:.0f} s"
        for one in (imports_of(board, workers) if names else ())
        if now - one.began >= LONG and (not serving or one.interpreter in left)
    }
    if not serving:
        return ": ".join(filter(None, ("no worker serves yet", ", ".join(slow.values()))))
    return f"not loaded: {', '.join(slow.get(name, name) for name in left)}"


class LateImports:
    """Tells of them in the log, each after a while and then again and again."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        #: How long each had taken when it was told last.
        self._told: dict[Importing, float] = {}

    def look(self, board: Scoreboard, workers: Iterable[WorkerHandle], names: Collection[str], log: ErrorLog) -> None:
        """Tell what has become late since the last look."""
        if not names:
            return
        now, told = time.time(), self._told
        self._told = {}
        for one in imports_of(board, workers):
            seconds, last = now - one.began, told.get(one, 0.0)
            if seconds >= (last + AGAIN if last else TOLD_AFTER):
                last = seconds
                text = (
                    f"interpreter '{one.interpreter}' of worker {one.slot} (pid {one.pid}) has been importing "
                    f"{one.module} (PythonImport) for {seconds:.0f} seconds; its requests wait meanwhile"
                )
                log.log(WARN, text, module="python")
            if last:
                self._told[one] = last
