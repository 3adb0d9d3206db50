"""What interpreters cost: to make one, to keep it, to hand a connection to it; and what many of them cost and bring.

For each kind, with a handler of a line and with Flask, beside a fresh process that imports the same.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psutil

from benching import load as wrk
from benching.cases import BUSY, FLASK_PATH, Setup
from benching.ground import Ground, prepared, soft_limit
from benching.load import Load
from benching.machine import description
from benching.measure import note
from benching.servers import Server, mpserver

#: The applications: how the results call them, and their paths.
APPLICATIONS = {"empty": "/whole", "Flask": FLASK_PATH}

#: What a fresh process imports to be the same.
FRESH = {
    "empty": "import mpserver.interp, mpserver.interpreters.zygote",
    "Flask": "import mpserver.interp, mpserver.interpreters.zygote, flask; flask.Flask('x')",
}

#: Kinds by the oldest Python that has them.
KINDS = {"own": (3, 13), "shared": (3, 12), "process": (3, 11)}

HOSTS = 10
#: How many virtual hosts a configuration has where that is what is compared.
HOSTS_IN_ALL = (10, 10_000)
#: How often a process is killed, at most: the server holds back an application that crashes more often in a row.
KILLS = 4
WORKERS = 4
#: How many interpreters a worker has where many are asked, and how often each server has its turn.
COUNTS = (1, 10, 100)
#: How many it has where its end is measured.
ENDING = (10, 400)
ROUNDS = 3


class Options(NamedTuple):
    """How much to measure, and with which processors."""

    seconds: float
    requests: int
    server_core: int
    client_core: int


class Row(NamedTuple):
    """A result: what was measured, of whom, and how much."""

    what: str
    who: str
    figure: str


# ---- asking


@contextlib.contextmanager
def connected(server: Server) -> Iterator[http.client.HTTPConnection]:
    """A connection that is kept."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.connect()
        yield connection
    finally:
        connection.close()


def ask(connection: http.client.HTTPConnection, path: str, host: str) -> float:
    """One request. :returns: how long it took, in seconds. :raises SystemExit: it was not answered with 200."""
    begin = time.perf_counter()
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    response.read()
    took = time.perf_counter() - begin
    if response.status != 200:
        raise SystemExit(f"{path} of {host} was answered with {response.status}")
    return took


def host(number: int) -> str:
    """The name of a virtual host, which is that of its interpreter."""
    return f"h{number}.test"


# ---- making one


class Cost(NamedTuple):
    """Of one interpreter: seconds until it has answered, less those of a later request; bytes."""

    seconds: float
    memory: float


def making(server: Server, path: str) -> Cost:
    """Make some interpreters, one after the other."""
    took = []
    with connected(server) as connection:
        ask(connection, "/static/hello.txt", host(0))
    before = server.family.memory()
    for number in range(HOSTS):
        with connected(server) as connection:
            first = ask(connection, path, host(number))
            took.append(first - min(ask(connection, path, host(number)) for _ in range(3)))
    return Cost(statistics.median(took), (server.family.memory() - before) / HOSTS)


def forking(server: Server, path: str) -> float:
    """How long the next request takes after a process was killed: its zygote forks another. In seconds, the median."""
    took = []
    for number in range(2):
        for _ in range(KILLS):
            victim = next(p for p in processes(server) if f"interpreter {host(number)} " in title(p))
            victim.kill()
            psutil.wait_procs([victim], timeout=10)
            with connected(server) as connection:
                first = ask(connection, path, host(number))
                took.append(first - min(ask(connection, path, host(number)) for _ in range(3)))
    return statistics.median(took)


def title(process: psutil.Process) -> str:
    """What ps calls a process; empty if it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def processes(server: Server) -> list[psutil.Process]:
    """The process interpreters of a server."""
    return [process for process in server.family.members() if title(process).startswith("mpserver: interpreter ")]


def each_worker(server: Server, path: str) -> tuple[float, float]:
    """Bytes of each of the processes that one application has in several workers: proportional shares, and private."""
    until = time.monotonic() + 30
    while len(processes(server)) < WORKERS and time.monotonic() < until:
        clients = [threading.Thread(target=_ask_once, args=(server, path)) for _ in range(8 * WORKERS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    found = [process.memory_full_info() for process in processes(server)]
    return statistics.mean(memory.pss for memory in found), statistics.mean(memory.uss for memory in found)


def _ask_once(server: Server, path: str) -> None:
    with connected(server) as connection:
        ask(connection, path, host(0))


def fresh(application: str, ground: Ground) -> Cost:
    """Processes that import the same, each for itself."""
    took, running = [], []
    path = f"import sys; sys.path.append({ground.inside + '/lib'!r})"
    code = f"{path}; {FRESH[application]}; print(1, flush=True); input()"
    try:
        for _ in range(WORKERS):
            begin = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            running.append(process)
            assert process.stdout is not None
            if not process.stdout.readline():
                raise SystemExit(f"a process could not import what it needs: {code}")
            took.append(time.perf_counter() - begin)
        memory = statistics.mean(psutil.Process(process.pid).memory_full_info().pss for process in running)
    finally:
        for process in running:
            process.kill()
            process.communicate()
    return Cost(statistics.median(took), memory)


# ---- what is told


def costs(options: Options, ground: Ground) -> Iterator[Row]:
    """Time and memory of an interpreter of each kind."""
    cores = [options.server_core]
    for application, path in APPLICATIONS.items():
        for kind, oldest in KINDS.items():
            if sys.version_info < oldest:
                continue
            note(f"interpreters: {kind}, {application}")
            with mpserver(kind, Setup(hosts=HOSTS, own_interpreters=True), cores, ground) as server:
                cost = making(server, path)
                what = "make one, with its zygote" if kind == "process" else "make one"
                yield Row(what, f"{kind}, {application}", f"{cost.seconds * 1000:.1f} ms")
                yield Row(
                    "memory of one" + what.removeprefix("make one"),
                    f"{kind}, {application}",
                    _mb(cost.memory),
                )
                if kind == "process":
                    yield Row("make one", f"{kind}, {application}", f"{forking(server, path) * 1000:.1f} ms")
        with mpserver("process", Setup(hosts=1, own_interpreters=True, workers=WORKERS), cores, ground) as server:
            shared, private = each_worker(server, path)
            who = f"process, {application}, {WORKERS} workers"
            yield Row("memory of one", who, f"{_mb(shared)}, {_mb(private)} of it private")
        cost = fresh(application, ground)
        yield Row("make one", f"fresh process, {application}", f"{cost.seconds * 1000:.1f} ms")
        yield Row("memory of one", f"fresh process, {application}", _mb(cost.memory))


def hosts(options: Options, ground: Ground) -> Iterator[Row]:
    """What an interpreter costs where the configuration has few virtual hosts, and where it has thousands."""
    kind = "own" if sys.version_info >= KINDS["own"] else "process"
    for count in HOSTS_IN_ALL:
        note(f"interpreters: {count} virtual hosts")
        setup = Setup(hosts=count, own_interpreters=True)
        with mpserver(kind, setup, [options.server_core], ground) as server:
            cost = making(server, APPLICATIONS["empty"])
            who = f"{kind}, one of {count:,} hosts"
            yield Row("make one", who, f"{cost.seconds * 1000:.1f} ms")
            yield Row("memory of one", who, _mb(cost.memory))


def _mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def hand_off(options: Options, ground: Ground) -> Iterator[Row]:
    """What it takes that a connection goes from one interpreter through the router to another."""
    for kind, oldest in KINDS.items():
        if sys.version_info < oldest:
            continue
        note(f"interpreters: hand-off, {kind}")
        with (
            mpserver(kind, Setup(hosts=2, own_interpreters=True), [options.server_core], ground) as server,
            connected(server) as connection,
        ):
            for number in range(20):
                ask(connection, "/whole", host(number % 2))
            staying = [ask(connection, "/whole", host(0)) for _ in range(options.requests)]
            moving = [ask(connection, "/whole", host(number % 2)) for number in range(options.requests)]
        took = statistics.median(moving) - statistics.median(staying)
        yield Row("hand a connection to another", kind, f"{took * 1e6:.0f} µs")


def many(options: Options, ground: Ground) -> Iterator[Row]:
    """Requests/s of 16 connections to a worker with 1, 10 and 100 interpreters: all to one of them, and to many.

    The servers take turns, so that what else the machine does meets them alike.
    """
    kind = "own" if sys.version_info >= KINDS["own"] else "process"
    rates: dict[tuple[int, str], list[float]] = {}
    with contextlib.ExitStack() as stack:
        loads = {}
        for count in COUNTS:
            note(f"interpreters: {count} in one worker")
            setup = Setup(hosts=count, own_interpreters=True)
            server = stack.enter_context(mpserver(kind, setup, [options.server_core], ground))
            with connected(server) as connection:
                for number in range(count):
                    ask(connection, "/whole", host(number))
            for which, step in {"one": 0, "many": count}.items() if count > 1 else [("one", 0)]:
                each = tuple(f"Host: {host(number * step // 16)}" for number in range(16))
                loads[count, which] = f"http://127.0.0.1:{server.port}/whole", Load(each=each)
        for turn in range(1 + ROUNDS):
            for key, (url, load) in loads.items():
                seconds = options.seconds if turn else min(1.0, options.seconds)
                rate = wrk.run(url, seconds, [options.client_core], load).rate
                if turn:  # (the first one warms it up)
                    rates.setdefault(key, []).append(rate)
    middle = {key: statistics.median(found) for key, found in rates.items()}
    for (count, which), rate in middle.items():
        who = f"{count} {kind} in one worker, {which} asked"
        yield Row("requests/s", who, f"{rate:,.0f} ({rate / middle[1, 'one']:.0%})")


def parallel(options: Options, ground: Ground) -> Iterator[Row]:
    """How much faster two busy interpreters of a worker are than one, on two processors."""
    cores = [options.server_core, options.client_core]
    for kind, oldest in KINDS.items():
        if sys.version_info < oldest:
            continue
        note(f"interpreters: parallel, {kind}")
        rates = []
        for count in (1, 2):
            with mpserver(kind, BUSY, cores, ground) as server:
                load = Load(each=tuple(f"Host: {host(number)}" for number in range(count)))
                with connected(server) as connection:
                    for number in range(count):
                        ask(connection, "/busy", host(number))
                url = f"http://127.0.0.1:{server.port}/busy"
                rates.append(wrk.run(url, options.seconds, cores, load).rate)
        yield Row("speed-up of two on two processors", kind, f"{rates[1] / rates[0]:.2f}")


def ending(options: Options, ground: Ground) -> Iterator[Row]:
    """How long a server takes to end that has many interpreters in one worker."""
    kind = "own" if sys.version_info >= KINDS["own"] else "process"
    for count in ENDING:
        note(f"interpreters: the end of {count}")
        setup = Setup(hosts=count, own_interpreters=True)
        with mpserver(kind, setup, [options.server_core, options.client_core], ground) as server:
            for number in range(count):
                with connected(server) as connection:
                    ask(connection, "/whole", host(number))
            family = server.family.members()
            begin = time.perf_counter()
            for root in server.family.roots:
                root.terminate()
            psutil.wait_procs(family, timeout=60)
            took = time.perf_counter() - begin
            killed = any("SIGKILL" in log.read_text(errors="replace") for log in server.folder.glob("*.log"))
        yield Row("end a server", f"{count} {kind} in one worker", f"{took:.2f} s{', killed' if killed else ''}")


PARTS = {"costs": costs, "hosts": hosts, "hand-off": hand_off, "many": many, "parallel": parallel, "ending": ending}


def main(words: Sequence[str]) -> int:
    """The command ``tools/bench interpreters``. :returns: the exit status."""
    parser = argparse.ArgumentParser(prog="tools/bench interpreters", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load (default: 5)")
    parser.add_argument("--requests", type=int, default=2000, help="of each hand-off (default: 2000)")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    given = parser.parse_args(words)
    cores = sorted(os.sched_getaffinity(0))
    options = Options(given.seconds, given.requests, cores[0], cores[-1])
    soft_limit()
    rows: list[Row] = []
    with prepared() as ground:
        for name, part in PARTS.items():
            if given.only in (None, name):
                rows += part(options, ground)
    print("; ".join(f"{key}: {value}" for key, value in description().items()))
    print("\n| what | who | |\n| --- | --- | ---: |")
    for row in rows:
        print(f"| {row.what} | {row.who} | {row.figure} |")
    return 0
