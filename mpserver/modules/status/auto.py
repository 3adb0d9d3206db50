"""``server-status?auto``: the same for programs, as httpd's mod_status writes it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mpserver.system.usage import Times
from mpserver.typing import Any

_DATE = "%A, %d-%b-%Y %H:%M:%S UTC"


def number(value: float) -> str:
    """A number as httpd prints it: without a zero before the point."""
    text = f"{value:g}"
    return text[1:] if text.startswith("0.") else text


def letters(found: dict[str, Any]) -> str:
    """The scoreboard: httpd's letter for each thread of each worker, or for each worker under prefork."""
    threads = found["threads"]
    by_slot = {worker["slot"]: worker for worker in found["workers"]}
    return "".join(_of(by_slot[slot], threads) if slot in by_slot else "." * threads for slot in range(found["slots"]))


def _of(worker: dict[str, Any], threads: int) -> str:
    state: str = worker["state"]
    if state != "_":
        return state * threads
    busy: int = min(worker["busy"], threads)
    return "W" * busy + "_" * (threads - busy)


def cpu(found: dict[str, Any]) -> Times:
    """The CPU seconds of the server's processes together."""
    total = Times()
    for worker in found["workers"]:
        total = total.with_(Times(*worker["times"]))
        for interp in worker["interpreters"]:
            if interp["kind"] == "process":
                total = total.with_(Times(interp["cpu"] or 0.0))
    return total


def duration(seconds: float) -> str:
    """A time as httpd writes it: 1 day 2 hours 3 minutes 4 seconds."""
    left, parts = int(seconds), list[str]()
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, length)
        if count or parts or length == 1:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts)


def lines(found: dict[str, Any], name: str, software: str, extended: bool) -> Iterator[str]:
    """The lines. ``name``: the server's; ``extended``: whether what requests cost is told (ExtendedStatus)."""
    uptime = max(1, int(found["uptime"]))
    generation = found["workers"][0]["generation"] if found["workers"] else 1
    yield name
    yield f"ServerVersion: {software}"
    yield f"ServerMPM: {'worker' if found['threads'] > 1 else 'prefork'}"
    yield f"CurrentTime: {time.strftime(_DATE, time.gmtime(found['now']))}"
    yield f"RestartTime: {time.strftime(_DATE, time.gmtime(found['started']))}"
    yield f"ParentServerConfigGeneration: {generation}"
    yield f"ParentServerMPMGeneration: {max(0, generation - 1)}"
    yield f"ServerUptimeSeconds: {int(found['uptime'])}"
    yield f"ServerUptime: {duration(found['uptime'])}"
    for minutes, load in zip((1, 5, 15), found["load"], strict=True):
        yield f"Load{minutes}: {load:.2f}"
    if extended:
        yield from _costs(found, uptime)
    board = letters(found)
    yield f"BusyWorkers: {board.count('W')}"
    yield f"GracefulWorkers: {board.count('G')}"
    yield f"IdleWorkers: {board.count('_')}"
    yield f"Scoreboard: {board}"


def _costs(found: dict[str, Any], uptime: int) -> Iterator[str]:
    requests, size, milliseconds = found["requests"], found["bytes"], found["seconds"] * 1000
    times = cpu(found)
    yield f"Total Accesses: {requests}"
    yield f"Total kBytes: {size // 1024}"
    yield f"Total Duration: {int(milliseconds)}"
    for name, value in zip(("User", "System", "ChildrenUser", "ChildrenSystem"), times, strict=True):
        yield f"CPU{name}: {number(value)}"
    if sum(times):
        yield f"CPULoad: {number(sum(times) / uptime * 100)}"
    yield f"Uptime: {int(found['uptime'])}"
    yield f"ReqPerSec: {number(requests / uptime)}"
    yield f"BytesPerSec: {number(size / uptime)}"
    if requests:
        yield f"BytesPerReq: {number(size / requests)}"
        yield f"DurationPerReq: {number(milliseconds / requests)}"
