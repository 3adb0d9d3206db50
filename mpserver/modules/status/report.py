"""All that is known of the server at a moment, as plain data: of the scoreboard, and of ``/proc``.

Whoever maps the scoreboard can make one, without asking anybody: a worker for its page, and the master where every
worker is stuck.
"""

from __future__ import annotations

import json
import os
import time

from mpserver.ipc import history
from mpserver.ipc.history import Figures
from mpserver.ipc.request_counts import Counted
from mpserver.ipc.scoreboard import WORKING, Row, Scoreboard
from mpserver.ipc.scoreboard_layout import End
from mpserver.system import usage
from mpserver.typing import Any

#: The classes of statuses, by their places in `Counted.statuses`.
CLASSES = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
#: The ways in which interpreters end, as they are called.
ENDS = {End.NORMAL: "ended", End.RECYCLED: "recycled", End.CRASHED: "crashed", End.TIMED_OUT: "stuck"}


def report(board: Scoreboard, threads: int, tail: bool = False) -> dict[str, Any]:
    """The report.

    :param threads: how many an interpreter has under the MPM in effect.
    :param tail: whether the end of a long request line is wanted.
    """
    now = time.time()
    told: dict[str, Any] = json.loads(history.facts(board) or b"{}")
    figures = history.figures(board)
    rows = [row for slot in range(board.used()) if (row := board.row(slot)).pid]
    workers = [_worker(board, row, threads, now, tail) for row in rows]
    started = told.get("started") or min((row.started for row in rows), default=now)
    total = figures.total
    return {
        "version": told.get("version", ""),
        "pid": told.get("pid", os.getpid()),
        "now": now,
        "started": started,
        "uptime": max(0.0, now - started),
        "load": list(os.getloadavg()),
        "server": told,
        "threads": threads,
        "slots": max(board.slots // 2, board.used()),
        "requests": total.requests,
        "bytes": total.bytes,
        "seconds": total.seconds,
        "statuses": dict(zip(CLASSES, total.statuses, strict=True)),
        "connections": sum(interp["connections"] for worker in workers for interp in worker["interpreters"]),
        "workers": workers,
        "interpreters": _interpreters(figures, workers),
        "hosts": _hosts(figures),
    }


def _worker(board: Scoreboard, row: Row, threads: int, now: float, tail: bool) -> dict[str, Any]:
    interpreters = [
        {
            "kind": stats.kind,
            "name": stats.name,
            "pid": stats.pid,
            "state": chr(board.interpreter_state(row.slot, index)),
            "requests": board.requests(row.slot, index) - stats.first,
            "errors": stats.errors,
            "bytes": stats.bytes,
            "busy": stats.busy,
            "began": stats.began,
            "age": max(0.0, now - stats.started),
            "running": max(0.0, now - stats.began) if board.interpreter_state(row.slot, index) == WORKING else 0.0,
            "line": stats.line,
            #: Those of an interpreter that has many at a time.
            "waiting": [
                {"running": max(0.0, now - one.began), "line": shown(one.line, tail)}
                for one in board.waiting(row.slot, index)
            ],
            "failed": stats.failed,
            "error": stats.error,
            "connections": stats.connections,
            "cpu": usage.cpu(
                f"/proc/{stats.pid}/stat" if stats.kind == "process" else f"/proc/{stats.pid}/task/{stats.thread}/stat"
            ),
            "memory": usage.resident(stats.pid) if stats.kind == "process" else None,
        }
        for index, stats in board.all_stats(row.slot).items()
    ]
    for interp in interpreters:
        interp["line"] = shown(str(interp["line"]), tail)
        if interp["waiting"]:
            interp["state"] = "W"
    times = usage.times(f"/proc/{row.pid}/stat") or usage.Times()
    return {
        "slot": row.slot,
        "pid": row.pid,
        "generation": row.generation,
        "started": row.started,
        "state": chr(row.state),
        "busy": board.occupied(row.slot, threads),
        "requests": row.requests,
        "cpu": times.own,
        "times": list(times),
        "memory": usage.resident(row.pid),
        "interpreters": interpreters,
    }


def shown(line: str, tail: bool, length: int = 63) -> str:
    """So much of a request line as httpd shows: the first characters, or the last ones (SeeRequestTail)."""
    return line if len(line) <= length else line[-length:] if tail else line[:length]


def _interpreters(figures: Figures, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The interpreters of a name and kind together, in all workers and since the start."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for (kind, name), lives in figures.lives.items():
        found[kind, name] = {
            "kind": kind, "name": name, "live": lives.live, "timeouts": lives.timeouts,
            **{word: lives.ends[end] for end, word in ENDS.items()},
            "requests": 0, "bytes": 0, "seconds": 0.0, "statuses": {}, "cpu": 0.0, "memory": None,
            "connections": 0, "failed": 0.0, "error": "",
        }  # fmt: skip
    by_name: dict[tuple[str, str], Counted] = {}
    for series, counted in figures.requests.items():
        key = series.kind, series.name
        by_name[key] = by_name[key].with_(counted) if key in by_name else counted
    for key, counted in by_name.items():
        if key in found:
            found[key].update(
                requests=counted.requests, bytes=counted.bytes, seconds=counted.seconds,
                statuses=dict(zip(CLASSES, counted.statuses, strict=True)),
            )  # fmt: skip
    for worker in workers:
        for interp in worker["interpreters"]:
            one = found.get((interp["kind"], interp["name"]))
            if one is None:
                continue
            one["cpu"] += interp["cpu"] or 0.0
            one["connections"] += interp["connections"]
            if interp["memory"] is not None:
                one["memory"] = (one["memory"] or 0) + interp["memory"]
            if interp["failed"] > one["failed"]:
                one["failed"], one["error"] = interp["failed"], interp["error"]
    return sorted(found.values(), key=lambda one: (-one["live"], one["name"], one["kind"]))


def _hosts(figures: Figures) -> list[dict[str, Any]]:
    """What was served for each virtual host, in the interpreters of each name and kind."""
    return [
        {
            **series._asdict(),
            "requests": counted.requests,
            "bytes": counted.bytes,
            "seconds": counted.seconds,
            "statuses": dict(zip(CLASSES, counted.statuses, strict=True)),
            "times": list(counted.times),
        }
        for series, counted in sorted(figures.requests.items())
    ]
