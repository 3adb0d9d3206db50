"""The thread beside a busy interpreter costs little while it can do nothing: a hundred of them are no load."""

from __future__ import annotations

import http.client
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from conftest import StartServer
from support.processes import threads
from support.server import BACKENDS, Server
from support.waiting import PATIENCE, wait_for

APP = r"""
import os, time
from mod_python import apache

here = os.path.dirname(__file__)

def handler(req):
    if req.args == "slow":
        with open(os.path.join(here, "slow"), "w") as file:
            file.write(str(os.getpid()) + "\n")
        open(os.path.join(here, "gate")).close()  # until somebody opens the other end
    if req.args == "nap":
        time.sleep(0.1)
    req.write(str(os.getpid()), 0)
    return apache.OK
"""

CONF = """
KeepAliveTimeout 60
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
"""

#: How often its threads may wake up in a second: it was a hundred times.
WAITING, NOTHING = 45, 15


def awakenings(pid: int) -> int:
    """How often the threads of a process have gone to sleep by themselves."""
    found = 0
    for status in threads(pid, "status"):
        for line in status.splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                found += int(line.split()[1])
    return found


def in_a_second(pid: int) -> int:
    """How often they do so in a second."""
    before = awakenings(pid)
    time.sleep(1)
    return awakenings(pid) - before


def a_slow_one(server: Server) -> tuple[int, threading.Thread]:
    """The process that is in a request without an end, and the thread that awaits it."""
    os.mkfifo(server.www / "gate")
    client = threading.Thread(target=server.get, args=("/?slow",))
    client.start()
    slow = server.www / "slow"
    wait_for(lambda: slow.exists() and slow.read_text().endswith("\n"), "the slow request to run")
    return int(slow.read_text()), client


def let_go(server: Server, client: threading.Thread) -> None:
    """End the slow request."""
    os.close(os.open(server.www / "gate", os.O_WRONLY))
    client.join(PATIENCE)
    assert not client.is_alive()


@pytest.mark.parametrize("backend", BACKENDS)
def test_with_a_request_that_nobody_can_take(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=backend, mode="daemon", workers=1)
    pid, slow = a_slow_one(server)
    second = threading.Thread(target=server.get, args=("/",))
    second.start()
    in_a_second(pid)  # (it looks more often at first)
    assert in_a_second(pid) < WAITING
    let_go(server, slow)
    second.join(PATIENCE)
    assert not second.is_alive()


@pytest.mark.parametrize("backend", BACKENDS)
def test_when_all_were_taken(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=backend, mode="daemon", workers=2)
    with ExitStack() as stack:
        kept = [stack.enter_context(server.connection()) for _ in range(8)]

        def both_have_some() -> set[int]:
            with ThreadPoolExecutor(len(kept)) as pool:
                pids = set(pool.map(lambda connection: ask(connection, "/?nap"), kept))
            return pids if len(pids) == 2 else set()

        both = wait_for(both_have_some, "connections with both workers")
        busy, slow = a_slow_one(server)
        assert {ask(connection) for connection in kept} == both - {busy}
        in_a_second(busy)
        assert in_a_second(busy) < NOTHING
        let_go(server, slow)


def ask(connection: http.client.HTTPConnection, path: str = "/") -> int:
    """The process that answers."""
    connection.request("GET", path)
    return int(connection.getresponse().read())
