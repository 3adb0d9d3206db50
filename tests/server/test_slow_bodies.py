"""Bodies that come slowly: they are taken in before their handlers run, and occupy nobody meanwhile."""

from __future__ import annotations

import hashlib
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.certificates import Authority
from support.checking import refused
from support.processes import descendants, open_files, threads
from support.server import BACKENDS, EACH_IN_BOTH, Server, receive_all, receive_until
from support.tls import HTTPS, Client, at_port
from support.traffic import RESET
from support.waiting import wait_for

CONF = """
KeepAliveTimeout 60
CustomLog logs/access.log "%>s %U"
PythonPath "['${WWW}'] + sys.path"
ScriptAlias /cgi "${WWW}/digest.cgi"
RequestBodySpool "${ROOT}"
<Location /app>
    SetHandler mod_python
    PythonHandler app
    PythonCleanupHandler app::over
</Location>
<Location /early>
    SetHandler mod_python
    PythonHandler app
    PythonHeaderParserHandler app::early
</Location>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
</Location>
<Location /limited>
    SetHandler mod_python
    PythonHandler app
    LimitRequestBody 200000
</Location>
<Location /quick>
    SetHandler mod_python
    PythonHandler app
    PythonRequestTimeout 1
</Location>
<Location /small>
    SetHandler mod_python
    PythonHandler app
    RequestBodyBuffer 64K
    RequestBodySpool "${ROOT}" 150K
</Location>
<Location /streaming>
    SetHandler mod_python
    PythonHandler app
    RequestBodyStreaming On
</Location>
<Location /nowhere>
    SetHandler mod_python
    PythonHandler app
    RequestBodyBuffer 0
    RequestBodySpool "${WWW}/gone"
</Location>
"""

APP = """
import hashlib
import os
import time
from mod_python import apache


def early(req):
    return apache.HTTP_FORBIDDEN if req.args == "refuse" else apache.OK


def handler(req):
    req.log_error("runs " + (req.args or ""))
    how = req.args or "all"
    if how == "lines":
        data = b"".join(req.readlines())
    elif how == "pieces":
        pieces = []
        while piece := req.read(70_001):
            pieces.append(piece)
        data = b"".join(pieces)
    elif how == "some":
        data = req.read(100)
    else:
        data = req.read()
    req.content_type = "text/plain"
    req.write("%d %s" % (len(data), hashlib.sha256(data).hexdigest()), 0)
    return apache.OK


def over(req):
    req.log_error("over " + (req.args or ""))
    how, _, path = (req.args or "").partition("=")
    while how == "held" and not os.path.exists(path):
        time.sleep(0.01)
    return apache.OK


def application(environ, start_response):
    data = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %s" % (len(data), hashlib.sha256(data).hexdigest().encode())]
"""
CGI = """#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
exec sha256sum
"""
FILES: dict[str, str | bytes] = {"app.py": APP, "digest.cgi": CGI, "page.txt": "the page", "gone/x": ""}
#: In memory, and on the disk.
MIDDLE, LARGE = 150_000, 2_500_000


class Served(NamedTuple):
    """A server, and a client of its port for TLS."""

    server: Server
    client: Client


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def served(request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority) -> Iterator[Served]:
    """One server for each kind and MPM, with some workers."""
    kind, mpm = request.param
    with at_port(authority) as (client, variables):
        server = start_module_server(
            CONF + HTTPS, FILES, backend=kind, mpm=mpm, workers=4 if mpm == "prefork" else 1, mode="foreground",
            variables=variables,
        )  # fmt: skip
        yield Served(server, client)


@pytest.fixture
def server(served: Served) -> Server:
    """The server alone."""
    return served.server


def body_of(size: int) -> bytes:
    """Bytes with lines of several lengths."""
    return b"".join(b"%d\n" % number * (number % 7) for number in range(size // 20))[:size].ljust(size, b"x")


def told(body: bytes) -> str:
    """What the handler says of a body."""
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def framed(body: bytes, chunked: bool) -> tuple[str, bytes]:
    """The header fields of a body, and its bytes on the wire."""
    if not chunked:
        return f"Content-Length: {len(body)}", body
    pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return "Transfer-Encoding: chunked", chunks + b"0\r\nX-Trailer: t\r\n\r\n"


def head(path: str, *fields: str, method: str = "POST") -> bytes:
    """A request's head."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: h", *fields, "", ""]).encode()


def answer(sock: socket.socket) -> tuple[int, bytes]:
    """The status and the body of the next answer, whose length is told; nothing behind it is read."""
    start = b""
    while not start.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, start
        start += byte
    fields = dict(line.lower().split(b": ", 1) for line in start.split(b"\r\n")[1:-2])
    return int(start.split()[1]), sock.recv(int(fields[b"content-length"]), socket.MSG_WAITALL)


def others_are_served(server: Server, rounds: int = 3) -> None:
    """Somebody else gets answers, by every way."""
    for number in range(rounds):
        assert server.get("/page.txt").text == "the page"
        body = b"y" * (10 + number)
        assert server.request("POST", "/app?others", body=body).text == told(body)


@contextmanager
def slow(server: Server, count: int, start: bytes) -> Iterator[list[socket.socket]]:
    """So many clients that have sent the same, and go on later."""
    with ExitStack() as stack:
        socks = [stack.enter_context(server.dial()) for _ in range(count)]
        for sock in socks:
            sock.sendall(start)
        yield socks


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [MIDDLE, LARGE])
def test_what_comes_slowly_comes_whole(server: Server, size: int, chunked: bool) -> None:
    """To every reader, in memory and from the disk; others are served meanwhile, and the next request follows."""
    body = body_of(size)
    field, wire = framed(body, chunked)
    for path in ("/app", "/app?lines", "/app?pieces", "/early", "/wsgi", "/cgi", "/small", "/streaming?pieces"):
        if chunked and path in ("/wsgi", "/cgi"):
            continue  # (both are told a length)
        with server.dial() as sock:
            sock.sendall(head(path, field) + wire[:70_000])
            if path == "/app":
                others_are_served(server, 1)
            sock.sendall(wire[70_000:] + head("/page.txt", method="GET"))
            if path == "/cgi":  # (in one piece, or in some)
                receive_until(sock, hashlib.sha256(body).hexdigest().encode())
                continue
            assert answer(sock) == (200, told(body).encode()), path
            assert answer(sock) == (200, b"the page"), path


def test_over_tls(served: Served) -> None:
    """There, too."""
    body = body_of(LARGE)
    with served.client.connect("a.example") as connection:
        sock = connection.sock
        for field, wire in (framed(body, False), framed(body, True)):
            sock.sendall(head("/app?pieces", field) + wire[:70_000])
            others_are_served(served.server, 1)
            sock.sendall(wire[70_000:])
            data = receive_until(sock, told(body).encode())
            assert data.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 100000",),
        ("Transfer-Encoding: chunked",),
        ("Content-Length: 100000", "Expect: 100-continue"),
        ("Content-Length: 10",),
    ],
    ids=["length", "chunked", "expect", "short"],
)
def test_many_occupy_nobody(server: Server, fields: tuple[str, ...]) -> None:
    for path in ("/app", "/cgi"):
        with slow(server, 12, head(path, *fields) + b"5"):
            others_are_served(server)


def test_those_that_stream_leave_room(server: Server) -> None:
    """Asked for, and because they are too long to be kept: by their lengths, or as they come."""
    for path, field, start in (
        ("/streaming", "Content-Length: 100000", b"x"),
        ("/small", "Content-Length: 200000", b"x"),
        ("/small", "Transfer-Encoding: chunked", b"30000\r\n" + b"x" * 170_000),
    ):
        with slow(server, 12, head(path, field) + start) as socks:
            others_are_served(server)
            for sock in socks[1:]:
                sock.close()
            others_are_served(server)


def test_each_that_streams_has_its_turn(server: Server) -> None:
    body = body_of(MIDDLE)
    with slow(server, 6, head("/streaming?pieces", f"Content-Length: {MIDDLE}") + body[:70_000]) as socks:
        for sock in reversed(socks):
            sock.sendall(body[70_000:])
        for sock in socks:
            assert answer(sock) == (200, told(body).encode())


def test_who_may_not_come_in_hears_that_at_once(server: Server) -> None:
    """The phases before the content don't wait for the body; nor do limits."""
    for path, size, status in (
        ("/early?refuse", 1 << 29, b"403"),
        ("/limited", 200_001, b"413"),
        ("/small", 1 << 40, b"413"),
    ):
        for expect in ((), ("Expect: 100-continue",)):
            with server.dial() as sock:
                sock.sendall(head(path, f"Content-Length: {size}", *expect) + (b"" if expect else b"x"))
                data = receive_until(sock, b"\r\n\r\n")
            assert data.startswith(b"HTTP/1.1 " + status), path
            assert b"\r\nConnection: close" in data, path


def test_whoever_asks_is_invited(server: Server) -> None:
    body = body_of(MIDDLE)
    with server.dial() as sock:
        sock.sendall(head("/app", f"Content-Length: {MIDDLE}", "Expect: 100-continue"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        others_are_served(server, 1)
        sock.sendall(body)
        assert answer(sock) == (200, told(body).encode())


@pytest.mark.parametrize(
    ("path", "rest", "status"),
    [
        ("/app?never", b"zz\r\n", b"400"),
        ("/limited?never", b"10000\r\n" + b"x" * 65536 + b"\r\n20000\r\n", b"413"),
        ("/app?never", None, b"400"),
    ],
    ids=["malformed", "too-long", "cut"],
)
def test_bodies_that_fail_meet_no_handler(server: Server, path: str, rest: bytes | None, status: bytes) -> None:
    with server.dial() as sock:
        sock.sendall(head(path, "Transfer-Encoding: chunked") + b"11170\r\n" + b"x" * 70_000 + b"\r\n")
        others_are_served(server, 1)
        if rest is None:
            sock.shutdown(socket.SHUT_WR)
        else:
            sock.sendall(rest)
        data = receive_all(sock)
    assert data.startswith(b"HTTP/1.1 " + status), data[:200]
    assert data.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close" in data
    wait_for(lambda: f"{status.decode()} {path.partition('?')[0]}\n" in server.log("access.log"), "its line")
    assert "runs never" not in server.log()


def test_a_client_that_leaves(server: Server) -> None:
    """Its request ends with its cleanups, and the handler is not troubled."""
    with server.dial() as sock:
        sock.sendall(head("/app?leaves", f"Content-Length: {LARGE}") + b"x" * 70_000)
        others_are_served(server, 1)
    server.wait_for_log("over leaves")
    assert "runs leaves" not in server.log()


@pytest.mark.parametrize("kind", BACKENDS)
def test_many_that_leave_take_few_threads(start_server: StartServer, tmp_path: Path, kind: str) -> None:
    """Their cleanups, which take long here, and others are served meanwhile."""
    server = start_server(CONF, FILES, backend=kind, mpm="worker", threads=4, mode="foreground")
    assert server.get("/app?all").status == 200
    end, count = tmp_path / "end", 30
    with slow(server, count, head(f"/app?held={end}", f"Content-Length: {LARGE}") + b"x" * 70_000) as socks:
        others_are_served(server, 1)
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    server.wait_for_log(f"over held={end}")
    others_are_served(server, 1)
    assert server.master is not None
    named = [name for process in (server.master, *descendants(server.master)) for name in threads(process.pid, "comm")]
    assert len(named) < 30, named
    end.touch()
    wait_for(lambda: server.log().count(f"over held={end}") == count, "all cleanups")


def test_the_wait_is_not_the_handlers_time(server: Server) -> None:
    """PythonRequestTimeout counts without it."""
    body = body_of(MIDDLE)
    with server.dial() as sock, server.dial() as other:
        sock.sendall(head("/quick", f"Content-Length: {MIDDLE}") + body[:70_000])
        other.settimeout(1.3)
        with pytest.raises(TimeoutError):
            other.recv(1)
        sock.sendall(body[70_000:])
        assert answer(sock) == (200, told(body).encode())


def test_no_file_is_left(server: Server) -> None:
    """Those of bodies have no names, and are closed."""
    body = body_of(LARGE)
    for path in ("/app", "/app?some", "/cgi"):
        server.request("POST", path, body=body)

    def kept() -> list[str]:
        master = server.workers()[0].parent()
        assert master is not None
        found = [target for process in descendants(master) for target in open_files(process.pid)]
        return [target for target in found if target.startswith(f"{server.root}/") and "(deleted)" in target]

    wait_for(lambda: not kept(), "the files to be closed")
    assert not list(server.root.glob("mpserver-body-*"))


def test_a_restart_waits_for_what_has_begun(server: Server) -> None:
    """A graceful one: the request is served by the old generation, the next one by the new."""
    body = body_of(LARGE)
    with server.dial() as sock:
        sock.sendall(head("/app", f"Content-Length: {LARGE}") + body[:70_000])
        others_are_served(server, 1)
        old = server.workers()
        server.send(signal.SIGUSR1)
        wait_for(lambda: [worker for worker in server.workers() if worker not in old], "the new generation")
        others_are_served(server, 1)
        sock.sendall(body[70_000:])
        assert answer(sock) == (200, told(body).encode())


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_a_graceful_stop_waits_for_what_has_begun(start_server: StartServer, mpm: str) -> None:
    """And for no further request of that client: KeepAliveTimeout is no reason to stay."""
    server = start_server(CONF, FILES, mpm=mpm)
    body = body_of(LARGE)
    with server.dial() as sock:
        sock.sendall(head("/app", f"Content-Length: {LARGE}") + body[:70_000])
        others_are_served(server, 1)
        server.send(signal.SIGWINCH)
        wait_for(lambda: not server.listens(), "the server to listen no more")
        sock.sendall(body[70_000:])
        answered = receive_all(sock)
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answered
    assert answered.endswith(told(body).encode())
    server.stop(signal.SIGWINCH)


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_it_moves_with_its_application(start_server: StartServer, mpm: str) -> None:
    """An application that turns out to need a process is met with the body, though that was taken in before."""
    if "own" not in BACKENDS:
        pytest.skip("there are no subinterpreters with a GIL of their own")
    app = "import readline\n" + APP
    server = start_server(CONF, {**FILES, "app.py": app}, backend="auto", mpm=mpm)
    body = body_of(LARGE)
    for chunked in (False, True):
        field, wire = framed(body, chunked)
        with server.dial() as sock:
            sock.sendall(head("/app?pieces", field) + wire[:70_000])
            assert server.get("/page.txt").status == 200
            sock.sendall(wire[70_000:])
            assert answer(sock) == (200, told(body).encode())


def test_a_directory_that_is_gone(server: Server) -> None:
    (server.www / "gone" / "x").unlink(missing_ok=True)
    (server.www / "gone").rmdir()
    try:
        with server.dial() as sock:
            sock.sendall(head("/nowhere", f"Content-Length: {MIDDLE}") + body_of(MIDDLE))
            data = receive_until(sock, b"\r\n\r\n")
        assert data.startswith(b"HTTP/1.1 503 ")
        assert "its body can't be kept in" in server.log()
        others_are_served(server, 1)
    finally:
        server.write("gone/x", "")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("RequestBodyBuffer much", 'RequestBodyBuffer "much" must be a number of bytes, or one of K, M or G behind it'),
        ("RequestBodySpool /tmp 1T", 'RequestBodySpool "1T" must be a number of bytes'),
        ("RequestBodySpool /no/such/place", "there is no directory /no/such/place: make it, or name another one"),
        ("RequestBodyStreaming maybe", "RequestBodyStreaming must be On or Off"),
        ("ResponseBuffer few", 'ResponseBuffer "few" must be a number of bytes, or one of K, M or G behind it'),
        ("ResponseSpool /no/such", "ResponseSpool: there is no directory /no/such: make it, or name another one"),
        ("<Location />\nResponseBuffer 1M\n</Location>", "ResponseBuffer not allowed"),
    ],
)
def test_faults(tmp_path: Path, line: str, fault: str) -> None:
    assert fault in refused(tmp_path, line)
