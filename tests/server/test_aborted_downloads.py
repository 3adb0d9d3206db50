"""Clients that leave in the middle of an answer cost no descriptor a second later."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from conftest import StartServer
from support.processes import descendants, open_files
from support.server import EACH_IN_BOTH, Server
from support.traffic import RESET
from support.waiting import wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
<Location /app>
    SetHandler mod_python
    PythonHandler app
</Location>
"""

APP = """
def handler(req):
    req.content_type = "application/octet-stream"
    for _ in range(64):
        req.write(b"x" * 65536, 0)
    return 0
"""

#: How many leave at a time, in seconds how soon that is over.
COUNT, SOON = 50, 1.0

#: With a FIN or a RST; whether anything of the answer is read; and whether the connection was to be kept.
WAYS = [(reset, reads, kept) for reset in (False, True) for reads in (False, True) for kept in (False, True)]


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One for each kind and MPM."""
    kind, mpm = request.param
    files: dict[str, str | bytes] = {"app.py": APP, "static.bin": b"x" * (4 << 20)}
    started: Server = start_module_server(CONF, files, backend=kind, mpm=mpm, mode="foreground")
    assert len(started.get("/app").body) == len(started.get("/static.bin").body) == 4 << 20
    return started


def opened(server: Server) -> dict[int, int]:
    """How many things each process of the server has open: what it has twice, as a leased port, counts once."""
    assert server.master is not None
    found = {process.pid: len(set(open_files(process.pid))) for process in descendants(server.master)}
    return {pid: count for pid, count in found.items() if count}


@pytest.mark.parametrize("path", ["/static.bin", "/app"])
def test_descriptors_are_back_soon(server: Server, path: str) -> None:
    before = opened(server)  # (with a connection of the answers before, maybe)

    def is_over() -> bool:
        return all(count <= before.get(pid, 0) for pid, count in opened(server).items())

    def leave(reset: bool, reads: bool, kept: bool) -> float:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{'' if kept else 'Connection: close'}\r\n"
        with contextlib.ExitStack() as clients:
            for _ in range(COUNT):
                sock = clients.enter_context(server.dial())
                sock.sendall((head if kept else head + "\r\n").encode())
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                if reads:  # (the next is not served before this one leaves)
                    assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
                    sock.close()
        began = time.monotonic()  # (all have left)
        wait_for(is_over, f"{before}, and not {opened(server)}")
        took = time.monotonic() - began
        before.update(opened(server))
        return took

    for way in WAYS:
        took = [leave(*way)]
        while took[-1] >= SOON and len(took) < 10:  # (others may use the machine)
            took.append(leave(*way))
        assert took[-1] < SOON, (way, took)
