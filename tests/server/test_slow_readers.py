"""Clients that read their answers slowly: what they have not taken yet waits beside the handlers."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.certificates import Authority
from support.processes import descendants, open_files
from support.server import EACH_IN_BOTH, Server, receive_until
from support.tls import HTTPS, Client, at_port
from support.waiting import PATIENCE, wait_for

CONF = """
KeepAliveTimeout 60
PythonInterpreter app
PythonPath "['${WWW}'] + sys.path"
CustomLog logs/access.log "%>s %B %U"
ScriptAlias /cgi "${WWW}/large.cgi"
ResponseSpool "${ROOT}"
<Location /app>
    SetHandler mod_python
    PythonHandler app
    PythonCleanupHandler app::over
</Location>
<Directory "${WWW}/published">
    SetHandler mod_python
    PythonHandler mod_python.publisher
</Directory>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
</Location>
<Files *.psp>
    SetHandler mod_python
    PythonHandler mod_python.psp
</Files>
<Files *.shtml>
    Options +Includes
    SetOutputFilter INCLUDES
</Files>
<Location /moves>
    SetHandler mod_python
    PythonHandler app
    PythonLogHandler app::logged
</Location>
<Location /there>
    SetHandler mod_python
    PythonInterpreter other
    PythonHandler app
</Location>
<VirtualHost *>
    ServerName usual.example
</VirtualHost>
<VirtualHost *>
    ServerName small.example
    ResponseBuffer 64K
    ResponseSpool "${ROOT}" 300K
</VirtualHost>
<VirtualHost *>
    ServerName none.example
    ResponseBuffer 0
    ResponseSpool "${ROOT}" 0
</VirtualHost>
<VirtualHost *>
    ServerName gone.example
    ResponseBuffer 10K
    ResponseSpool "${WWW}/gone"
</VirtualHost>
<VirtualHost *>
    ServerName impatient.example
    Timeout 1
</VirtualHost>
"""

#: So many lines of 80 bytes: more than the system keeps for a client that reads nothing.
LINES = 80_000
APP = f"""
import os, time
from mod_python import apache

LINES = [b"%079d\\n" % number for number in range({LINES})]
PIECES = [b"".join(LINES[at:at + 500]) for at in range(0, len(LINES), 500)]


def handler(req):
    how, _, rest = (req.args or "pieces").partition("=")
    req.content_type = "text/plain"
    globals()["do_" + how](req, rest)
    return apache.OK


def do_small(req, rest):
    req.write("small")


def do_pieces(req, rest):
    for piece in PIECES:
        req.write(piece)


def do_lines(req, rest):
    for line in LINES:
        req.write(line, 0)


def do_one(req, rest):
    req.write(b"".join(LINES), 0)


def do_file(req, rest):
    req.write("beginning\\n")
    req.sendfile(os.path.join(os.path.dirname(__file__), "large.txt"))
    req.flush()
    req.write("end\\n")


def do_files(req, rest):
    for number in range(6):
        req.sendfile(os.path.join(os.path.dirname(__file__), "large.txt"), number * 100, 1_000_000)
        req.write(b"%d\\n" % number)


def do_goes_on(req, rest):
    do_pieces(req, rest)
    while not os.path.exists(rest):
        time.sleep(0.01)
    req.write("the end")


def do_events(req, rest):
    for number in range(100_000):
        try:
            req.write("event %d\\n" % number)
        except IOError as error:
            req.log_error("left %s: %s" % (rest, error))
            raise
        time.sleep(0.01)


def do_fails(req, rest):
    do_pieces(req, rest)
    raise ValueError("on purpose")


def do_large_events(req, rest):
    try:
        for number in range(1000):
            do_pieces(req, rest)
    except IOError as error:
        req.log_error("left %s: %s" % (rest, error))
        raise


def do_redirect(req, rest):
    do_pieces(req, rest)
    req.internal_redirect("/there?small")


def over(req):
    req.log_error("over %s" % req.args)


def logged(req):
    req.log_error("logged %d" % req.bytes_sent)


def page(req):
    return b"".join(LINES).decode()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter(PIECES)
"""
WHOLE = b"".join(b"%079d\n" % number for number in range(LINES))
FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "published/index.py": "import app\n\n\ndef page(req):\n    return app.page(req)\n",
    "page.psp": "<%\nimport app\nfor piece in app.PIECES:\n    req.write(piece)\n%>",
    "page.shtml": '<!--#include virtual="/large.txt" -->',
    "large.txt": WHOLE,
    "large.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec cat \"${0%/*}/large.txt\"\n",
    "gone/x": "",
}
#: Each way to write much, and what comes of it where that is not `WHOLE`.
WAYS = {
    "/app?pieces": None,
    "/app?lines": None,
    "/app?one": None,
    "/app?file": b"beginning\n" + WHOLE + b"end\n",
    "/app?files": b"".join(WHOLE[at * 100 : at * 100 + 1_000_000] + b"%d\n" % at for at in range(6)),
    "/published/index.py/page": None,
    "/wsgi": None,
    "/page.psp": None,
    "/page.shtml": None,
    "/cgi": None,
    "/large.txt": None,
}


class Served(NamedTuple):
    """A server, and a client of its port for TLS."""

    server: Server
    client: Client


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def served(request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority) -> Iterator[Served]:
    """One server for each kind and MPM, with an interpreter of the application that serves one or two at a time."""
    kind, mpm = request.param
    with at_port(authority) as (client, variables):
        server = start_module_server(
            CONF + HTTPS, FILES, backend=kind, mpm=mpm, workers=1, threads=2, mode="foreground", variables=variables
        )
        yield Served(server, client)


@pytest.fixture
def server(served: Served) -> Server:
    """The server alone."""
    return served.server


@contextmanager
def slow(server: Server, path: str, count: int = 1, host: str = "usual.example") -> Iterator[list[socket.socket]]:
    """So many clients that have asked for the same, and read nothing yet."""
    with ExitStack() as stack:
        socks = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(PATIENCE)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            socks.append(sock)
        yield socks


def others_are_served(server: Server) -> None:
    """Somebody else gets answers of the same interpreter."""
    for _ in range(3):
        assert server.get("/app?small").text == "small"


def body_of(answer: bytes) -> bytes:
    """The body of an answer, out of its chunks."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    if b"chunked" not in head:
        return body
    found: list[bytes] = []
    while True:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return b"".join(found)
        found.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]


def read(sock: socket.socket) -> bytes:
    """All that comes."""
    found = bytearray()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    while data := sock.recv(1 << 18):
        found += data
    return bytes(found)


@pytest.mark.parametrize("path", WAYS)
def test_many_occupy_nobody(server: Server, path: str) -> None:
    """Others are served while they do not read; then they get all of it, and the log has its size."""
    expected = WAYS[path] or WHOLE
    line = f"200 {len(expected)} {path.partition('?')[0]}\n"
    before = server.log("access.log").count(line)
    with slow(server, path, 3) as socks:
        wait_for(lambda: server.log("access.log").count(line) == before + 3, "the handlers to be over")
        others_are_served(server)
        assert body_of(read(socks[-1])) == expected


def test_over_tls(served: Served) -> None:
    """There, too."""
    for path in ("/app?file", "/app?one"):
        with served.client.connect("a.example") as connection:
            connection.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n".encode())
            wait_for(lambda path=path: f"over {path[5:]}" in served.server.log(), "the handler to be over")  # type: ignore[misc]
            found = bytearray()
            while data := connection.sock.recv(65536):
                found += data
            assert body_of(bytes(found)) == (WAYS[path] or WHOLE)


@pytest.mark.parametrize("host", ["small", "none", "gone"])
@pytest.mark.parametrize("path", ["/app?pieces", "/app?lines", "/app?one"])
def test_where_there_is_little_room(server: Server, host: str, path: str) -> None:
    """The handler waits for its client; what comes is whole all the same."""
    with slow(server, path, host=f"{host}.example") as (sock,):
        assert body_of(read(sock)) == WHOLE


def test_no_room_on_the_disk_is_told(server: Server) -> None:
    (server.www / "gone").rename(server.www / "went")
    try:
        with slow(server, "/app?pieces", host="gone.example") as (sock,):
            server.wait_for_log(
                f"a response can't be kept in {server.www}/gone, so that its handler waits for the client"
            )
            assert body_of(read(sock)) == WHOLE
    finally:
        (server.www / "went").rename(server.www / "gone")


def test_what_was_written_comes_while_the_handler_goes_on(server: Server, tmp_path: Path) -> None:
    """Nobody has to write for that."""
    with slow(server, f"/app?goes_on={tmp_path}/end") as (sock,):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receive_until(sock, WHOLE[-80:])
        (tmp_path / "end").touch()
        assert b"the end" in read(sock)


@pytest.mark.parametrize("way", ["events", "large_events"])
def test_handlers_learn_that_their_clients_left(server: Server, way: str) -> None:
    """Whether these read or not; and what is written reaches those at once that read."""
    for reads in (True, False):
        mark = f"{way}-{reads}-{time.monotonic_ns()}"
        with slow(server, f"/app?{way}={mark}") as (sock,):
            if reads:
                receive_until(sock, b"event 3\n" if way == "events" else WHOLE[80:160])
        server.wait_for_log(f"left {mark}: ")


def test_who_reads_nothing_has_to_go(server: Server) -> None:
    """After Timeout, in the handler and after it."""
    mark = f"silent-{time.monotonic_ns()}"
    with slow(server, f"/app?large_events={mark}", host="impatient.example") as (sock,):
        server.wait_for_log(f"left {mark}: ")
    with slow(server, "/app?pieces", host="impatient.example") as (sock,):
        server.wait_for_log("over pieces")
        poll_closed(sock)


def poll_closed(sock: socket.socket) -> None:
    """Wait until the server has closed a connection of which nothing is read."""
    local = "%02X%02X" % divmod(sock.getsockname()[1], 256)

    def is_open() -> bool:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        remote = [line.split() for line in lines]
        return any(words[2].endswith(f":{local}") and words[3] == "01" for words in remote)

    wait_for(lambda: not is_open(), "the server to close the connection")


def test_what_was_written_before_a_handler_failed_comes(server: Server) -> None:
    """And then the page that tells of it."""
    with slow(server, "/app?fails") as (sock,):
        server.wait_for_log("ValueError: on purpose")
        body = body_of(read(sock))
    assert body.startswith(WHOLE)
    assert b"Internal Server Error" in body


def test_it_goes_on_in_another_interpreter(server: Server) -> None:
    """The beginning of the answer comes before the rest."""
    with slow(server, "/moves?redirect") as (sock,):
        assert body_of(read(sock)) == WHOLE + b"small"


def test_no_file_is_left(server: Server) -> None:
    """Those of responses have no names, and are closed."""
    for leaves in (False, True):
        with slow(server, "/app?pieces", 3) as socks:
            wait_for(lambda: len(kept(server)) >= 3, "the files")
            for sock in socks if not leaves else ():
                assert body_of(read(sock)) == WHOLE
        wait_for(lambda: not kept(server), "the files to be closed")
    assert not list(server.root.glob("mpserver-*"))


def kept(server: Server) -> list[str]:
    """The files without names that the server has open."""
    assert server.master is not None
    found = {target for process in descendants(server.master) for target in open_files(process.pid)}
    return sorted(target for target in found if target.startswith(f"{server.root}/") and "(deleted)" in target)


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("how", [signal.SIGWINCH, signal.SIGUSR1], ids=["stop", "restart"])
def test_a_graceful_end_waits_for_readers(start_server: StartServer, mpm: str, how: signal.Signals) -> None:
    server = start_server(CONF, FILES, mpm=mpm, mode="foreground")
    with slow(server, "/app?pieces") as (sock,):
        server.wait_for_log("over pieces")
        old = server.workers()
        server.send(how)
        if how == signal.SIGWINCH:
            wait_for(lambda: not server.listens(), "the server to listen no more")
        else:
            wait_for(lambda: [worker for worker in server.workers() if worker not in old], "the new generation")
            others_are_served(server)
        assert body_of(read(sock)) == WHOLE
    server.stop(signal.SIGWINCH)


#: Of the whole server; and for the interpreters of several workers.
BOUNDED = """
SlowClientMemory 100K
SlowClientDisk 6M
RequestBodyBuffer 64K
RequestBodySpool "${ROOT}"
"""


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_all_slow_clients_together_have_a_limit(start_server: StartServer, mpm: str) -> None:
    """Bodies are refused beyond it, and handlers wait for clients; once these have left there is room again."""
    server = start_server(BOUNDED + CONF, FILES, mpm=mpm, mode="foreground", workers=3)
    post = b"POST /app?small HTTP/1.1\r\nHost: usual.example\r\nContent-Length: 3000000\r\n\r\n"

    def begin(stack: ExitStack) -> socket.socket:
        sock = stack.enter_context(server.dial())
        sock.sendall(post + b"x" * 2_500_000)
        return sock

    with ExitStack() as stack:
        first = [begin(stack), begin(stack)]
        wait_for(lambda: len(kept(server)) == 2, "the files of two bodies")

        def is_refused() -> bytes:
            with server.dial() as sock:
                try:
                    sock.sendall(post + b"x" * 2_500_000)
                except OSError:
                    pass  # (it is answered, and the rest not wanted)
                sock.settimeout(1.0)
                try:
                    return sock.recv(10_000)
                except (TimeoutError, ConnectionError):  # (one that was left before it came to read has no answer)
                    return b""

        answer = wait_for(is_refused, "a refusal")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert "SlowClientDisk" in server.log()
        with slow(server, "/app?pieces") as (sock,):
            assert body_of(read(sock)) == WHOLE
        # (what was kept of the refused body, and of the answer, goes after their clients had theirs)
        wait_for(lambda: len(kept(server)) == 2, "nothing to be kept but the two bodies")
        for sock in first:
            sock.sendall(b"x" * 500_000)
            assert receive_until(sock, b"small").startswith(b"HTTP/1.1 200 ")

        def is_served() -> bool:
            with server.dial() as sock:
                try:
                    sock.sendall(post + b"x" * 3_000_000)
                    return sock.recv(10_000).startswith(b"HTTP/1.1 200 ")
                except ConnectionError:
                    return False  # (it is refused still: the others' files go after their answers)

        wait_for(is_served, "room for another one")
