"""PythonInterpQueue: only so many requests wait for an interpreter; more are told to come again."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.certificates import Authority
from support.server import EACH_IN_BOTH, Server, receive_all
from support.tls import HTTPS, Client, at_port
from support.waiting import PATIENCE, wait_for

#: How many may wait.
MOST = 3

CONF = f"""
PythonInterpQueue {MOST}
KeepAliveTimeout 300
Timeout 300
CustomLog logs/access.log "%U %>s"
PythonPath "['${{WWW}}'] + sys.path"
SetHandler mod_python
PythonHandler app
PythonInterpreter one
"""
APP = """
import os
import time
from mod_python import apache


def handler(req):
    if req.args == "hold":
        open(__file__ + ".held", "w").close()
        while os.path.exists(__file__ + ".held"):
            time.sleep(0.01)
    req.write("served", 0)
    return apache.OK
"""

GET = b"GET %b HTTP/1.1\r\nHost: a.example\r\n\r\n"
LAST = b"GET %b HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def running(
    request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority
) -> Iterator[tuple[Server, Client]]:
    """A server of one worker, each of whose interpreters serves one request at a time."""
    kind, mpm = request.param
    with at_port(authority) as (client, variables):
        server = start_module_server(
            CONF + HTTPS, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, threads=1, variables=variables
        )
        yield server, client
        server.close()


class Site:
    """The server, and a request that keeps its interpreter busy."""

    def __init__(self, server: Server, tls: Client, open_ones: contextlib.ExitStack) -> None:
        self.server, self.tls, self.open_ones = server, tls, open_ones
        self.held: Path = server.www / "app.py.held"

    def dial(self) -> socket.socket:
        """A connection."""
        return self.open_ones.enter_context(self.server.dial())

    def kept(self) -> socket.socket:
        """One that has had an answer."""
        sock = self.dial()
        sock.sendall(GET % b"/first")
        assert b"served" in sock.recv(65536)
        return sock

    def hold(self) -> socket.socket:
        """Have the interpreter busy."""
        sock = self.dial()
        sock.sendall(LAST % b"/held?hold")
        wait_for(self.held.exists, "the request to run")
        return sock

    def go_on(self) -> None:
        """Let the request end."""
        self.held.unlink()


@pytest.fixture
def site(running: tuple[Server, Client]) -> Iterator[Site]:
    """The server, whose connections end with the test."""
    with contextlib.ExitStack() as open_ones:
        found = Site(*running, open_ones)
        yield found
        found.held.unlink(missing_ok=True)


def refused(answer: bytes) -> bool:
    """Whether an answer says that too many wait."""
    head = answer.partition(b"\r\n\r\n")[0]
    return head.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 1\r\n" in head + b"\r\n"


def test_those_beyond_are_told_to_come_again(site: Site) -> None:
    held = site.hold()
    before = site.server.log("access.log").count(" 503")
    waiting = [site.dial() for _ in range(MOST + 4)]
    for number, sock in enumerate(waiting):
        sock.sendall(LAST % b"/beyond%d" % number)
    site.server.wait_for_log(f"{MOST} requests wait for interpreter")
    wait_for(lambda: site.server.log("access.log").count(" 503") == before + 4, "the lines of those beyond")
    site.go_on()
    answers = [receive_all(sock) for sock in waiting]
    assert [refused(answer) for answer in answers].count(True) == 4
    assert [answer.endswith(b"served") for answer in answers].count(True) == MOST
    assert receive_all(held).endswith(b"served")
    wait_for(lambda: site.server.log("access.log").count("/beyond") == len(waiting), "the lines of all")
    assert site.server.get("/after").text == "served"


def test_kept_connections_wait_as_others(site: Site) -> None:
    kept = [site.kept() for _ in range(MOST + 2)]
    held = site.hold()
    before = site.server.log("access.log").count(" 503")
    for sock in kept:
        sock.sendall(LAST % b"/kept")
    wait_for(lambda: site.server.log("access.log").count(" 503") == before + 2, "the lines of those beyond")
    site.go_on()
    answers = [receive_all(sock) for sock in kept]
    assert [refused(answer) for answer in answers].count(True) == 2
    assert [answer.endswith(b"served") for answer in answers].count(True) == MOST
    assert receive_all(held).endswith(b"served")


def test_clients_over_tls_are_told_so(
    site: Site, running: tuple[Server, Client], request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["running"][0] == "main":
        pytest.skip("its one interpreter speaks TLS, too, and is busy")
    held = site.hold()
    before = site.server.log("access.log").count(" 503")
    waiting = [site.dial() for _ in range(MOST + 1)]
    for sock in waiting:
        sock.sendall(LAST % b"/new")
    wait_for(lambda: site.server.log("access.log").count(" 503") == before + 1, "one to be beyond")
    plain = site.open_ones.enter_context(socket.create_connection(("127.0.0.1", site.tls.port), PATIENCE))
    with site.tls.context.wrap_socket(plain, server_hostname="a.example") as sock:
        sock.sendall(LAST % b"/tls")
        assert refused(sock.recv(65536))
    site.go_on()
    assert receive_all(held).endswith(b"served")
    wait_for(lambda: site.server.log("access.log").count(" 503") == before + 2, "the line of the refused one")
