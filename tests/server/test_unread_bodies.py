"""Answers that come before their body was read: they arrive, whatever the client does first.

What is left of a short body is thrown away, and the connection kept. Otherwise the head says that the connection
ends (RFC 9112 9.6), and the server reads on for a while, beside its other work. For every kind of interpreter and
both MPMs.
"""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.serving.after_request import LINGER_SILENCE
from mpserver.serving.states import LAST_WAIT
from support.nginx import Nginx
from support.processes import alive
from support.server import BACKENDS, EACH_IN_BOTH, Server, receive_all
from support.waiting import PATIENCE, wait_for

CONF = """
RequestBodyStreaming On
AddHandler cgi-script .cgi
<Directory "${WWW}">
    Options +ExecCGI
</Directory>
<Location /app>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler unread
</Location>
<Location /denied>
    Require all denied
</Location>
<Location /document>
    Require all denied
    ErrorDocument 403 /page.txt
</Location>
<Location /access>
    PythonPath "sys.path+['${WWW}']"
    PythonAccessHandler unread::refuse
</Location>
<Location /filtered>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler unread
    PythonOutputFilter unread::same SAME
    SetOutputFilter SAME
</Location>
<Directory "${WWW}/psp">
    SetHandler mod_python
    PythonHandler mod_python.psp
</Directory>
<Location /wsgi>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application unread
</Location>
"""
UNREAD = """
import os
import time
from mod_python import apache


def handler(req):
    how = req.args or ""
    if how == "403":
        return apache.HTTP_FORBIDDEN
    if how == "late":
        time.sleep(2.5)
        return apache.HTTP_FORBIDDEN
    if how == "part":
        req.read(70000)
        return apache.HTTP_FORBIDDEN
    if how == "flush":
        req.write("one;")
        req.write("two;")
    if how == "first":
        req.write("one;")
        req.write("%d" % len(req.read()))
        return apache.OK
    if how == "crash":
        os.kill(os.getpid(), 9)
    if how.startswith("until="):
        req.log_error("waits for " + how)
        name = os.path.join(req.document_root(), how[6:])
        while not os.path.exists(name):
            time.sleep(0.01)
    req.write("done", 0)
    return apache.OK


def refuse(req):
    return apache.HTTP_FORBIDDEN


def same(filter):
    data = filter.read()
    while data:
        filter.write(data)
        data = filter.read()
    if data is None:
        filter.close()


def application(environ, start_response):
    start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"no"]
"""
FILES: dict[str, str | bytes] = {
    "unread.py": UNREAD,
    "psp/p.psp": "done",
    "no.cgi": "#!/bin/sh\nprintf 'Status: 403 No\\r\\nContent-Type: text/plain\\r\\n\\r\\nno'\n",
    "page.txt": "the page",
}
#: Who answers without a look at the body, and with what.
ANSWERS = {
    "/app?403": 403, "/app?flush": 200, "/app?part": 403, "/app": 200, "/denied/x": 403, "/document/x": 403,
    "/access/x": 403, "/filtered": 200, "/filtered?403": 403, "/nothing": 404, "/page.txt": 200, "/psp/p.psp": 200,
    "/wsgi": 403, "/no.cgi": 403,
}  # fmt: skip
#: What is left unread of a body that costs the connection, or does not.
LARGE = 12_000_000
SMALL = 300_000
#: How much sooner or later than promised a loaded machine may do something, in seconds.
SLACK = 8.0


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind and MPM."""
    kind, mpm = request.param
    return start_module_server("KeepAliveTimeout 60\n" + CONF, FILES, backend=kind, mpm=mpm)


def pieces(size: int) -> Iterator[bytes]:
    """A body that http.client sends in chunks."""
    for start in range(0, size, 1 << 20):
        yield b"x" * min(1 << 20, size - start)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_the_answer_arrives_and_tells_the_end(server: Server, chunked: bool) -> None:
    """http.client sends all of its body before it looks for an answer."""
    for path, status in ANSWERS.items():
        if chunked and path in ("/no.cgi", "/wsgi"):
            continue  # (both are told a length, for which the body is taken in)
        with server.connection() as connection:
            connection.request("POST", path, pieces(LARGE) if chunked else b"x" * LARGE)
            response = connection.getresponse()
            response.read()
            assert response.status == status, path
            assert response.getheader("Connection") == "close", path
            assert connection.sock is None, path  # (as it was announced)


def test_a_short_body_is_thrown_away(server: Server) -> None:
    """And the connection kept, which the head does not deny."""
    with server.connection() as connection:
        sock = None
        for path, status in ANSWERS.items():
            connection.request("POST", path, b"x" * SMALL)
            assert sock in (None, connection.sock), path
            sock = connection.sock
            response = connection.getresponse()
            response.read()
            assert (response.status, response.getheader("Connection")) == (status, None), path


def begin(sock: socket.socket, path: str, framing: str, body: bytes = b"") -> bytes:
    """Send a head and a part of its body. :returns: the head of the answer."""
    sock.sendall(f"POST {path} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode() + body)
    return read_head(sock)


def read_head(sock: socket.socket) -> bytes:
    """The head of a response; its body, told by its Content-Length, is read with it and nothing behind that."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = sock.recv(1)
        assert part, head
        head += part
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    missing = int(fields[b"Content-Length"])
    while missing > 0:
        part = sock.recv(missing)
        assert part, head
        missing -= len(part)
    return head


def test_a_body_that_comes_slowly_holds_nobody_up(server: Server) -> None:
    """Thrown away in the loop: others are served meanwhile, and then the next request of its own client."""
    with server.dial() as sock:
        head = begin(sock, "/app?403", f"Content-Length: {SMALL}", b"x" * 100_000)
        assert head.startswith(b"HTTP/1.1 403 ")
        assert b"Connection" not in head
        for path in ("/app", "/page.txt"):
            assert server.get(path).status == 200
        sock.sendall(b"x" * 100_000)
        assert server.get("/app").status == 200
        following = b"GET /page.txt HTTP/1.1\r\nHost: h\r\n\r\n"
        sock.sendall(b"x" * 100_000 + following[:10])
        assert server.get("/app").status == 200
        sock.sendall(following[10:])
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        sock.sendall(following * 2)
        for _ in range(2):
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_goes_on_sending_holds_nobody_up(server: Server) -> None:
    with server.dial() as sock:
        head = begin(sock, "/app?403", f"Content-Length: {LARGE}", b"x" * 100_000)
        assert b"\r\nConnection: close" in head
        for _ in range(5):
            sock.sendall(b"x" * 500_000)
            for path in ("/app", "/page.txt"):
                assert server.get(path).status == 200
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b""


def is_held(server: Server, sock: socket.socket) -> bool:
    """Whether a process of the server still has its end of a connection open (the kernel's table has its inode)."""
    ours, theirs = f":{sock.getsockname()[1]:04X}", f":{server.port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(theirs) and fields[2].endswith(ours):
            return fields[9] != "0"
    return False


def test_a_silent_client_is_left(server: Server) -> None:
    """After the time without a byte that httpd waits, too."""
    with server.dial() as sock:
        started = time.monotonic()
        head = begin(sock, "/app?403", f"Content-Length: {LARGE}", b"x" * 100_000)
        assert b"\r\nConnection: close" in head
        assert sock.recv(1) == b""  # (its half of the connection is closed at once)
        wait_for(lambda: not is_held(server, sock), "the server to close")
        assert LINGER_SILENCE - 0.5 < time.monotonic() - started < LINGER_SILENCE + SLACK


def test_the_time_for_it_begins_with_the_answer(server: Server) -> None:
    """However long the handler took."""
    with server.connection() as connection:
        connection.request("POST", "/app?late", b"x" * LARGE)
        response = connection.getresponse()
        assert (response.status, response.getheader("Connection")) == (403, "close")


EXPECT = f"Expect: 100-continue\r\nContent-Length: {SMALL}"


def test_a_body_that_was_not_asked_for(server: Server) -> None:
    """The client may send it or not: nobody could tell it from the next request (RFC 9110 10.1.1)."""
    for path, status in ANSWERS.items():
        if path in ("/app?part", "/no.cgi"):
            continue  # (they ask for it)
        for sends in (b"", b"x" * SMALL):
            with server.dial() as sock:
                sock.sendall(f"POST {path} HTTP/1.1\r\nHost: h\r\n{EXPECT}\r\n\r\n".encode())
                start = sock.recv(65536)
                sock.sendall(sends)
                sock.shutdown(socket.SHUT_WR)
                answer = start + receive_all(sock)
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), path
            assert b"\r\nConnection: close" in answer, path
            assert answer.count(b"HTTP/1.1 ") == 1, path


def test_nobody_is_asked_within_an_answer(server: Server) -> None:
    """A handler that reads after it has flushed gets what comes, as with httpd; an interim answer would be body."""
    with server.dial() as sock:
        sock.sendall(f"POST /app?first HTTP/1.1\r\nHost: h\r\n{EXPECT}\r\n\r\n".encode())
        start = sock.recv(65536)
        assert start.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close" in start
        sock.sendall(b"x" * SMALL)
        answer = start + receive_all(sock)
    assert b"100 Continue" not in answer
    assert answer.endswith(b"4\r\none;\r\n6\r\n%d\r\n0\r\n\r\n" % SMALL)


def test_what_is_asked_for_keeps_the_connection(server: Server) -> None:
    with server.dial() as sock:
        sock.sendall(f"POST /app?part HTTP/1.1\r\nHost: h\r\n{EXPECT}\r\n\r\n".encode())
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"x" * SMALL)
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 403 ")
        assert b"Connection" not in head
        sock.sendall(b"GET /page.txt HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")


def test_through_nginx(server: Server, tmp_path: Path) -> None:
    """It sends on while it reads the answer; what it can't send is a 502 for its client."""
    with Nginx(tmp_path / "nginx", [server]) as nginx:
        for size in (SMALL, 5_000_000, LARGE):
            connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=PATIENCE)
            connection.request("POST", "/app?403", b"x" * size)
            assert connection.getresponse().status == 403, size
            connection.close()


@pytest.mark.parametrize(("kind", "mpm"), EACH_IN_BOTH)
def test_it_does_not_keep_a_worker_from_its_end(start_server: StartServer, kind: str, mpm: str) -> None:
    """Clients that go on sending, a byte now and then, to one that answered long ago."""
    server = start_server("Timeout 60\n" + CONF, FILES, backend=kind, mpm=mpm, mode="foreground")
    with server.dial() as lingering, server.dial() as skipping:
        assert b"Connection: close" in begin(lingering, "/app?403", f"Content-Length: {LARGE}", b"x" * 100_000)
        assert b"Connection" not in begin(skipping, "/app?403", f"Content-Length: {SMALL}", b"x" * 100_000)
        old = server.workers()
        server.send(signal.SIGUSR1)
        started = time.monotonic()

        def ended() -> bool:
            for sock in (lingering, skipping):
                try:
                    sock.send(b"x")
                except OSError:
                    pass  # it was left
            return not any(alive(worker) for worker in old)

        wait_for(ended, "the worker to end")
        assert time.monotonic() - started < LAST_WAIT + SLACK
    assert server.get("/app").text == "done"
    assert "did not end in time" not in server.said()


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_request_that_comes_in_the_last_moment(start_server: StartServer, kind: str) -> None:
    """A connection is closed for its KeepAliveTimeout only if nothing has come: here, while others were served."""
    server = start_server("KeepAliveTimeout 1\n" + CONF, FILES, backend=kind)
    with server.connection() as idle, server.dial() as first, server.dial() as second:
        idle.request("GET", "/app")
        assert idle.getresponse().read() == b"done"
        sock, since = idle.sock, time.monotonic()
        first.sendall(b"GET /app?until=one HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_for_log("waits for until=one")
        second.sendall(b"GET /app?until=two HTTP/1.1\r\nHost: h\r\n\r\n")
        wait_for(lambda: time.monotonic() > since + 1.2, "KeepAliveTimeout to pass")
        server.write("one", "")
        server.wait_for_log("waits for until=two")
        idle.request("GET", "/app")
        server.write("two", "")
        assert idle.getresponse().read() == b"done"
        assert idle.sock is sock


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_a_crash_leaves_what_was_answered(start_server: StartServer, mpm: str) -> None:
    """A process that crashes takes no connection along whose requests with bodies are over."""
    server = start_server(CONF, FILES, backend="process", mpm=mpm, mode="foreground")
    with server.connection() as posted, server.connection() as skipped:
        for connection, size in ((posted, 10), (skipped, SMALL)):
            connection.request("POST", "/app?403", b"x" * size)
            response = connection.getresponse()
            response.read()
            assert response.getheader("Connection") is None
        kept = posted.sock, skipped.sock
        for _ in range(SMALL // 65536 + 3):  # (with each the same process reads on in what was left of the bodies)
            assert server.get("/app").status == 200
        time.sleep(1)  # (under worker nothing tells when a thread has let go of a connection that is answered)
        assert server.get("/app?crash").status == 500
        for connection in (posted, skipped):
            connection.request("GET", "/app")
            assert connection.getresponse().read() == b"done"
        assert (posted.sock, skipped.sock) == kept
