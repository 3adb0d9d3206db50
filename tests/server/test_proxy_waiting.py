"""Requests that wait for a server behind this one: they occupy nobody, and end as they have to."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from conftest import StartServer
from mpserver.ipc.waiting_requests import PLACES
from support.backend import Asked, Backend, Talk, backend
from support.processes import descendants
from support.server import Mode, Port, Server, listens, receive_all, receive_until
from support.waiting import PATIENCE, wait_for

MIB = 1 << 20
#: More than the threads of the interpreter that has them.
MANY = 80
#: So long is an answer that is longer than all that may be in memory, in MiB.
LONG = 200

CONF = """
Timeout 20
LogFormat "%m %U %>s %B %{Via-What}o" told
CustomLog ${ROOT}/logs/access.log told
ProxyPass /back/ http://127.0.0.1:${BACK}/
ProxyPass /named/ http://localhost:${BACK}/
ProxyPass /short/ http://127.0.0.1:${BACK}/short/ timeout=1
ProxyPass /one/ unix:${ROOT}/back.sock|http://localhost/ max=1 acquire=20000
<Location /guarded>
    AuthType Basic
    AuthName x
    AuthUserFile ${ROOT}/users
    Require valid-user
    ProxyPass http://127.0.0.1:${BACK}/
</Location>
<Location /packed>
    ProxyPass http://127.0.0.1:${BACK}/
    SetOutputFilter DEFLATE
</Location>
ErrorDocument 404 /page.txt
"""
#: Error documents that are served elsewhere; of a server that is down, and one that is late.
ERRORS = """
MaxKeepAliveRequests 0
ProxyPass /dead/ http://127.0.0.1:${DEAD}/ retry=0
ProxyPass /gone/ http://127.0.0.1:${DEAD}/gone/ retry=600
ProxyPass /late/ http://127.0.0.1:${BACK}/late/ timeout=1
<Location /dead/application/>
    ErrorDocument 503 /application/sorry
</Location>
<LocationMatch "^/(dead/url|gone)/">
    ErrorDocument 503 https://status.example/
</LocationMatch>
<Location /asked/>
    ProxyPass http://127.0.0.1:${BACK}/
    <If "%{QUERY_STRING} == 'guarded'">
        AuthType Basic
        AuthName x
        AuthUserFile ${ROOT}/users
        Require valid-user
    </If>
</Location>
<Location /late/>
    ErrorDocument 504 /back/hold-document
</Location>
<Location /closed/>
    ProxyPass http://127.0.0.1:${BACK}/
    Require ip 192.0.2.1
    ErrorDocument 403 /back/hold-closed
</Location>
<Location /server-status>
    SetHandler server-status
</Location>
<Directory ${WWW}/application>
    SetHandler mod_python
    PythonHandler sorry
</Directory>
"""
SORRY = """
def handler(req):
    req.content_type = "text/plain"
    req.write("sorry for %s" % req.prev.uri)
    return 0
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVia-What: back\r\n\r\nok"


class Behind:
    """What the server behind does: it holds some requests until it is told to go on."""

    def __init__(self) -> None:
        self.held: dict[str, Talk] = {}
        self.gone: list[str] = []
        #: How much of a long answer was sent.
        self.sent = 0

    def answer(self, asked: Asked, talk: Talk) -> bytes | None:
        """By the path."""
        name = asked.path.rpartition("/")[2]
        if name.startswith("hold"):
            self.held[name] = talk
            # the answer comes from `release`, or the connection ends
            with contextlib.suppress(OSError):
                talk.sock.settimeout(None)
                if not talk.sock.recv(1, socket.MSG_PEEK):
                    self.held.pop(name, None)  # (who holds it holds its socket)
                    self.gone.append(name)
                    return b""
            return None
        if name == "head":
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Le")
            return b""
        if name == "body":
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            return b""
        if name == "pieces":
            for piece in (b"HTTP/1.1 200 O", b"K\r\nContent-Length: 4\r", b"\n\r\nab"):
                talk.send(piece)
                self.sent += 1
                wait_for(lambda: self.sent == 0, "the client to go on")
            return b"cd"
        if name == "once":  # answers, and lets go of the connection without a word
            talk.send(OK)
            return b""
        if name == "deaf":  # answers once; what comes next on the connection ends it
            talk.send(OK)
            talk.request()
            return b""
        if name.startswith("long"):
            size = int(name.removeprefix("long")) * MIB
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // MIB):
                talk.send(bytes(MIB))
                self.sent += 1
            return None
        if name == "asked":
            return asked.told()
        return OK

    def release(self, name: str) -> None:
        """Answer a request that is held."""
        self.held.pop(name).send(OK)


@pytest.fixture(scope="module")
def behind() -> Behind:
    """What it does."""
    return Behind()


@pytest.fixture(scope="module")
def back(behind: Behind) -> Iterator[Backend]:
    """The server behind."""
    with backend(behind.answer) as made:
        yield made


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(
    request: pytest.FixtureRequest, start_module_server: StartServer, back: Backend, behind: Behind
) -> Iterator[Server]:
    """One server for each MPM."""
    dead = Port()  # (nobody listens there)
    variables = {"BACK": str(back.port), "DEAD": str(dead.number)}
    files = {"page.txt": "static", "application/sorry.py": SORRY}
    made = start_module_server(CONF + ERRORS, files, mpm=request.param, variables=variables)
    (made.root / "users").write_text("eve:$apr1$salt$dIQSC7CZVMfwYUarWFsjy0\n")
    with backend(behind.answer, path=made.root / "back.sock"):
        assert made.get("/back/warm").text == "ok"
        yield made
    dead.release()


def asking(server: Server, path: str, method: str = "GET") -> socket.socket:
    """A connection on which a request was sent."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    length = "Content-Length: 0\r\n" if method == "POST" else ""
    sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: front.example\r\n{length}\r\n".encode())
    return sock


@pytest.mark.parametrize("place", ["back", "named"])
def test_those_that_wait_occupy_no_threads(server: Server, behind: Behind, place: str) -> None:
    names = [f"hold-{place}-{number}" for number in range(MANY)]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(asking(server, f"/{place}/{name}")) for name in names]
        wait_for(lambda: all(name in behind.held for name in names), "all requests to come")
        for _ in range(3):
            assert server.get("/back/quick").text == "ok"
            assert server.get("/page.txt").text == "static"
        for name in names:
            behind.release(name)
        for sock in socks:
            assert receive_until(sock, b"\r\n\r\nok").startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_that_follow_one_that_waits(server: Server, behind: Behind) -> None:
    """They have come meanwhile, and are answered after it."""
    with asking(server, "/back/hold-first") as sock:
        wait_for(lambda: "hold-first" in behind.held, "the request to come")
        again = (
            b"GET /back/asked HTTP/1.1\r\nHost: a\r\n\r\nGET /page.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        sock.sendall(again)
        assert server.get("/back/other").text == "ok"
        behind.release("hold-first")
        said = receive_all(sock)
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert said.index(b"Via-What") < said.index(b"GET /asked") < said.index(b"static")


@pytest.mark.parametrize("place", ["back", "packed"])
def test_a_client_that_leaves(server: Server, behind: Behind, place: str) -> None:
    """In the loop, and where filters need a thread."""
    name = f"hold-left-{place}"
    with asking(server, f"/{place}/{name}"):
        wait_for(lambda: name in behind.held, "the request to come")
    wait_for(lambda: name in behind.gone, "the connection to the server behind to end")
    server.wait_for_log("the client closed the connection while another server answered")


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/back/head", 502, "closed the connection before its answer"),
        ("/short/hold-late", 504, "said nothing for 1 s"),
    ],
)
def test_answers_that_do_not_come(server: Server, behind: Behind, path: str, status: int, why: str) -> None:
    assert server.get(path).status == status
    server.wait_for_log(why)
    server.wait_for_log(f"GET {path} {status} ", "access.log")
    if status == 504:
        wait_for(lambda: "hold-late" in behind.gone, "the connection to the server behind to end")


def test_an_error_document_of_an_application(server: Server) -> None:
    """It is made in the interpreter of that; the connection goes along."""
    with asking(server, "/dead/application/a") as sock:
        said = receive_all(sock)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"sorry for /dead/application/a" in said


def test_many_that_fail_at_once(server: Server) -> None:
    """One after the other, as they have come together."""
    request = b"GET /gone/x HTTP/1.1\r\nHost: a\r\n\r\n"
    with server.dial() as sock:
        sock.sendall(request * 499 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        said = receive_all(sock)
    assert said.count(b"HTTP/1.1 302 ") == said.count(b"HTTP/1.1 ") == 500


def _waits_for_its_document(server: Server, behind: Behind, path: str, held: str) -> None:
    with asking(server, path) as sock:
        wait_for(lambda: held in behind.held, "the document to be asked for")
        assert server.get("/back/quick").text == "ok"
        behind.release(held)
        receive_until(sock, b"\r\n\r\nok")


def test_an_error_document_that_waits(server: Server, behind: Behind) -> None:
    """It waits in a thread; whatever else waits goes on."""
    _waits_for_its_document(server, behind, "/late/hold-x", "hold-document")


def test_an_error_document_of_one_that_is_turned_away(server: Server, behind: Behind) -> None:
    """Nothing of it was asked yet: it gets a thread as it needs one."""
    _waits_for_its_document(server, behind, "/closed/x", "hold-closed")
    server.wait_for_log("GET /closed/x 200 2 ", "access.log")


def report(server: Server) -> Any:
    """The status."""
    return json.loads(server.get("/server-status?json").text)


def waiting(server: Server) -> list[str]:
    """The lines of requests that wait for others."""
    found = [one for worker in report(server)["workers"] for one in worker["interpreters"]]
    return [its["line"] for one in found for its in one["waiting"] if one["name"] == "(proxy)"]


def spent(found: Any) -> float:
    """For how many seconds requests were passed on, as metrics have it."""
    return sum(float(one["seconds"]) for one in found["interpreters"] if one["name"] == "(proxy)")


@pytest.mark.parametrize("place", ["back", "packed"])
def test_those_that_wait_are_seen(server: Server, behind: Behind, place: str) -> None:
    """As with httpd, whether they wait in the loop or in threads."""
    names = [f"hold-seen-{place}-{number}" for number in range(3)]
    lines = {f"GET /{place}/{name} HTTP/1.1" for name in names}
    before = report(server)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(asking(server, f"/{place}/{name}")) for name in names]
        wait_for(lambda: all(name in behind.held for name in names), "all requests to come")
        wait_for(lambda: lines <= set(waiting(server)), "the lines")
        found = report(server)
        busy = sum(worker["busy"] for worker in found["workers"])
        threaded = found["threads"] > 1
        assert busy >= (3 if threaded else 1)
        auto = server.get("/server-status?auto").text
        board = auto.partition("Scoreboard: ")[2]
        assert board.count("W") >= (3 if threaded else 1), auto
        page = server.get("/server-status").text
        assert all(line in page for line in lines)
        for name in names:
            behind.release(name)
        for sock in socks:
            receive_until(sock, b"ok" if place == "back" else b"\r\n\r\n")
    wait_for(lambda: not lines & set(waiting(server)), "them to be seen no more")
    assert spent(report(server)) > spent(before)


def test_more_than_are_seen(server: Server, behind: Behind) -> None:
    """All count, and those that had a place leave it to others."""
    names = [f"hold-more-{number}" for number in range(MANY)]
    for _turn in range(2):
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(asking(server, f"/back/{name}"))
            wait_for(lambda: all(name in behind.held for name in names), "all requests to come")
            wait_for(lambda: len(waiting(server)) >= PLACES // 2, "the lines")
        wait_for(lambda: all(name in behind.gone for name in names), "the connections to the server behind to end")
        wait_for(lambda: not waiting(server), "them to be seen no more")
        behind.gone.clear()


def test_an_answer_that_has_no_end(server: Server) -> None:
    with asking(server, "/back/body") as sock:
        assert receive_all(sock).endswith(b"\r\n\r\nhalf")
    server.wait_for_log("closed the connection within its answer")


def test_an_answer_in_pieces(server: Server, behind: Behind) -> None:
    """Its body is passed on when it comes."""
    behind.sent = 0
    with asking(server, "/back/pieces") as sock:
        for _ in range(2):
            wait_for(lambda: behind.sent, "a piece to be sent")
            behind.sent = 0
        receive_until(sock, b"\r\n\r\nab")
        wait_for(lambda: behind.sent, "the last piece")
        behind.sent = 0
        receive_until(sock, b"cd")


def test_connections_that_were_ended(server: Server, back: Backend) -> None:
    """One that has ended while it was kept, and one that ends with the next request."""
    for name in ("once", "deaf"):
        for _ in range(3):
            assert server.get(f"/back/{name}").text == "ok"
            assert server.get("/back/next").text == "ok"
    asked = len(back.asked)
    assert server.get("/back/deaf").text == "ok"
    assert server.request("POST", "/back/next", b"x").status == 502  # (nobody knows whether it was heard)
    assert len(back.asked) == asked + 1
    server.wait_for_log("it is gone")


def test_as_many_connections_as_there_may_be(server: Server, behind: Behind) -> None:
    """The second one gets the connection of the first, which is kept."""
    with asking(server, "/one/hold-max") as first:
        wait_for(lambda: "hold-max" in behind.held, "the request to come")
        with asking(server, "/one/next") as second:
            assert server.get("/back/quick").text == "ok"
            behind.release("hold-max")
            receive_until(first, b"\r\n\r\nok")
            receive_until(second, b"\r\n\r\nok")


def test_who_may_come_in(server: Server, behind: Behind) -> None:
    """What decides that has a thread; then the request waits as others do."""
    assert server.get("/guarded/x").status == 401
    with server.dial() as sock:
        sock.sendall(b"GET /guarded/hold-eve HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ZXZlOnB3\r\n\r\n")
        wait_for(lambda: "hold-eve" in behind.held, "the request to come")
        behind.release("hold-eve")
        receive_until(sock, b"\r\n\r\nok")
    server.wait_for_log("GET /guarded/hold-eve 200 2 back", "access.log")


def test_passwords_have_a_thread(server: Server) -> None:
    """Where it depends on the request whether there is one, too. What runs in the loop logs from there."""
    with asking(server, "/dead/url/x") as sock:
        assert receive_until(sock, b"</html>").startswith(b"HTTP/1.1 302 ")
        sock.sendall(b"GET /asked/x?guarded HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ZXZlOng=\r\n\r\n")
        assert receive_until(sock, b"</html>").startswith(b"HTTP/1.1 401 ")
        client = f"client 127.0.0.1:{sock.getsockname()[1]}]"
    wait_for(lambda: server.log().count(client) == 2, "both to be logged")
    threads = [re.search(r"tid (\d+)", line) for line in server.log().splitlines() if client in line]
    assert None not in threads
    assert len({found[1] for found in threads if found}) == 2, server.log()


def test_a_client_that_takes_nothing(server: Server, behind: Behind) -> None:
    """The rest of a long answer waits, in bounded memory, and arrives."""
    behind.sent = 0
    before, growth, left = memory(server), 0, LONG * MIB
    with asking(server, f"/back/long{LONG}") as sock:
        wait_for(lambda: behind.sent >= 8, "the answer to be read ahead")
        assert server.get("/back/quick").text == "ok"
        began = receive_until(sock, b"\r\n\r\n")
        left -= len(began.partition(b"\r\n\r\n")[2])
        buffer = bytearray(MIB)
        while left:
            count = sock.recv_into(buffer, min(left, MIB))
            assert count, server.log()
            if left // (16 * MIB) != (left - count) // (16 * MIB):
                growth = max(growth, memory(server) - before)
            left -= count
    assert growth < 48 * MIB


def memory(server: Server) -> int:
    """Bytes of memory that the server's processes have."""
    assert server.master is not None
    return sum(process.memory_info().rss for process in (server.master, *descendants(server.master)))


@pytest.mark.parametrize("how", [signal.SIGWINCH, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["foreground", "one"])
def test_an_end_while_requests_wait(
    start_server: StartServer, back: Backend, behind: Behind, how: signal.Signals, mode: Mode
) -> None:
    """They are answered; a graceful end waits for them as long as they take."""
    name = f"hold-{mode}-{how.name}"
    one = start_server(CONF, mode=mode, variables={"BACK": str(back.port)})
    with ThreadPoolExecutor(1) as ending_thread, asking(one, f"/back/{name}") as sock:
        wait_for(lambda: name in behind.held, "the request to come")
        ending = ending_thread.submit(one.stop, how)
        wait_for(lambda: not listens(one.port), "the end to begin")
        behind.release(name)
        assert receive_all(sock).endswith(b"\r\n\r\nok")
        ending.result()
