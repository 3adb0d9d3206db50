"""What the control socket can be asked for: the status, and the replacement of interpreters.

Each command is a job of `mpserver.supervisor.control_socket`: a generator that yields what it asks of workers.
"""

from __future__ import annotations

import marshal
import time
from collections.abc import Callable, Generator, Mapping

from mpserver.api import error_log
from mpserver.ipc.control_path import EVERY
from mpserver.supervisor.jobs import PATIENCE, Birth, Questions, Steps
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.supervisor.control_socket import Control
    from mpserver.supervisor.worker_handle import WorkerHandle

Say = Callable[[Mapping[str, Any]], None]


class Command(NamedTuple):
    """``alone``: it changes something, so only one such command runs at a time."""

    run: Callable[[Control, Mapping[str, Any], Say], Steps]
    alone: bool


def _status(ctl: Control, _asked: Mapping[str, Any], say: Say) -> Steps:
    """All workers and their interpreters, as the scoreboard has them and as the workers tell."""
    master = ctl.master
    children = master.serving()
    answers = yield Questions(dict.fromkeys(children, ("facts",)), time.monotonic() + PATIENCE)
    told = {child.slot: answers[child] or {} for child in children}
    board = master.board
    workers = []
    for slot in range(board.slots):
        row = board.row(slot)
        if not row.pid:
            continue
        workers.append(
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
                        "state": chr(board.interpreter_state(slot, scoreboard_index)),
                        "requests": board.requests(slot, scoreboard_index) - stats.first,
                        "threads": None,
                        "modules": [],
                        **told.get(slot, {}).get(scoreboard_index, {}),
                    }
                    for scoreboard_index, stats in board.all_stats(slot).items()
                ],
            }
        )
    say({**master.about(), "workers": workers})


def _recycle(ctl: Control, asked: Mapping[str, Any], say: Say) -> Steps:
    """Replace an interpreter, or all, in one worker after the other; the first that fails ends it.

    Says what became of each, and at the end how many were replaced, or ``why`` not.
    """
    name = str(asked.get("name", ""))
    keeper = ctl.master.keeper()
    if keeper is not None:
        keeper.renew(None if name == EVERY else name)
    count, why = 0, ""
    done: set[int] = set()
    while not why and (children := [child for child in ctl.master.serving() if child.pid not in done]):
        child = min(children, key=lambda child: child.slot)
        done.add(child.pid)
        answers = yield Questions({child: ("recycle", name)})
        answer = answers[child]
        if answer is None:
            continue  # it ended meanwhile: its successor starts afresh
        replaced, why, orders = answer
        if orders:
            successor, why = yield from _succeed(ctl, child, marshal.dumps(orders))
            if successor is not None:
                done.add(successor.pid)
                replaced = len(orders)
        count += replaced
        if replaced or why:
            say({"worker": child.slot, "replaced": replaced, "why": why})
    if keeper is not None:
        keeper.settle(None if name == EVERY else name, not why)
    if why:
        ctl.master.tell(error_log.ERROR, f"recycling '{name}' failed, what was there stays: {why}")
    elif count:
        ctl.master.tell(error_log.NOTICE, f"recycled '{name}': {count} interpreters were replaced")
    elif name != EVERY:
        why = f"no worker has an interpreter '{name}'"
    say({"count": count, "why": why})


def _succeed(
    ctl: Control, child: WorkerHandle, orders: bytes
) -> Generator[Birth | Questions, Any, tuple[WorkerHandle | None, str]]:
    """Replace a worker by one that starts with the interpreters of the orders. :returns: it, and why not."""
    successor = ctl.master.succeed(child, orders)
    if successor is None:
        return None, "no process could be forked"
    why = yield Birth(successor)
    if why:
        return None, why
    ctl.master.replace(child)
    # so that no client that comes after the command meets the former one; which may be in a request
    yield Questions({child: ("leave",)}, time.monotonic() + PATIENCE)
    return successor, ""


def _reload(ctl: Control, asked: Mapping[str, Any], say: Say) -> Steps:
    """Files of an interpreter's modules have changed (PythonInterpReload)."""
    ctl.master.tell(error_log.NOTICE, f"interpreter '{asked['name']}' is replaced, for these changed: {asked['files']}")
    return _recycle(ctl, asked, say)


COMMANDS: dict[str, Command] = {
    "status": Command(_status, alone=False),
    "recycle": Command(_recycle, alone=True),
    "reload": Command(_reload, alone=True),
}
