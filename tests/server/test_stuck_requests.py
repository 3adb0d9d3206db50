"""A request that does not end costs its interpreter; who merely waited there is served by the next one."""

from __future__ import annotations

import contextlib
import socket

import pytest

from conftest import StartServer
from support.server import BACKENDS, receive_all
from support.waiting import PATIENCE, wait_for

APP = """
import time
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    if req.uri == "/stuck":
        open(__file__ + ".stuck", "w").close()
        time.sleep(600)
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
        dial().sendall(b"GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for((server.www / "app.py.stuck").exists, "the request to run")
        new = [dial() for _ in range(COUNT)]
        silent = [dial() for _ in range(COUNT)]
        for number, sock in enumerate([*kept, *new]):
            sock.sendall(f"GET /waited{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answers = [receive_all(sock) for sock in (*kept, *new)]
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * len(answers), server.log()
        for sock in (*idle, *silent):
            sock.sendall(b"GET /later HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert receive_all(sock).startswith(b"HTTP/1.1 200"), server.log()
    for number in range(len(answers)):
        wait_for(lambda line=f"/waited{number} 200": line in server.log("access.log"), "its line")  # type: ignore[misc]
    wait_for(lambda: server.log("access.log").count("/later 200") == 2 * COUNT, "their lines")
    assert "is replaced" in server.log()
