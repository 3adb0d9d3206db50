"""WebSockets over ``req.connection``: the example, with the client of a library; and what else handlers do with it."""

from __future__ import annotations

import contextlib
import getpass
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from conftest import StartServer
from support.processes import nothing_outlives
from support.server import BACKENDS, EACH_AND_THREADS, Server, receive_all
from support.waiting import PATIENCE

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "websocket"
CONF = """
Timeout 1
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHeaderParserHandler app::first
    PythonHandler app
    PythonLogHandler app::log
</Directory>
"""
APP = """
from urllib.parse import unquote
from mod_python import apache


def run(req, name):
    scope = {"req": req, "conn": req.connection, "apache": apache, "r": None, "result": apache.OK}
    if name in req.headers_in:
        try:
            exec(unquote(req.headers_in[name]), scope)
        except OSError as error:
            scope["r"] = f"{type(error).__name__}: {error}"
    return scope


def first(req):
    scope = run(req, "X-First")
    if scope["r"] is not None:
        req.log_error(f"first {scope['r']}")
    return scope["result"]


def handler(req):
    scope = run(req, "X-Code")
    if scope["r"] is not None:
        req.write(repr(scope["r"]), 0)
    return scope["result"]


def log(req):
    req.log_error(f"logged {req.status}")
    return apache.OK
"""


class Example(Server):
    """A server with the example's configuration, in one kind of interpreter."""

    def __init__(self, root: Path, backend: str) -> None:
        super().__init__(root, "")
        variables = {
            "ECHO": str(EXAMPLE),
            "ECHO_PORT": str(self.port),
            "ECHO_RUN": str(self.logs),
            "ECHO_USER": "root" if os.geteuid() == 0 else getpass.getuser(),
        }
        lines = [f'Define {name} "{value}"' for name, value in variables.items()]
        lines += [f'Include "{EXAMPLE / "httpd.conf"}"', f"PythonInterpBackend {backend}", "ServerLimit 1", ""]
        self.conf.write_text("\n".join(lines))


@pytest.fixture(scope="module", params=BACKENDS)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, orphanage: None
) -> Iterator[Server]:
    """The example's server."""
    with nothing_outlives(), Example(tmp_path_factory.mktemp("echo"), request.param) as server:
        yield server


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    backend, mpm = request.param
    files: dict[str, str | bytes] = {"app/app.py": APP, "app/x": "", "page.txt": "the page"}
    return start_module_server(CONF, files, backend=backend, mpm=mpm)


@contextlib.contextmanager
def echo(server: Server, **more: Any) -> Iterator[ClientConnection]:
    """A client of the example."""
    with connect(
        f"ws://127.0.0.1:{server.port}/echo", open_timeout=PATIENCE, proxy=None, close_timeout=2, **more
    ) as client:
        yield client


def test_messages_come_back(example: Server) -> None:
    with echo(example) as client:
        for message in ("hello", "é€\U0001f600", b"\0\xff", "", "x" * 300_000, b"y" * 70_000):
            client.send(message)
            assert client.recv(PATIENCE) == message
        client.send(["in ", "three ", "frames"])
        assert client.recv(PATIENCE) == "in three frames"
        assert client.ping().wait(PATIENCE)
    assert (client.close_code, client.protocol.close_rcvd is not None) == (1000, True)


def test_several_at_a_time_and_a_page_beside_them(example: Server) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(echo(example)) for _ in range(4)]
        threads = [threading.Thread(target=client.send, args=(f"from {n}",)) for n, client in enumerate(clients)]
        for thread in threads:
            thread.start()
        assert [client.recv(PATIENCE) for client in clients] == [f"from {n}" for n in range(4)]
        for thread in threads:
            thread.join()
        assert "<h1>Echo</h1>" in example.get("/").text


def test_what_is_no_websocket(example: Server) -> None:
    assert example.get("/echo").status == 404
    reply = example.get("/echo", {"Upgrade": "websocket", "Connection": "Upgrade"})
    assert (reply.status, b"Sec-WebSocket-Key" in reply.body) == (400, True)
    with echo(example) as client:
        client.socket.sendall(b"\xff\xff\xff")
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv(PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1002


def test_a_client_that_goes_away_in_a_message(example: Server) -> None:
    with example.dial() as sock:
        sock.sendall(
            b"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x82\0\0"
        )
        sock.shutdown(1)
        head, _, rest = receive_all(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert rest in (b"", b"\x88\x02\x03\xee")
    with echo(example) as client:
        client.send("still there")
        assert client.recv(PATIENCE) == "still there"


# ---- the connection itself


def head(first: str = "", code: str = "", **headers: str) -> bytes:
    """A request with code for the header-parser and the content phase."""
    lines = ["GET /app/x HTTP/1.1", "Host: h"]
    lines += [f"X-First: {quote(first)}"] if first else []
    lines += [f"X-Code: {quote(code)}"] if code else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def talk(server: Server, request: bytes, *more: bytes) -> bytes:
    """All that a connection gives; each further piece is sent when something came, and then no more is."""
    with server.dial() as sock:
        sock.sendall(request)
        got = b""
        for piece in more:
            got += sock.recv(65536)
            sock.sendall(piece)
        sock.shutdown(1)
        return got + receive_all(sock)


READ_A_LINE = "conn.write('raw ')\nconn.write(b'got ' + conn.readline())\nresult = apache.DONE\n"
PAGE = b"GET /page.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def test_bytes_that_were_read_ahead_are_there(server: Server) -> None:
    answer = talk(server, head(READ_A_LINE) + b"line one\nrest")
    assert answer.startswith(b"raw got line one\nHTTP/1.1 200 OK\r\n")


def test_the_connection_goes_on_with_what_was_not_read(server: Server) -> None:
    for answer in (
        talk(server, head(READ_A_LINE) + b"line one\n" + PAGE),
        talk(server, head(READ_A_LINE), b"line one\n" + PAGE),
        talk(server, head(code=READ_A_LINE), b"line one\n" + PAGE),
    ):
        assert answer.startswith(b"raw got line one\nHTTP/1.1 200 OK\r\n")
        assert b"\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n" in answer
        assert answer.endswith(b"the page")


@pytest.mark.parametrize("end", ["req.assbackwards = 1", "conn.keepalive = apache.AP_CONN_CLOSE"])
def test_the_connection_ends_where_the_handler_wants_it(server: Server, end: str) -> None:
    answer = talk(server, head(READ_A_LINE + end), b"line one\n" + PAGE)
    assert b"the page" not in answer
    whole, _, rest = answer.partition(b"line one\n")
    assert whole == b"raw got "
    assert rest == b"" if "assbackwards" in end else b"Connection: close" in rest


def test_other_phases_follow_as_ever(server: Server) -> None:
    answer = talk(server, head("conn.write('first ')", "r = 'content'"), PAGE)
    assert answer.startswith(b"first HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n'content'HTTP/1.1 200" in answer
    answer = talk(server, head("conn.write('no: ')\nresult = apache.HTTP_FORBIDDEN"), PAGE)
    assert answer.startswith(b"no: HTTP/1.1 403 Forbidden\r\n")
    server.wait_for_log("logged 403")


def test_what_is_written_goes_before_what_waits(server: Server) -> None:
    answer = talk(server, head(code="req.write('answer', 0)\nconn.write('raw ')"))
    assert answer.startswith(b"raw HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nanswer")
    answer = talk(server, head(code="req.write('answer')\nconn.write('!')"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"6\r\nanswer\r\n!0\r\n\r\n")


def test_reading(server: Server) -> None:
    code = (
        "r = [conn.read(3), conn.readline(2), conn.readline(), conn.read(), conn.read(-1), conn.read(-1), conn.read()]"
    )
    answer = talk(server, head(code=code) + b"line one\nrest")
    assert answer.endswith(b"[b'lin', b'e ', b'one\\n', b'rest', b'', b'', None]")
    for ask in ("conn.read(1)", "conn.readline()"):
        answer = talk(server, head(code=ask))
        assert answer.endswith(b"'OSError: Connection read error'")


def test_a_client_that_says_nothing(server: Server) -> None:
    with server.dial() as sock:
        sock.sendall(head(code="conn.read()"))
        receive_all(sock)
        sock.shutdown(1)
    with server.dial() as sock:
        sock.sendall(head("conn.readline()\nr = 1"))
        receive_all(sock)
    server.wait_for_log("first OSError: Connection read error")


def test_a_body_and_the_connection(server: Server) -> None:
    answer = talk(server, head(code="r = [req.read(2), conn.read()]", Content_Length="2") + b"abcd")
    assert answer.endswith(b"[b'ab', b'cd']")
    answer = talk(server, head(code="r = [conn.read(), req.read()]", Content_Length="2") + b"ab" + PAGE)
    assert b"[b'ab', b'']" in answer
    assert answer.endswith(b"the page")
