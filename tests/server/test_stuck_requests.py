"""A request that does not end costs its interpreter; who merely waited there is served by the next one."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import sys

import pytest

from conftest import StartServer
from mpserver.interpreters.stuck import GIVING_BACK
from support.server import BACKENDS, Server, receive_all
from support.waiting import PATIENCE, wait_for

APP = """
import os
import time
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    if req.uri == "/stuck":
        open(__file__ + ".stuck", "w").close()
        time.sleep(float(req.args or 600))
    if req.uri == "/slow":
        open(__file__ + ".slow", "w").close()
        while os.path.exists(__file__ + ".slow"):
            time.sleep(0.01)
    req.write("served", 0)
    return apache.OK
"""

CONF = """
KeepAliveTimeout 60
CustomLog logs/access.log "%U %>s"
<Location />
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
<Location /stuck>
    PythonRequestTimeout 500ms
</Location>
"""

#: How many of each kind wait.
COUNT = 4


def asked(server: Server, open_ones: contextlib.ExitStack, path: str) -> tuple[socket.socket, int]:
    """A connection whose request does not end, and how many were tried.

    (Where others use the machine one may be ended before its handler begins.)
    """
    begun = server.www / "app.py.stuck"
    for number in itertools.count(1):
        sock = open_ones.enter_context(server.dial())
        sock.settimeout(PATIENCE)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        wait_for(lambda sock=sock: begun.exists() or select.select([sock], [], [], 0)[0], "the request to run")  # type: ignore[misc]
        if begun.exists():
            return sock, number
    raise AssertionError


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_who_merely_waited_is_answered(start_server: StartServer, backend: str, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=backend, mpm=mpm, threads=1)
    with contextlib.ExitStack() as open_ones:

        def dial() -> socket.socket:
            sock = open_ones.enter_context(server.dial())
            sock.settimeout(PATIENCE)
            return sock

        kept = [dial() for _ in range(COUNT)]
        for sock in kept:
            sock.sendall(b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"served" in sock.recv(65536)
        idle = [dial() for _ in range(COUNT)]
        for sock in idle:
            sock.sendall(b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"served" in sock.recv(65536)
        stuck, tries = asked(server, open_ones, "/stuck")
        new = [dial() for _ in range(COUNT)]
        silent = [dial() for _ in range(COUNT)]
        for number, sock in enumerate([*kept, *new]):
            sock.sendall(f"GET /waited{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answers = [receive_all(sock) for sock in (*kept, *new)]
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * len(answers), server.log()
        for sock in (*idle, *silent):
            sock.sendall(b"GET /later HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert receive_all(sock).startswith(b"HTTP/1.1 200"), server.log()
        assert receive_all(stuck).startswith(b"HTTP/1.1 500"), server.log()
    wait_for(lambda: server.log("access.log").count("/stuck 500") == tries, "the line of the request that did not end")
    for number in range(len(answers)):
        wait_for(lambda line=f"/waited{number} 200": line in server.log("access.log"), "its line")  # type: ignore[misc]
    wait_for(lambda: server.log("access.log").count("/later 200") == 2 * COUNT, "their lines")
    assert "is replaced" in server.log()
    assert server.log("access.log").count("/stuck") == tries


@pytest.mark.parametrize("backend", [kind for kind in BACKENDS if kind != "process"])
def test_requests_beside_it_come_to_their_end(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=backend, mpm="worker", threads=3)
    with contextlib.ExitStack() as open_ones, server.dial() as slow:
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wait_for((server.www / "app.py.slow").exists, "the slow request to run")
        stuck, _tries = asked(server, open_ones, "/stuck")
        assert receive_all(stuck).startswith(b"HTTP/1.1 500"), server.log()
        ready, _, _ = select.select([slow], [], [], GIVING_BACK + 1.0)
        assert not ready, "it was cut"
        (server.www / "app.py.slow").unlink()
        assert receive_all(slow).endswith(b"served")
    wait_for(lambda: "/slow 200" in server.log("access.log"), "its line")


#: Where no exception can be raised in a request, it is given up at once, and ends as it likes.
CAN_NOT_RAISE = "own" if sys.version_info[:2] == (3, 12) else ""


@pytest.mark.parametrize("backend", [kind for kind in BACKENDS if kind not in ("process", CAN_NOT_RAISE)][:1])
def test_one_that_goes_on_after_all_writes_nothing(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=backend, mpm="worker", threads=3)
    with contextlib.ExitStack() as open_ones, server.dial() as slow:
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wait_for((server.www / "app.py.slow").exists, "the slow request to run")
        stuck, tries = asked(server, open_ones, "/stuck?6.5")
        answer = receive_all(stuck)
        assert answer.startswith(b"HTTP/1.1 500")
        assert answer.count(b"HTTP/1.1") == 1
        server.wait_for_log("ended by PythonRequestTimeout (0.5 s): GET /stuck?6.5")
        (server.www / "app.py.slow").unlink()
        assert receive_all(slow).endswith(b"served")
    wait_for(lambda: "/slow 200" in server.log("access.log"), "the line of the slow one")
    assert server.log("access.log").count("/stuck") == tries
