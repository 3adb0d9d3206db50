"""Mixed traffic from 12 plain clients on kept connections, over graceful restarts: no request fails.

The usual test takes 15 s and restarts every 2.5; that of tools/test --long takes ten minutes and restarts each
minute, or MPSERVER_ENDURANCE seconds. After that the server has what it had before of processes, descriptors and
threads; and the long one, before each restart, no more memory than after the first minute, and the same interpreters.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from conftest import StartServer
from support.processes import alive, descendants, describe
from support.server import Server
from support.traffic import CONF, FILES, MIX, traffic
from support.waiting import PATIENCE, wait_for

CLIENTS = 12
WORKERS = 2
#: Seconds of the test and between restarts.
SHORT, SHORT_BETWEEN = 15.0, 2.5
LONG, LONG_BETWEEN = float(os.environ.get("MPSERVER_ENDURANCE", "600")), 60.0
MB = 1 << 20
#: How many looks at its memory count as the end.
LAST = 3
#: How long clients pause between two requests, in seconds: most of them, and some that are idle for long.
BUSY = (0.0, 0.001, 0.01, 0.05)
IDLE = (0.0, 0.01, 0.2, 6.5)
#: What must not be in the error log. (A client that leaves in the middle of its request is told there, too.)
FAULTS = (
    "Traceback",
    "internal error",
    "exit signal",
    "did not end in time",
    "ended with status",
    "[crit]",
    ":crit]",
)

#: ``own`` interpreters are ready for use from 3.14 on.
KINDS = [*(["own"] if sys.version_info >= (3, 14) else []), "process"]


class Size(NamedTuple):
    """What a server takes: its processes, and the descriptors and threads of each by its title."""

    processes: list[str]
    descriptors: list[int]
    threads: list[int]


def size(server: Server) -> Size:
    """What it takes now."""
    assert server.master is not None
    found: list[tuple[str, int, int]] = []
    for process in (server.master, *descendants(server.master)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended, and takes nothing
            name = describe(process).partition(" ")[2].rstrip("0123456789")
            found.append((name, process.num_fds(), process.num_threads()))
    found.sort()
    names, descriptors, threads = zip(*found, strict=True)
    return Size(list(names), list(descriptors), list(threads))


class Footprint(NamedTuple):
    """What a server takes in the midst of traffic."""

    #: Bytes that belong to the master alone, and to each process of all of them.
    master: int
    all: int
    #: The interpreters of its workers, by kind and name.
    interpreters: set[tuple[str, str]]


def footprint(server: Server) -> Footprint:
    """What it takes now."""
    assert server.master is not None
    sizes = []
    for process in (server.master, *descendants(server.master)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            sizes.append(process.memory_full_info().uss)
    workers = json.loads(server.command("--status", "--json").stdout)["workers"]
    return Footprint(
        server.master.memory_full_info().uss,
        sum(sizes),
        {(one["kind"], one["name"]) for worker in workers for one in worker["interpreters"]},
    )


def assert_no_growth(found: list[Footprint]) -> str:
    """Assert that the last looks show no more than the first one. :returns: what they show, in a line.

    One look may find workers that drain, and successors that start; so the least of the last ones counts.
    """
    first, last = found[0], found[-LAST:]
    told = f"memory after a minute {first.all >> 20} MB (master {first.master >> 20}), "
    told += f"at the end {min(one.all for one in last) >> 20} (master {last[-1].master >> 20})"
    assert last[-1].master <= first.master * 1.1 + 4 * MB, f"the master grows: {told}"
    assert min(one.all for one in last) <= first.all * 1.2 + 30 * MB, f"it grows: {told}"
    assert any(one.interpreters == first.interpreters for one in last), (first.interpreters, last[-1].interpreters)
    return told


def settled(server: Server) -> bool:
    """Whether its workers are those of one generation, and serve."""
    workers = json.loads(server.command("--status", "--json").stdout)["workers"]
    return [worker["state"] for worker in workers] == ["_"] * WORKERS


def graceful(server: Server) -> None:
    """A graceful restart, until the new workers serve."""
    times = server.log().count("resuming normal operations")
    server.command("-k", "graceful")
    wait_for(lambda: server.log().count("resuming normal operations") > times, "the new workers to serve")


def clients_left(server: Server) -> list[str]:
    """The sockets of clients that any of its processes still has."""
    assert server.master is not None
    found = []
    for process in (server.master, *descendants(server.master)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended, and has none
            found += [
                f"{describe(process)}: {connection.raddr} {connection.status}"
                for connection in process.net_connections("tcp")
                if connection.status != psutil.CONN_LISTEN and connection.laddr.port == server.port
            ]
    return found


def endure(server: Server, seconds: float, between: float) -> str:
    """The test, for that long, with so much time between restarts. :returns: what happened, in a line."""
    wait_for(lambda: settled(server), "the workers to serve")
    before = size(server)
    restarts = 0
    looks: list[Footprint] = []
    with traffic(server, CLIENTS, lambda number: IDLE if number % 3 == 0 else BUSY) as run:
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            done = run.done
            time.sleep(min(between, left))
            if left > between:
                if between >= LONG_BETWEEN:
                    looks.append(footprint(server))
                graceful(server)
                restarts += 1
            wait_for(lambda done=done: run.done > done + CLIENTS, "more answers", 2 * PATIENCE)  # type: ignore[misc]
        # (a machine that does much else starts interpreters slowly)
        wait_for(
            lambda: set(run.count()) == set(MIX),
            f"an answer of each kind; so far {run.count()}",
            4 * PATIENCE,
        )
        run.end()
    failures = run.failures
    log = server.log()
    told = f"{run.done} requests, {restarts} restarts, {len(failures)} failed"
    assert not failures, "\n\n".join([told, *(failure.tell(log) for failure in failures[:20])])
    faults = [line for line in log.splitlines() if any(fault in line for fault in FAULTS)]
    assert not faults, "\n".join(faults[:20])
    wait_for(lambda: not clients_left(server), f"the clients' sockets to be closed: {clients_left(server)}")
    old = server.workers()
    graceful(server)
    wait_for(lambda: not any(map(alive, old)), "the old workers to leave")
    wait_for(lambda: settled(server), "the workers to serve")
    wait_for(lambda: size(server) == before, f"it to take what it took before, {before}, not {size(server)}")
    return f"{told}; {assert_no_growth(looks)}" if len(looks) > 1 else told


def serve(start_server: StartServer, kind: str, mpm: str) -> Server:
    """The server of these tests."""
    server = start_server(CONF, FILES, backend=kind, mpm=mpm, workers=WORKERS, threads=5, mode="foreground")
    sessions: Path = server.root / "run" / "sessions"
    sessions.mkdir(mode=0o700)
    return server


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_request_fails_over_graceful_restarts(start_server: StartServer, kind: str, mpm: str) -> None:
    endure(serve(start_server, kind, mpm), SHORT, SHORT_BETWEEN)


@pytest.mark.long
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_request_fails_for_long(start_server: StartServer, kind: str, mpm: str) -> None:
    print(f"{kind}, {mpm}: {endure(serve(start_server, kind, mpm), LONG, LONG_BETWEEN)}")
