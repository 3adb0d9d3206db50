"""WSGI applications that speak another protocol with the client, as libraries for WebSockets do."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server, receive_all, receive_until
from support.waiting import wait_for

APP = """
import select
import threading

SAYS = b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: echo\\r\\nConnection: Upgrade\\r\\n\\r\\n"
last = {}


def lines(sock):
    data = b""
    while True:
        more = sock.recv(5)
        if not more:
            return
        data += more
        while b"\\n" in data:
            line, _, data = data.partition(b"\\n")
            yield line


def echo(sock):
    sock.sendall(SAYS)
    for line in lines(sock):
        if line == b"end":
            sock.sendall(b"bye\\n")
            return
        sock.sendall(line.upper() + b"\\n")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    sock = environ.get("gunicorn.socket")
    if path == "/plain":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"offered" if sock is not None else b"not offered"]
    if path == "/last":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr(sorted(last.items())).encode()]
    if path == "/thread":
        # one thread hears the client for as long as it can, as libraries do
        sock.sendall(SAYS)
        heard = threading.Event()

        def hear():
            last["heard"] = sock.recv(100)
            heard.set()
            last["then"] = sock.recv(100)

        threading.Thread(target=hear).start()
        heard.wait()
        raise StopIteration
    if path == "/late":
        sock.settimeout(0.05)
        sock.sendall(SAYS)
        try:
            sock.recv(1)
        except TimeoutError:
            sock.sendall(b"late\\n")
        return []
    if path == "/select":
        sock.sendall(SAYS)
        ready = select.select([sock], [], [], 60)[0]
        sock.send(b"%d %b" % (len(ready), sock.recv(100)))
        sock.setblocking(False)
        try:
            sock.recv(1)
        except BlockingIOError:
            sock.send(b" nothing " + sock.getpeername()[0].encode())
        return []
    if path == "/fails":
        sock.sendall(SAYS)
        raise LookupError("a fault of the application")
    if path == "/lazy":
        return talk(sock)
    echo(sock)
    if path == "/answers":
        # as Werkzeug's own server has it: an answer, which nobody is to see
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"an answer"]
    raise StopIteration


def talk(sock):
    echo(sock)
    yield b"more"
"""

CONF = """
CustomLog logs/access.log "%U %>s"
<Location />
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
    PythonPath "sys.path + ['${WWW}']"
</Location>
"""

SAYS = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    backend, mpm = request.param
    return start_module_server(CONF, {"app.py": APP}, backend=backend, mpm=mpm, mode="foreground")


@contextlib.contextmanager
def upgraded(server: Server, path: str, more: bytes = b"") -> Iterator[socket.socket]:
    """A connection whose client wants another protocol."""
    with server.dial() as client:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
        client.sendall(head.encode() + more)
        yield client


@pytest.mark.parametrize("path", ["/", "/answers", "/lazy"])
def test_both_speak_until_one_ends(server: Server, path: str) -> None:
    with upgraded(server, path, b"ahead\n") as client:  # (who does not wait for the answer is heard as well)
        assert receive_until(client, b"AHEAD\n") == SAYS + b"AHEAD\n"
        client.sendall(b"x" * 300_000 + b"\n")
        assert receive_until(client, b"\n") == b"X" * 300_000 + b"\n"
        client.sendall(b"end\nnobody hears this")
        assert receive_all(client) == b"bye\n"
    assert server.get("/plain").text == "not offered"
    server.wait_for_log(f"{path} 101", "access.log")


def test_who_does_not_use_it_answers_as_ever(server: Server) -> None:
    with server.connection() as connection:
        for _ in range(2):
            connection.request("GET", "/plain", headers={"Upgrade": "h2c", "Connection": "Upgrade"})
            assert connection.getresponse().read() == b"offered"
            assert connection.sock is not None


def test_a_client_that_goes(server: Server) -> None:
    with upgraded(server, "/") as client:
        client.sendall(b"a\n")
        assert receive_until(client, b"A\n") == SAYS + b"A\n"
    assert server.get("/plain").text == "not offered"


def test_a_thread_that_still_hears_the_client_is_told_that_it_is_over(server: Server) -> None:
    with upgraded(server, "/thread") as client:
        assert receive_until(client, b"\r\n\r\n") == SAYS
        client.sendall(b"one")
        assert receive_all(client) == b""
    wait_for(lambda: "'then'" in server.get("/last").text, "the thread to end")
    assert server.get("/last").text == "[('heard', b'one'), ('then', b'')]"


def test_it_waits_as_it_is_told(server: Server) -> None:
    with upgraded(server, "/late") as client:
        assert receive_all(client) == SAYS + b"late\n"
    with upgraded(server, "/select") as client:
        assert receive_until(client, b"\r\n\r\n") == SAYS
        client.sendall(b"one")
        assert receive_all(client) == b"1 one nothing 127.0.0.1"


def test_an_error_is_logged_and_not_sent(server: Server) -> None:
    with upgraded(server, "/fails") as client:
        assert receive_all(client) == SAYS
    server.wait_for_log("LookupError: a fault of the application")
    assert server.get("/plain").text == "not offered"
