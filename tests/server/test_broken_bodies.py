"""Bodies that are not what their head says, and responses that go on after their end, for every kind of interpreter."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server, receive_all
from support.waiting import wait_for

CONF = """
RequestBodyStreaming On
Timeout 1
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/late">
    SetHandler mod_python
    PythonHandler app::late
    PythonLogHandler app::later
</Directory>
"""
#: Reads as its query says; tells the log what came of it, and passes it on for "raise".
APP = """
from mod_python import apache

def handler(req):
    how, _, rest = req.args.partition("&")
    req.log_error("begun")
    try:
        if how == "lines":
            data = b"".join(req.readlines())
        elif how == "line":
            data = req.readline()
            while data.endswith(b"\\n"):
                data += req.readline()
        elif how == "some":
            data = req.read(80000)
        elif how == "discard":
            req.log_error("discarded with %d" % req.discard_request_body())
            data = b""
        else:
            data = req.read()
        req.log_error("read %d" % len(data))
    except OSError as error:
        req.log_error("failed: %s" % error)
        if rest == "raise":
            raise
        if rest == "again":
            try:
                req.read()
            except OSError as error:
                req.log_error("failed again: %s" % error)
    req.write("done")
    return apache.OK

def late(req):
    req.set_content_length(4)
    req.write("four and more")
    req.write("and more")
    req.log_error("wrote all")
    return apache.OK

def later(req):
    req.write("never")
    req.flush()
    req.log_error("wrote later")
    return apache.OK
"""
FILES: dict[str, str | bytes] = {
    "app/app.py": APP,
    "app/x": "",
    "late/app.py": APP,
    "late/x": "",
    "page.txt": "page",
}

#: More than is read before the handler runs.
LONG = 100_000
WAYS = ("all", "lines", "line", "some")


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    return start_module_server(CONF, FILES, backend=request.param)


@contextmanager
def sent(server: Server, query: str, framing: str, body: bytes) -> Iterator[socket.socket]:
    """A connection on which a request was sent, and so much of its body."""
    with server.dial() as sock:
        sock.sendall(f"POST /app/x?{query} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode() + body)
        yield sock


def said_since(server: Server, before: int, text: str) -> str:
    """What the log got after so many characters, once a text is in it."""
    wait_for(lambda: text in server.log()[before:], f"{text!r} in the log")
    return server.log()[before:]


@pytest.mark.parametrize("how", WAYS)
def test_a_body_that_ends_early(server: Server, how: str) -> None:
    """The client has said all it will say: reading fails at once, and nothing can follow on the connection."""
    before = len(server.log())
    begin = time.monotonic()
    with sent(server, how, f"Content-Length: {LONG}", b"x" * 70_000) as sock:
        sock.shutdown(socket.SHUT_WR)
        answer = receive_all(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer
    assert time.monotonic() - begin < 10
    said_since(server, before, "failed: Client read error (the client closed the connection)")


def test_a_client_that_left(server: Server) -> None:
    before = len(server.log())
    with sent(server, "all&raise", f"Content-Length: {LONG}", b"x" * 70_000):
        pass
    log = said_since(server, before, "PythonHandler app: Client read error")
    assert "Traceback" not in log
    assert server.get("/page.txt").text == "page"


def test_silence_ends_at_timeout(server: Server) -> None:
    before = len(server.log())
    begin = time.monotonic()
    with sent(server, "all&again", f"Content-Length: {LONG}", b"x" * 70_000) as sock:
        answer = receive_all(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert 0.9 < time.monotonic() - begin < 10
    log = said_since(server, before, "failed again")
    assert "failed: Client read error (Timeout?)" in log
    assert "failed again: Client read error" in log


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("broken", [b"zz\r\nxx", b"-1\r\n", b"5\r\nabcdefg\r\n", b"fffffffffffffffff\r\n"])
def test_chunks_that_break_in_the_middle(server: Server, how: str, broken: bytes) -> None:
    """The rest can't be told from the next request: the error is the handler's, and the connection ends."""
    whole = b"".join(b"%x\r\n%b\r\n" % (10_000, b"y" * 10_000) for _ in range(7))
    before = len(server.log())
    with sent(server, how, "Transfer-Encoding: chunked", whole) as sock:
        said_since(server, before, "begun")
        sock.sendall(broken + b"GET /page.txt HTTP/1.1\r\n\r\n")
        answer = receive_all(sock)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer
    said_since(server, before, "failed: Client read error (")


def test_a_broken_body_nobody_reads(server: Server) -> None:
    before = len(server.log())
    chunks = b"2000\r\n" + b"y" * 0x2000 + b"\r\n"
    with sent(server, "discard", "Transfer-Encoding: chunked", chunks * 9) as sock:
        said_since(server, before, "begun")
        sock.sendall(b"zz\r\n")
        answer = receive_all(sock)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer
    said_since(server, before, "discarded with 400")


def test_an_uncaught_read_error_is_500(server: Server) -> None:
    with sent(server, "all&raise", f"Content-Length: {LONG}", b"x" * 70_000) as sock:
        sock.shutdown(socket.SHUT_WR)
        answer = receive_all(sock)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Connection: close" in answer


def test_nothing_follows_the_end(server: Server) -> None:
    """What exceeds Content-Length, and what a log handler writes, would be taken for the next response."""
    with server.dial() as sock:
        ask = "GET /late/x HTTP/1.1\r\nHost: h\r\n"
        sock.sendall(f"{ask}\r\n{ask}Connection: close\r\n\r\n".encode())
        answer = receive_all(sock)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"\r\n\r\nfour") == 2
    assert b"and more" not in answer
    assert b"never" not in answer
    assert "wrote all" in server.wait_for_log("wrote later")
