"""RequestReadTimeout: heads and bodies that come too slowly are answered with 408, others are not disturbed."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import refused
from support.server import EACH_AND_THREADS, Server, receive_all

CONF = """
Timeout 30
KeepAliveTimeout 30
PythonPath "['${WWW}'] + sys.path"
SetHandler mod_python
PythonHandler app
<Location /streaming>
    RequestBodyStreaming On
</Location>
<VirtualHost *>
    RequestReadTimeout header=1-3,MinRate=20 body=1,MinRate=40000
</VirtualHost>
<VirtualHost *>
    ServerName impatient.test
    Timeout 1
</VirtualHost>
"""

APP = """
from mod_python import apache

def handler(req):
    try:
        body = req.read()
    except OSError as error:
        req.log_error(f"cut: {error}", apache.APLOG_NOTICE)
        raise
    req.write(str(len(body)))
    return apache.OK
"""


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """Each kind of interpreter; one with the worker MPM."""
    backend, mpm = request.param
    return start_module_server(CONF, {"app.py": APP}, backend=backend, mpm=mpm)


def drip(sock: socket.socket, data: bytes, pause: float) -> bytes:
    """Send bytes one by one until the server answers. :returns: the answer, to its end."""
    sock.settimeout(pause)
    for byte in data:
        try:
            sock.sendall(bytes([byte]))
            answer = sock.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return b""
        sock.settimeout(30)
        return answer + receive_all(sock)
    raise AssertionError("the server took all of it")


@pytest.mark.parametrize("served", [0, 1])
def test_a_slow_head_ends_by_its_rate(server: Server, served: int) -> None:
    with server.dial() as sock:
        for _ in range(served):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith((b"0\r\n\r\n", b"\r\n\r\n0")):
                part = sock.recv(65536)
                assert part, answer
                answer += part
            assert b"200 OK" in answer
        begun = time.monotonic()
        answer = drip(sock, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 1000, 0.1)
        lasted = time.monotonic() - begun
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    # (ten bytes a second against twenty: two seconds in all, where nothing else takes time)
    assert 0.9 < lasted < 10


def test_a_head_of_which_nothing_more_comes(server: Server) -> None:
    with server.dial() as sock:
        begun = time.monotonic()
        sock.sendall(b"GET / HTTP/1.1\r\n")
        assert receive_all(sock).startswith(b"HTTP/1.1 408 ")
        assert 0.9 < time.monotonic() - begun < 10


def test_a_client_that_says_nothing_is_left(server: Server) -> None:
    with server.dial() as sock:
        begun = time.monotonic()
        assert receive_all(sock) == b""
        assert 0.9 < time.monotonic() - begun < 10


def test_a_short_body_is_waited_for_by_the_loop(server: Server) -> None:
    with server.dial() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        assert drip(sock, b"x" * 1000, 0.2).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("length", [1000, 1_000_000])
def test_a_shorter_timeout_counts_beside_it(server: Server, length: int) -> None:
    head = f"POST / HTTP/1.1\r\nHost: impatient.test\r\nContent-Length: {length}\r\n\r\n"
    with server.dial() as sock:
        sock.sendall(head.encode() + b"x")
        begun = time.monotonic()
        receive_all(sock)
        assert time.monotonic() - begun < 15  # (by the default of RequestReadTimeout alone it would be 20)


def test_a_long_body_ends_its_handlers_wait(server: Server) -> None:
    before = server.log().count("cut: ")
    with server.dial() as sock:
        begun = time.monotonic()
        sock.sendall(b"POST /streaming HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        drip(sock, b"x" * 1000, 0.2)
        assert 0.9 < time.monotonic() - begun < 20
    assert server.log().count("cut: ") == before + 1


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_long_body_is_waited_for_by_the_loop(server: Server, framing: str) -> None:
    """The handler never sees it."""
    before = server.log().count("cut: ")
    with server.dial() as sock:
        begun = time.monotonic()
        sock.sendall(f"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n30000\r\n".encode() + b"x" * 70_000)
        answer = drip(sock, b"x" * 1000, 0.2)
        assert 0.9 < time.monotonic() - begun < 20
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nConnection: close" in answer
    assert server.log().count("cut: ") == before


def test_whoever_keeps_the_rate_may_take_longer(server: Server) -> None:
    with server.dial() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 160000\r\nConnection: close\r\n\r\n")
        begun = time.monotonic()
        for _ in range(8):  # (two seconds: twice the time without a rate)
            sock.sendall(b"x" * 20000)
            time.sleep(0.25)
        assert time.monotonic() - begun > 1.9
        assert b"\r\n160000\r\n" in receive_all(sock)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("header=20-40", "has a longest time, but nothing to prolong it: write header=20-40,MinRate=500"),
        ("header=20-10,MinRate=500", "Maximum timeout must be larger than initial timeout"),
        ("body=10,minrate=0", "Minimum data rate must be larger than 0"),
        ("foot=1", "is no stage with its time"),
        ("header=soon", "is no stage with its time"),
    ],
)
def test_faults(tmp_path: Path, words: str, fault: str) -> None:
    assert fault in refused(tmp_path, f"RequestReadTimeout {words}")
