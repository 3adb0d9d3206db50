"""What the master can be asked for: the status, the replacement of interpreters, a restart.

Each command is a job (`mpserver.supervisor.jobs`): a generator that yields what it asks of workers.
"""

from __future__ import annotations

import marshal
import os
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial

from mpserver.api import error_log
from mpserver.ipc.control_path import EVERY
from mpserver.modules.status.report import report
from mpserver.supervisor.control_socket import Command, Say
from mpserver.supervisor.jobs import Jobs, Questions, Steps, UntilCalled, UntilServing, UntilTold
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.supervisor.engine import ZygoteKeeper
    from mpserver.supervisor.worker_handle import WorkerHandle

#: Seconds that workers have to answer what they should know at once.
ANSWER_WITHIN = 2.0
#: And those that ask interpreters in requests where they are (longer than `mpserver.routing.worker_commands` waits).
STACKS_WITHIN = 5.0
#: And the one that makes a request (longer than `mpserver.routing.traced` waits); and what it met has after its answer.
TRACED_WITHIN, TOLD_WITHIN = 65.0, 30.0


class Supervisor(Protocol):
    """What the commands ask of the master."""

    def serving(self) -> list[WorkerHandle]:
        """The workers that take requests now."""

    def keeper(self) -> ZygoteKeeper | None:
        """The keeper of the current generation's zygotes."""

    def succeed(self, worker: WorkerHandle, orders: bytes) -> WorkerHandle | None:
        """Fork a worker that starts with orders, to replace another one; None: it can't be forked."""

    def tell(self, level: int, text: str) -> None:
        """Write to the error log."""

    def restart(self, told: Callable[[str], None]) -> None:
        """Restart gracefully; ``told`` is called with why that failed, "" when the new generation serves."""

    def upgrade(self, python: str, told: Callable[[str], None]) -> None:
        """Let another master take over; ``told`` is called with why that failed, "" when the new one serves."""

    def tell_facts(self) -> None:
        """Publish what it knows beside the scoreboard."""

    @property
    def threads(self) -> int:
        """How many requests an interpreter serves at a time."""

    def about(self) -> dict[str, Any]:
        """The server, for the status."""

    def unready(self) -> str:
        """Why clients should not be sent here; "": they should."""

    @property
    def scoreboard(self) -> Scoreboard:
        """The scoreboard."""


def commands(master: Supervisor) -> dict[str, Command]:
    """The commands of the control socket by their names."""
    return {
        "status": Command(partial(_status, master), alone=False),
        "report": Command(partial(_report, master), alone=False),
        "recycle": Command(partial(_recycle, master), alone=True),
        "reload": Command(partial(_reload, master), alone=True),
        "stacks": Command(partial(_stacks, master), alone=False),
        "trace": Command(partial(_trace, master), alone=False),
        "upgrade": Command(partial(_upgrade, master), alone=True),
        "graceful": Command(partial(_graceful, master), alone=False),
    }


def _status(master: Supervisor, _asked: Mapping[str, Any], say: Say) -> Steps:
    """All workers and their interpreters, as the scoreboard has them and as the workers tell."""
    workers = master.serving()
    answers = yield Questions(dict.fromkeys(workers, ("facts",)), time.monotonic() + ANSWER_WITHIN)
    told = {worker.slot: answers[worker] or {} for worker in workers}
    board = master.scoreboard
    rows = []
    for slot in range(board.slots):
        row = board.row(slot)
        if not row.pid:
            continue
        rows.append(
            {
                "slot": slot,
                "pid": row.pid,
                "generation": row.generation,
                "started": row.started,
                "state": chr(row.state),
                "requests": row.requests,
                "interpreters": [
                    {
                        **stats._asdict(),
                        "state": "W"
                        if board.waiting(slot, scoreboard_index)
                        else chr(board.interpreter_state(slot, scoreboard_index)),
                        "requests": board.requests(slot, scoreboard_index) - stats.first,
                        "threads": None,
                        "modules": [],
                        **told.get(slot, {}).get(scoreboard_index, {}),
                    }
                    for scoreboard_index, stats in board.all_stats(slot).items()
                ],
            }
        )
    say({**master.about(), "workers": rows})


def _report(master: Supervisor, _asked: Mapping[str, Any], say: Say) -> Steps:
    """What /status.json of ManagementListen tells."""
    master.tell_facts()
    try:
        say(report(master.scoreboard, master.threads))
    except Exception as error:  # what it is made of stands in memory that applications may write to
        master.tell(error_log.ERROR, f"there is no report now: {type(error).__name__}: {error}")
        say({"error": "what this is made of makes no sense"})
    yield from ()


def _recycle(master: Supervisor, asked: Mapping[str, Any], say: Say) -> Steps:
    """Replace an interpreter, or all, in one worker after the other; the first that fails ends it.

    Says what became of each, and at the end how many were replaced, or ``why`` not.
    """
    name = str(asked.get("name", ""))
    keeper = master.keeper()
    if keeper is not None:
        keeper.renew(None if name == EVERY else name)
    count, why = 0, ""
    done: set[int] = set()
    while not why and (left := [worker for worker in master.serving() if worker.pid not in done]):
        worker = min(left, key=lambda worker: worker.slot)
        done.add(worker.pid)
        answers = yield Questions({worker: ("recycle", name)})
        answer = answers[worker]
        if answer is None:
            continue  # it ended meanwhile: its successor starts afresh
        replaced, why, orders = answer
        if orders:
            successor, why = yield from _succeed(master, worker, marshal.dumps(orders))
            if successor is not None:
                done.add(successor.pid)
                replaced = len(orders)
        count += replaced
        if replaced or why:
            say({"worker": worker.slot, "replaced": replaced, "why": why})
    if keeper is not None:
        keeper.settle(None if name == EVERY else name, not why)
    if why:
        master.tell(error_log.ERROR, f"recycling '{name}' failed, what was there stays: {why}")
    elif count:
        master.tell(
            error_log.NOTICE, f"recycled '{name}': {count} interpreter{' was' if count == 1 else 's were'} replaced"
        )
    elif name != EVERY:
        why = f"no worker has an interpreter '{name}'"
    say({"count": count, "why": why})


def _succeed(
    master: Supervisor, worker: WorkerHandle, orders: bytes
) -> Generator[UntilServing | Questions, Any, tuple[WorkerHandle | None, str]]:
    """Replace a worker by one that starts with the interpreters of the orders. :returns: it, and why not."""
    successor = master.succeed(worker, orders)
    if successor is None:
        return None, "no process could be forked"
    why = yield UntilServing(successor)
    if why:
        return None, why
    worker.drain()
    # so that no client that comes after the command meets the former one; which may be in a request
    yield Questions({worker: ("leave",)}, time.monotonic() + ANSWER_WITHIN)
    return successor, ""


def _reload(master: Supervisor, asked: Mapping[str, Any], say: Say) -> Steps:
    """Files of an interpreter's modules have changed (PythonInterpReload)."""
    master.tell(error_log.NOTICE, f"interpreter '{asked['name']}' is replaced, for these changed: {asked['files']}")
    return _recycle(master, asked, say)


def _graceful(master: Supervisor, _asked: Mapping[str, Any], say: Say) -> Steps:
    """Restart gracefully. Says ``why`` the new generation did not come; "": it serves, but for what ``note`` says."""
    why = yield UntilCalled(master.restart)
    say({"why": why, "note": "" if why else master.unready()})


def _stacks(master: Supervisor, asked: Mapping[str, Any], say: Say) -> Steps:
    """Where the threads of an interpreter are, in each worker. Says a line for each of its interpreters."""
    workers = master.serving()
    question = ("stacks", str(asked.get("name", "")))
    answers = yield Questions(dict.fromkeys(workers, question), time.monotonic() + STACKS_WITHIN)
    for worker in workers:
        stats = master.scoreboard.all_stats(worker.slot)
        told = answers[worker]
        if told is None:
            say({"worker": worker.slot, "pid": worker.pid, "kind": "", "stacks": None})
            continue
        for index, stacks in told.items():
            one = stats.get(index)
            kind, pid = ("", worker.pid) if one is None else (one.kind, one.pid)
            say({"worker": worker.slot, "pid": pid, "kind": kind, "stacks": stacks})


def _trace(master: Supervisor, asked: Mapping[str, Any], say: Say) -> Steps:
    """Have a worker make a request of which all is told. Says ``why`` not, or the answer, and ``told``.

    The answer of the request and what is told of it come on ways of their own, in any order; the latter perhaps from
    another worker.
    """
    workers = master.serving()
    if not workers:
        say({"why": "no worker serves now"})
        return
    number = int.from_bytes(os.urandom(7)) | 1
    worker = workers[number // 2 % len(workers)]
    data = str(asked.get("request", "")).encode("latin-1", "replace")
    port = asked.get("port", 0)
    local = str(asked.get("address", "")), port if type(port) is int and 0 < port < 1 << 16 else 0
    question = ("trace", number, data, local, bool(asked.get("tls")))
    answers = yield Questions({worker: question}, time.monotonic() + TRACED_WITHIN, told=number)
    answer = answers[worker]
    if answer is None:
        say({"why": f"worker {worker.slot} (pid {worker.pid}) ended meanwhile, or does not answer"})
        return
    why, head, length = answer
    if why:
        say({"why": why})
        return
    told = yield UntilTold(time.monotonic() + TOLD_WITHIN)
    say({
        "why": "", "head": head.decode("latin-1"), "length": length, "seconds": TOLD_WITHIN,
        "told": None if told is None else told.decode("utf-8", "replace"),
    })  # fmt: skip


def _upgrade(master: Supervisor, asked: Mapping[str, Any], say: Say) -> Steps:
    """Let a new master take over. Says ``why`` it could not; "": it has."""
    why = yield UntilCalled(partial(master.upgrade, str(asked.get("python", ""))))
    say({"why": why})


class ChangedFiles:
    """Files of interpreters' modules that changed: each change is acted upon once, whoever tells of it first."""

    __slots__ = ("_jobs", "_known", "_master")

    def __init__(self, master: Supervisor, jobs: Jobs) -> None:
        """``jobs`` run the replacements."""
        self._master, self._jobs = master, jobs
        #: Changes by the kind and name of the interpreter: the file, and a mark of its state.
        self._known: dict[tuple[str, str], set[tuple[str, Any]]] = {}

    def told(self, interpreter: tuple[str, str, *tuple[Any, ...]], changes: Mapping[str, Any]) -> None:
        """Replace an interpreter for its changed files, where these are news."""
        known = self._known.setdefault(interpreter[:2], set())  # (what else its id has, a worker may have made up)
        new = set(changes.items()) - known
        if new:
            known |= new
            files = ", ".join(sorted(file for file, _mark in new))
            self._jobs.enqueue(_reload(self._master, {"name": interpreter[1], "files": files}, lambda _line: None))
