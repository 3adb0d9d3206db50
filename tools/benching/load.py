"""The load: wrk pinned to a core of its own."""

from __future__ import annotations

import math
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benching.machine import pinned

#: wrk's units of time, in milliseconds.
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}

#: Patterns of wrk's report.
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
COUNT = re.compile(r"(\d+) requests in ")
BROKEN = re.compile(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)")
REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")


class Load(NamedTuple):
    """How requests are made: connections, headers, a script and its arguments.

    ``each``: a process of wrk of its own for each list of headers, with one connection.
    """

    connections: int = 16
    headers: tuple[str, ...] = ()
    script: Path | None = None
    arguments: tuple[str, ...] = ()
    each: tuple[str, ...] = ()


class Run(NamedTuple):
    """One run: requests a second, their number, percentiles in ms, what went wrong.

    ``cpu``: µs for each request; ``kernel``: those of them in the kernel.
    ``stolen``: the part of its time (0 to 1) that a core lost to the machine's host meanwhile.
    """

    rate: float
    number: int
    p50: float
    p99: float
    errors: int
    cpu: float = 0.0
    kernel: float = 0.0
    stolen: float = 0.0


def read_report(text: str) -> Run:
    """What wrk printed with ``--latency``. :raises ValueError: it isn't that."""
    rate, count = RATE.search(text), COUNT.search(text)
    if rate is None or count is None:
        raise ValueError(f"wrk said something unexpected:\n{text}")
    broken, refused = BROKEN.search(text), REFUSED.search(text)
    errors = sum(map(int, broken.groups())) if broken else 0
    errors += int(refused[1]) if refused else 0
    return Run(float(rate[1]), int(count[1]), _percentile(text, 50), _percentile(text, 99), errors)


def _percentile(text: str, which: int) -> float:
    found = re.search(rf"^\s+{which}%\s+([\d.]+)([a-z]+)", text, re.MULTILINE)
    return float(found[1]) * UNITS[found[2]] if found else 0.0


def command(url: str, seconds: float, cores: Sequence[int], load: Load) -> list[str]:
    """wrk's command line."""
    words = [*pinned(cores), "wrk", "-t1", f"-c{load.connections}", f"-d{math.ceil(seconds)}s", "--latency"]
    for header in load.headers:
        words += ["-H", header]
    if load.script is not None:
        words += ["-s", str(load.script)]
    words.append(url)
    return [*words, "--", *load.arguments] if load.arguments else words


def _interrupt(running: Sequence[subprocess.Popen[str]], seconds: float) -> None:
    """End runs of wrk after so many seconds: no sooner than they know what to do with the signal."""
    while not all(process.poll() is not None or catches(process.pid, signal.SIGINT) for process in running):
        time.sleep(0.005)
    time.sleep(seconds)
    for process in running:
        process.send_signal(signal.SIGINT)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process handles a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def run(url: str, seconds: float, cores: Sequence[int], load: Load) -> Run:
    """Run wrk, or several beside each other, to the end. :raises SystemExit: wrk fails."""
    loads = [load]
    if load.each:
        loads = [load._replace(connections=1, headers=(*load.headers, header), each=()) for header in load.each]
    running = [
        subprocess.Popen(command(url, seconds, cores, one), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for one in loads
    ]
    try:
        if seconds % 1:  # wrk counts whole ones, but tells what it has when it is interrupted
            _interrupt(running, seconds)
        runs = [read_report(process.communicate()[0]) for process in running]
    except ValueError as error:
        raise SystemExit(f"{url}: {error}") from None
    finally:
        for process in running:
            process.kill()
            process.wait()
    if len(runs) == 1:
        return runs[0]
    return Run(
        sum(one.rate for one in runs),
        sum(one.number for one in runs),
        statistics.median(one.p50 for one in runs),
        max(one.p99 for one in runs),
        sum(one.errors for one in runs),
    )
