"""An interpreter that gets all new connections is lent the listeners; nobody notices, but for the speed."""

from __future__ import annotations

import re
import threading
from collections import Counter
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.routing.listener_leases import ROW
from support.load import load
from support.processes import open_files
from support.server import BACKENDS, Reply, Server
from support.waiting import PATIENCE, wait_for

CONF = """
<VirtualHost *:${PORT}>
    ServerName one.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName two.test
</VirtualHost>
PythonOption folder ${ROOT}/run
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
"""

APP = """
import os
import time
from mod_python import apache


def handler(req):
    run = req.get_options()["folder"]
    if req.args == "wait":
        open(run + "/begun", "w").close()
        while not os.path.exists(run + "/go on"):
            time.sleep(0.005)
    req.content_type = "text/plain"
    req.write("%s %d %d %s" % (apache.interpreter, os.getpid(), req.connection.id, req.connection.remote_addr), 0)
    return apache.OK
"""

#: Kinds that listeners are lent to.
BORROWERS = [kind for kind in BACKENDS if kind != "process"]


def started(start_server: StartServer, kind: str = BORROWERS[0], conf: str = "", workers: int = 1) -> Server:
    """A server with two applications; of kind main both are in one interpreter."""
    return start_server(CONF + conf, {"app.py": APP}, mode="foreground", backend=kind, workers=workers)


def listening(server: Server) -> list[str]:
    """The inode of the listener, as long as any process has it open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[9] for row in rows if row[1].endswith(f":{server.port:04X}") and row[3] == "0A"]


def is_lent(server: Server, pid: int = 0, inode: str = "") -> bool:
    """Whether an interpreter of the only worker, whose ``pid`` may be known, has the listener, too."""
    if not inode:
        (inode,) = listening(server)
    return open_files(pid or server.workers()[0].pid).count(f"socket:[{inode}]") == 2


def lend(server: Server, host: str = "one.test") -> list[Reply]:
    """Ask until the listener is lent to a host's interpreter."""
    replies: list[Reply] = []
    (worker,) = wait_for(server.workers, "the worker")
    (inode,) = listening(server)  # (the table is long where other tests have had many connections)

    def asked() -> bool:
        replies.append(server.get("/", host=host))
        return is_lent(server, worker.pid, inode)

    wait_for(asked, "the listener to be lent", 4 * PATIENCE)  # (for some dozens of requests)
    return replies


@pytest.mark.parametrize("kind", BORROWERS)
def test_new_connections_of_one_application_are_taken_by_it(start_server: StartServer, kind: str) -> None:
    server = started(start_server, kind)
    replies = lend(server)
    assert len(replies) > ROW
    replies += [server.get("/", host="one.test") for _ in range(3 * ROW)]
    replies += lend(server)  # (it is still, if nothing took long; else once more)
    said = [reply.text.split(" ", 3) for reply in replies]
    assert {name for name, *_ in said} == {"one.test"}  # (what was asked for, where main serves it, too)
    numbers = [int(number) for _name, _pid, number, _peer in said]
    assert numbers == sorted(set(numbers))
    assert all(re.fullmatch(r"\('127\.0\.0\.1', \d+\)", peer) for *_, peer in said)


def test_a_process_is_lent_nothing(start_server: StartServer) -> None:
    server = started(start_server, "process")
    for _ in range(3 * ROW):
        assert server.get("/", host="one.test").status == 200
    assert not is_lent(server)


@pytest.mark.skipif("own" not in BACKENDS, reason="needs two interpreters")
def test_a_connection_for_another_application_ends_the_loan(start_server: StartServer) -> None:
    server = started(start_server)
    assert server.get("/", host="two.test").status == 200
    lend(server)
    reply = server.get("/", host="two.test")
    assert reply.text.split()[0] == "two.test"
    wait_for(lambda: not is_lent(server), "the listener to be back")
    assert len(lend(server)) > 2 * ROW - 2  # (the next loan takes longer)
    assert server.get("/", host="one.test").text.split()[0] == "one.test"


@pytest.mark.skipif("own" not in BACKENDS, reason="needs two interpreters")
def test_a_borrower_in_a_long_request_delays_nobody(start_server: StartServer) -> None:
    server = started(start_server)
    assert server.get("/", host="two.test").status == 200
    lend(server)
    client = threading.Thread(target=server.get, args=("/?wait",), kwargs={"host": "one.test"})
    client.start()
    try:
        wait_for((server.pid_file.parent / "begun").exists, "the handler to begin")
        assert server.get("/", host="two.test").text.split()[0] == "two.test"
        wait_for(lambda: not is_lent(server), "the listener to be back")
    finally:
        (server.pid_file.parent / "go on").touch()
        client.join()


def test_while_one_borrower_is_busy_a_sibling_serves(start_server: StartServer) -> None:
    server = started(start_server, workers=2)
    with load(server, "/", 4) as traffic:
        traffic.more(4 * ROW)
    client = threading.Thread(target=server.get, args=("/?wait",), kwargs={"host": "one.test"})
    client.start()
    try:
        wait_for((server.pid_file.parent / "begun").exists, "the handler to begin")
        for _ in range(4 * ROW):
            assert server.get("/", host="one.test").status == 200
    finally:
        (server.pid_file.parent / "go on").touch()
        client.join()


def test_a_loan_counts_for_max_connections_per_child(start_server: StartServer) -> None:
    server = started(start_server, conf="MaxConnectionsPerChild 50")
    pids = Counter(server.get("/", host="one.test").text.split()[1] for _ in range(200))
    # (the first connection was that of the test's wait for the server; one that a worker accepts last may be served by
    # its heir)
    counts = [*pids.values()][:3]
    assert all(48 <= count <= 52 for count in counts), counts
    assert 148 <= sum(counts) <= 152, counts


@pytest.mark.parametrize("kind", BORROWERS)
def test_a_borrower_in_a_long_request_closes_the_port_of_a_server_that_stops(
    start_server: StartServer, kind: str
) -> None:
    server = started(start_server, kind)
    lend(server)
    replies: list[Reply] = []
    client = threading.Thread(target=lambda: replies.append(server.get("/?wait", host="one.test")))
    client.start()
    wait_for((server.pid_file.parent / "begun").exists, "the handler to begin")
    server.command("-k", "graceful-stop")
    wait_for(lambda: not listening(server), "the port to be closed")
    (server.pid_file.parent / "go on").touch()
    client.join()
    assert [reply.status for reply in replies] == [200]


def test_no_connection_is_lost_where_borrowers_are_replaced(start_server: StartServer) -> None:
    server = started(start_server, conf="PythonInterpMaxRequests 40")
    with load(server, "/", 4) as traffic:
        traffic.more(400)
        server.command("-k", "graceful")
        traffic.more(400)
    assert traffic.failures == []
