"""The command's side of the control socket: ``--status``, ``--recycle`` and ``-k graceful``."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator

from mpserver.errors import StartError
from mpserver.ipc import control_path
from mpserver.system import pidfile, usage
from mpserver.typing import Any

#: Seconds that the master has for the status; the replacement of interpreters takes the time it takes.
STATUS_WITHIN = 10.0

#: Seconds that an upgrade may take before a new server answers for the logs.
UPGRADE_WITHIN = 60.0

#: What steers a terminal: interpreters write their figures themselves, and clients their queries.
_STEERING = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if number not in (9, 10)}

#: The columns of the table: the title, and whether it goes to the right.
_COLUMNS = (
    ("WORKER", True), ("PID", True), ("KIND", False), ("NAME", False), ("S", False), ("REQUESTS", True),
    ("ERRORS", True), ("BYTES", True), ("BUSY", True), ("CPU", True), ("MEMORY", True), ("AGE", True),
)  # fmt: skip


def status(pid_file: str, as_json: bool) -> int:
    """Print the status. :returns: the exit status. :raises StartError: no server answers."""
    found: dict[str, Any] = next(ask(pid_file, {"command": "status"}, STATUS_WITHIN), {})
    if "workers" not in found:
        raise StartError(found.get("error") or "the server ended before it answered")
    complete(found)
    print(json.dumps(found, indent=2) if as_json else plain(table(found)))
    return 0


def recycle(pid_file: str, name: str) -> int:
    """Replace an interpreter in every worker. :returns: 0, or 1 where it failed: it was told why."""
    for line in ask(pid_file, {"command": "recycle", "name": name}, None):
        if line.get("error"):
            raise StartError(f"recycling failed: {line['error']}")
        if "count" not in line:
            continue
        if line["why"]:
            sys.stderr.write(f"mpserver: '{name}' is not replaced: {line['why']}\n")
            return 1
        print(f"{line['count']} interpreter{' was' if line['count'] == 1 else 's were'} replaced")
        return 0
    raise StartError("the server ended before it was done")


def upgrade(pid_file: str) -> int:
    """Have a server of this Python take over from the one that runs. :returns: 0, or 1 where it could not.

    :raises StartError: no server answers, or it ended meanwhile.
    """
    found = next(ask(pid_file, {"command": "upgrade", "python": sys.executable}, None), None)
    if found is None:
        raise StartError("the server ended before the new one served")
    why = found.get("error") or found["why"]
    if why:
        sys.stderr.write(f"mpserver: the upgrade failed, the server that ran goes on: {why}\n")
        return 1
    return 0


class NoControlSocketError(StartError):
    """A server runs, but it takes no commands: it is one of one process."""


def graceful(pid_file: str) -> int | None:
    """Restart a server gracefully, and wait until its new generation serves.

    :returns: 0, or 1 where it did not come: it was told why; None where this server can only be sent a signal.
    :raises StartError: no server answers, or it ended meanwhile.
    """
    try:
        found = next(ask(pid_file, {"command": "graceful"}, None), None)
    except NoControlSocketError:
        return None
    if found is None:
        raise StartError("the server ended before the new generation served")
    if found.get("error"):
        return None  # an older server
    if found["why"]:
        sys.stderr.write(f"mpserver: the restart failed, the old configuration stays in effect: {found['why']}\n")
        return 1
    if note := found.get("note"):
        sys.stderr.write(f"mpserver: the new configuration is in effect, but {plain(note)}; the error log says why\n")
    return 0


def reopen(pid_file: str) -> int:
    """Have a server open its log files anew. :returns: 0, or 1 where it could not: it was told why.

    :raises StartError: no server answers, or it ended meanwhile.
    """
    until = time.monotonic() + UPGRADE_WITHIN
    while True:
        again = False
        for line in ask(pid_file, {"command": "reopen"}, None):
            if line.get("error"):
                raise StartError(line["error"])
            if "late" in line:
                print(f"{plain(line['late'])} writes to the former files until it is free")
                continue
            if not line["why"]:
                return 0
            again = bool(line.get("again")) and time.monotonic() < until
            if not again:
                sys.stderr.write(f"mpserver: the logs are not reopened, the former ones go on: {line['why']}\n")
                return 1
        if not again:
            raise StartError("the server ended before the logs were reopened")
        time.sleep(0.2)


def stacks(pid_file: str, name: str) -> int:
    """Print where the threads of an interpreter are, in each worker. :returns: 0, or 1 where nobody has it."""
    found = False
    for line in ask(pid_file, {"command": "stacks", "name": name}, STATUS_WITHIN):
        if line.get("error"):
            raise StartError(line["error"])
        if not line["kind"] and line["stacks"] is None:
            print(f"==== worker {line['worker']} (pid {line['pid']}) did not answer\n")
            found = True
            continue
        found = True
        kind = plain(line["kind"])
        print(f"==== worker {line['worker']}, interpreter '{name}' of the kind {kind} (pid {line['pid']})\n")
        told = line["stacks"]
        print("it did not answer: it is in C code, or starts\n" if told is None else plain("\n".join(told)))
    if not found:
        sys.stderr.write(f"mpserver: no worker has an interpreter '{name}': --status lists them\n")
        return 1
    return 0


def ask(pid_file: str, what: dict[str, Any], patience: float | None) -> Iterator[dict[str, Any]]:
    """Send a command, and give the lines of the answer.

    :raises StartError: no server answers, or we may not ask.
    """
    file = control_path.path(pid_file)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(patience)
        try:
            folder, name = control_path.near(file)
            try:
                sock.connect(name)
            finally:
                os.close(folder)
            sock.sendall(json.dumps(what).encode() + b"\n")
            with sock.makefile("rb") as lines:
                for line in lines:
                    yield json.loads(line)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            found = pidfile.look(pid_file)
            if found.running:
                raise NoControlSocketError(
                    f"the server (pid {found.pid}) has no control socket {file}: is it one of one process (-X)?"
                ) from error
            raise StartError(f"no server runs by {pid_file}") from error
        except TimeoutError as error:
            raise StartError(f"no answer from {file} within {patience:g} seconds: is the server stopped?") from error
        except OSError as error:
            raise StartError(f"({error.errno}){error.strerror}: no answer from {file}") from error
        except ValueError as error:
            raise StartError(f"the server ended in the middle of its answer at {file}") from error


# ---- what is found in /proc


def complete(found: dict[str, Any]) -> None:
    """Add to a status what shows in ``/proc``: CPU seconds and memory (bytes), None where it can't be read.

    ``rss`` is what is resident, ``pss`` that with shared pages divided among those who share them.
    """
    for worker in found.get("workers", ()):
        worker.update(_memory(worker["pid"]))
        worker["cpu"] = usage.cpu(f"/proc/{worker['pid']}/stat")
        for interp in worker["interpreters"]:
            pid, threads = interp["pid"], interp.pop("threads", None)
            if interp["kind"] == "process":
                interp.update(_memory(pid))
                interp["cpu"] = usage.cpu(f"/proc/{pid}/stat")
            else:
                times = [usage.cpu(f"/proc/{pid}/task/{thread}/stat") for thread in threads or (interp["thread"],)]
                known = [time for time in times if time is not None]
                interp["cpu"] = sum(known) if known else None
                interp["rss"] = interp["pss"] = None


def _memory(pid: int) -> dict[str, int | None]:
    return {"rss": usage.resident(pid), "pss": usage.proportional(pid)}


# ---- the table


def table(found: dict[str, Any]) -> str:
    """A status as people read it."""
    now = time.time()
    rows = [tuple(title for title, _right in _COLUMNS)]
    notes = []
    for worker in found["workers"]:
        rows.append(_row(worker["slot"], worker, "", "", now))
        for interp in worker["interpreters"]:
            rows.append(_row("", interp, interp["kind"], interp["name"], now))
            where = f"{interp['name']} (worker {worker['slot']})"
            if interp["state"] == "W":
                notes.append(f"{where} is in a request for {now - interp['began']:.1f} s: {interp['line']}")
            if interp["failed"]:
                notes.append(f"{where} failed {age(now - interp['failed'])} ago: {interp['error']}")
    for certificate in found.get("certificates", ()):
        left = certificate["ends"] - now
        file = certificate["file"]
        notes.append(f"{file} is good for {age(left)}" if left > 0 else f"{file} ended {age(-left)} ago")
    for domain in found.get("domains", ()):
        again = age(domain["again"] - now)
        notes.append(f"no certificate for {domain['name']}: {domain['why']} (tried again in {again})")
    for member in found.get("members", ()):
        if member["failed"]:
            ago = age(now - member["since"]) + " ago" if member["since"] else "at the start"
            notes.append(f"{member['url']} of {member['balancer']} has failed its health checks {ago}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    head = f"mpserver/{found['version']}, pid {found['pid']}, up {age(now - found['started'])}"
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, (_title, right) in zip(row, widths, _COLUMNS, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([head, "", *lines, *([""] if notes else []), *notes])


def _row(slot: object, item: dict[str, Any], kind: str, name: str, now: float) -> tuple[str, ...]:
    memory = item["pss"] if item["pss"] is not None else item["rss"]
    return (
        str(slot), str(item["pid"]), kind, name, item["state"], str(item["requests"]), str(item.get("errors", "")),
        size(item.get("bytes")), "" if "busy" not in item else f"{item['busy']:.1f}",
        "" if item["cpu"] is None else f"{item['cpu']:.1f}", size(memory), age(now - item["started"]),
    )  # fmt: skip


def plain(text: str) -> str:
    """What a server tells, as it may be shown on a terminal."""
    return text.translate(_STEERING)


def size(count: float | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return ""
    size, unit = float(count), ""
    for unit in ("", "K", "M", "G", "T"):
        if size < 1000 or unit == "T":
            break
        size /= 1024
    return f"{size:.0f}" if not unit else f"{size:.1f}{unit}"


def age(seconds: float) -> str:
    """A time as people read it."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length} {unit}"
    return f"{whole} s"
