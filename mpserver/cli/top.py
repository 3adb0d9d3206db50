"""``mpserver --top``: what a running server does, on a terminal, again and again (the extra ``top``)."""

from __future__ import annotations

import signal
import sys
import time

from mpserver.cli.status import STATUS_WITHIN, age, ask, plain, size
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

#: Seconds between two looks.
EVERY = 1.0
#: How many requests that are under way are shown.
LONGEST = 10
#: Why a look without rich shows nothing.
MISSING = "mpserver --top needs rich: pip install 'mpserver[top]'\n"


class Rates(NamedTuple):
    """What happened in a second, between two looks; at the first one since the start."""

    requests: float
    bytes: float
    #: Processor seconds: 1.0 is one processor.
    cpu: float


def top(pid_file: str, once: bool) -> int:
    """Show what the server does, until Ctrl-C; or once.

    :returns: 0, or 1 where rich is missing: it was told.
    :raises StartError: no server answers.
    """
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        sys.stderr.write(MISSING)
        return 1
    console = Console()
    if once or not console.is_terminal:
        if not console.is_terminal:
            console.width = 120  # (a pipe has no width)
        console.print(view(look(pid_file), None))
    else:
        follow(console, pid_file)
    return 0


class _Interrupt:
    """What Ctrl-C does: it interrupts, and is kept in mind.

    For Python drops what is raised as an object is finalized or an import ends. And who was started in the background
    of a script has Ctrl-C ignored, unless it says otherwise.
    """

    def __init__(self) -> None:
        self.came = False

    def __call__(self, *_: object) -> None:
        self.came = True
        raise KeyboardInterrupt


def follow(console: Console, pid_file: str) -> None:
    """Show what the server does, until Ctrl-C. :raises StartError: no server answers (any more)."""
    from rich.live import Live

    interrupt = _Interrupt()
    former = signal.signal(signal.SIGINT, interrupt)
    try:
        found = look(pid_file)
        with Live(view(found, None), console=console, screen=True, auto_refresh=False) as live:
            while not interrupt.came:
                time.sleep(EVERY)
                before, found = found, look(pid_file)
                live.update(view(found, before), refresh=True)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, former)


def look(pid_file: str) -> dict[str, Any]:
    """What the master knows now: what /status.json tells. :raises StartError: no server answers."""
    found = next(ask(pid_file, {"command": "report"}, STATUS_WITHIN), {})
    if "workers" not in found:  # (an older server knows no such command; one that ends says nothing)
        from mpserver.errors import StartError

        raise StartError(found.get("error") or "the server ended")
    return found


def rates(now: dict[str, Any], before: dict[str, Any] | None, seconds: float) -> Rates:
    """What an interpreter, or all of the server, has done in a second."""
    had = before or {}
    span = max(seconds, 0.001)
    return Rates(
        *(max(0.0, (now.get(name) or 0) - (had.get(name) or 0)) / span for name in ("requests", "bytes", "cpu"))
    )


def view(found: dict[str, Any], before: dict[str, Any] | None) -> Group:
    """What is shown of a look, with the one before it."""
    from rich.console import Group
    from rich.text import Text

    seconds = found["now"] - before["now"] if before else found["uptime"]
    rate = rates(found, before, seconds)
    workers = found["workers"]
    busy = sum(worker["busy"] > 0 for worker in workers)
    memory = sum(worker["memory"] or 0 for worker in workers)
    load = " ".join(f"{one:.2f}" for one in found["load"])
    lines = [
        f"mpserver/{found['version']}, pid {found['pid']}, up {age(found['uptime'])}; load {load}",
        f"{len(workers)} workers, {busy} busy, {size(memory)} resident; {found['connections']} connections; "
        f"{found['requests']} requests, {rate.requests:.1f}/s; {size(rate.bytes)}/s"
        + ("" if before else " (since the start)"),
    ]
    if unready := found["server"].get("unready"):
        lines.append(f"not ready: {unready}")
    return Group(Text(plain("\n".join(lines))), _interpreters(found, before, seconds), _requests(found))


def _interpreters(found: dict[str, Any], before: dict[str, Any] | None, seconds: float) -> Table:
    """The interpreters by name and kind: those that do most first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("INTERPRETER", overflow="fold")
    table.add_column("KIND")
    for title in ("LIVE", "REQ/S", "ERR/S", "BYTES/S", "CPU%", "MEMORY", "CONN", "CRASHED", "RECYCLED", "REQUESTS"):
        table.add_column(title, justify="right")
    known = {(one["kind"], one["name"]): one for one in (before or {}).get("interpreters", ())}
    rows = []
    for one in found["interpreters"]:
        had = known.get((one["kind"], one["name"]))
        rate = rates(one, had, seconds)
        failed = one["statuses"].get("5xx", 0) - (had["statuses"].get("5xx", 0) if had else 0)
        rows.append((rate, failed / max(seconds, 0.001), one))
    for rate, failed, one in sorted(rows, key=lambda row: (-row[0].requests, row[2]["name"])):
        table.add_row(
            Text(plain(one["name"])), Text(plain(one["kind"])), str(one["live"]),
            f"{rate.requests:.1f}", f"{failed:.1f}", size(rate.bytes),
            f"{rate.cpu * 100:.0f}", "" if one["memory"] is None else size(one["memory"]), str(one["connections"]),
            str(one["crashed"]), str(one["recycled"]), str(one["requests"]),
            style="red" if failed > 0 else None,
        )  # fmt: skip
    return table


def _requests(found: dict[str, Any]) -> Table:
    """The requests under way that take longest."""
    from rich.table import Table
    from rich.text import Text

    running = [
        (one["running"], worker["slot"], interp["name"], one["line"])
        for worker in found["workers"]
        for interp in worker["interpreters"]
        for one in interp.get("waiting") or ([interp] if interp["running"] else ())
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("SECONDS", justify="right")
    table.add_column("WORKER", justify="right")
    table.add_column("IN INTERPRETER", overflow="fold")
    table.add_column("REQUEST", no_wrap=True)
    for seconds, slot, name, line in sorted(running, key=lambda row: -row[0])[:LONGEST]:
        # (as text: what a client sent is no markup)
        table.add_row(f"{seconds:.1f}", str(slot), Text(plain(name)), Text(plain(line)))
    return table
