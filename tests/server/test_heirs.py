"""Workers that leave give their connections to those that stay: no client's next request meets a closed connection."""

from __future__ import annotations

import http.client

import psutil
import pytest

from conftest import StartServer
from support.processes import alive
from support.server import BACKENDS, Port, Server, listens, receive_all
from support.waiting import PATIENCE, wait_for

APP = """
import os
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    # (who asks for the number may remember it, so that the connection stays)
    req.write("%d %d" % (os.getpid(), req.connection.id if req.args == "number" else 0), 0)
    return apache.OK


def big(req):
    req.write("x" * 40000000, 0)
    return apache.OK
"""

CONF = """
KeepAliveTimeout 300
PythonPath "sys.path + ['${WWW}']"
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /big>
    PythonHandler app::big
</Location>
"""

every_kind = pytest.mark.parametrize("kind", BACKENDS)
every_mpm = pytest.mark.parametrize("mpm", ["prefork", "worker"])


def start(start_server: StartServer, kind: str, mpm: str = "prefork", conf: str = "", **variables: str) -> Server:
    """A server with one worker, which serves."""
    server = start_server(
        CONF + conf, {"app.py": APP}, backend=kind, mpm=mpm, threads=4, mode="foreground", variables=variables
    )
    wait_for(lambda: len(server.workers()) == 1, "the worker")
    return server


def dial(port: int) -> http.client.HTTPConnection:
    """A connection that does not come again by itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.connect()
    connection.auto_open = 0
    return connection


def ask(connection: http.client.HTTPConnection, path: str = "/") -> tuple[int, int]:
    """One request: who answered it, and with ``/?number`` the connection's number there."""
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    pid, number = map(int, body.split())
    return pid, number


def graceful(server: Server) -> None:
    """A graceful restart, until the old workers are gone."""
    old = server.workers()
    assert old
    server.command("-k", "graceful")
    wait_for(lambda: not any(map(alive, old)), "the old workers to leave")


@every_mpm
@every_kind
def test_a_kept_connection_outlives_its_worker(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start(start_server, kind, mpm)
    kept = dial(server.port)
    seen = [ask(kept)[0]]
    for _ in range(3):
        graceful(server)
        seen.append(ask(kept)[0])
        ask(kept)  # and it goes on being kept
    assert len(set(seen)) == 4
    kept.close()


@every_kind
def test_connections_that_were_taken_have_numbers_of_their_own(start_server: StartServer, kind: str) -> None:
    server = start(start_server, kind)
    kept = [dial(server.port)]
    for _ in range(3):  # the worker after the next one has the first one's place again
        ask(kept[-1])
        graceful(server)
        kept.append(dial(server.port))
    found = [ask(connection, "/?number") for connection in kept]
    assert len({pid for pid, _number in found}) == 1
    assert len({number for _pid, number in found}) == len(kept)
    for connection in kept:
        connection.close()
    [worker] = server.workers()
    wait_for(lambda: not clients_of(worker, server.port), "the worker to close what its clients have closed")


def clients_of(worker: psutil.Process, port: int) -> list[object]:
    """The sockets of clients that a worker has."""
    found = worker.net_connections("tcp")
    return [one for one in found if one.laddr.port == port and one.status != psutil.CONN_LISTEN]


@every_mpm
@every_kind
def test_many_kept_connections_outlive_their_worker(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start(start_server, kind, mpm)
    kept = [dial(server.port) for _ in range(200)]
    for connection in kept:
        ask(connection)
    graceful(server)
    found = {ask(connection)[0] for connection in kept}
    assert len(found) == 1, "one of the old ones has answered"
    for connection in kept:
        connection.close()


@every_mpm
@every_kind
def test_half_a_head_outlives_its_worker(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start(start_server, kind, mpm)
    with server.dial() as first, server.dial() as second, server.dial() as silent:
        first.sendall(b"GET / HTTP/1.1\r\nHo")
        second.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert second.recv(65536).startswith(b"HTTP/1.1 200")
        second.sendall(b"GET / HTTP/1.1\r\nHo")
        graceful(server)
        for sock in (first, second):
            sock.sendall(b"st: x\r\nConnection: close\r\n\r\n")
            assert receive_all(sock).startswith(b"HTTP/1.1 200")
        silent.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert receive_all(silent).startswith(b"HTTP/1.1 200")


@every_mpm
@every_kind
def test_a_connection_whose_answer_is_under_way_is_kept(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start(start_server, kind, mpm)
    kept = dial(server.port)
    old = server.workers()
    kept.request("GET", "/big")
    response = kept.getresponse()
    server.command("-k", "graceful")
    wait_for(lambda: server.log().count("resuming normal operations") == 2, "the new worker to serve")
    assert all(map(alive, old))
    assert len(response.read()) == 40_000_000
    assert response.getheader("Connection") != "close"
    wait_for(lambda: not any(map(alive, old)), "the old worker to leave")
    ask(kept)
    kept.close()


@every_kind
def test_kept_connections_outlive_a_worker_that_has_had_its_share(start_server: StartServer, kind: str) -> None:
    server = start(start_server, kind, conf="MaxConnectionsPerChild 4\n")
    old = server.workers()
    kept = [dial(server.port) for _ in range(4)]
    for connection in kept:
        ask(connection)
    wait_for(lambda: not any(map(alive, old)), "the old worker to leave")
    for connection in kept:
        ask(connection)
        connection.close()


@every_kind
def test_a_connection_that_nobody_else_may_have_is_served_where_it_is(start_server: StartServer, kind: str) -> None:
    """The new workers don't listen where it came from."""
    port = Port()
    try:
        server = start(start_server, kind, conf="Listen 127.0.0.1:${SECOND}\n", SECOND=str(port.number))
        kept = dial(port.number)
        old = server.workers()
        ask(kept)
        server.conf.write_text(server.conf.read_text().replace("Listen 127.0.0.1:${SECOND}\n", ""))
        server.command("-k", "graceful")
        wait_for(lambda: server.log().count("resuming normal operations") == 2, "the new worker to serve")
        wait_for(lambda: not listens(port.number), "the port to be closed")
        ask(kept)
        kept.close()
        wait_for(lambda: not any(map(alive, old)), "the old worker to leave")
    finally:
        port.release()
