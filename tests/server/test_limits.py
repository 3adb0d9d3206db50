"""The limits of docs/limits.md that hold by themselves: what is just within is served, and one more is refused."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server, receive_all
from support.waiting import PATIENCE

CONF = "".join(
    f"""
<Location /{kind}>
    SetHandler mod_python
    PythonHandler app
    PythonPath "sys.path+['${{WWW}}']"
    PythonInterpreter {kind}
    PythonInterpBackend {kind}
</Location>
"""
    for kind in BACKENDS
)

APP = """
from mod_python import apache


def handler(req):
    req.write("served")
    return apache.OK
"""


def lines(length: int) -> Callable[[str], bytes]:
    """A request line of so many bytes."""
    return lambda path: f"GET {path}?{'a' * (length - len(f'GET {path}? HTTP/1.1'))} HTTP/1.1\r\n".encode()


def fields(count: int) -> Callable[[str], bytes]:
    """So many fields, with Host and Connection."""
    more = "".join(f"X-{number}: a\r\n" for number in range(count - 2))
    return lambda path: f"GET {path} HTTP/1.1\r\n{more}".encode()


def field(name: str, length: int) -> Callable[[str], bytes]:
    """A field of so many bytes."""
    return lambda path: f"GET {path} HTTP/1.1\r\n{name}: {'a' * (length - len(name) - 2)}\r\n".encode()


#: What begins a request at a limit, what begins one beyond it, and its status.
LIMITS = {
    "the request line": (lines(8190), lines(8191), b"414"),
    "fields": (fields(100), fields(101), b"400"),
    "a field": (field("X-Long", 8190), field("X-Long", 8191), b"400"),
    "a cookie": (field("Cookie", 8190), field("Cookie", 8191), b"400"),
}


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server with every kind of interpreter, and no limit that somebody has chosen."""
    return start_module_server(CONF, {"app.py": APP}, mode="foreground", mpm=request.param, threads=2)


def ask(server: Server, beginnings: list[bytes]) -> bytes:
    """Requests on one connection, all of which were sent at once: what is answered, to its end."""
    ends = [b"keep-alive"] * (len(beginnings) - 1) + [b"close"]
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
        sock.sendall(
            b"".join(
                b"%bHost: a\r\nConnection: %b\r\n\r\n" % (beginning, end)
                for beginning, end in zip(beginnings, ends, strict=True)
            )
        )
        return receive_all(sock)


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("name", LIMITS)
def test_a_head(server: Server, name: str, kind: str) -> None:
    within, beyond, status = LIMITS[name]
    path = f"/{kind}"
    assert ask(server, [within(path)]).count(b"HTTP/1.1 200 OK\r\n") == 1
    assert ask(server, [within(path)] * 3).count(b"HTTP/1.1 200 OK\r\n") == 3
    assert ask(server, [beyond(path)]).startswith(b"HTTP/1.1 " + status)
    answers = ask(server, [within(path), beyond(path), within(path)])
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", status], "nothing behind it is read"


@pytest.mark.parametrize("kind", BACKENDS)
def test_requests_of_a_connection(server: Server, kind: str) -> None:
    """As in httpd MaxKeepAliveRequests counts those after which a connection is kept: another one is the last."""
    answers = ask(server, [f"GET /{kind} HTTP/1.1\r\n".encode()] * 102)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 101
    assert answers.count(b"Connection: close\r\n") == 1
    assert b"Connection: close\r\n" in answers[answers.rindex(b"HTTP/1.1 200 OK\r\n") :]
