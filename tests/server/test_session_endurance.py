"""One session under 64 clients, over 4 workers with 2 interpreters each, while workers are killed (kill -9).

What is exact then: every count that a client got a response for is in the session, once. One whose response
did not come, since the worker was killed, may be in it or not. The session counts for each client apart, so
that this is asked for each, and at each request: what the session has of a client lies between the counts
that it was told of and these with the ones it was not; and the sum of all is the counter.
"""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from conftest import StartServer
from support.server import Server
from support.waiting import PATIENCE, wait_for

CLIENTS = 64
WORKERS = 4
KINDS = ("DbmSession", "FileSession", "RedisSession")
#: Seconds of the usual test, and of that which --long runs.
SHORT, LONG = 3.0, 30.0
#: Seconds between two kills; a new worker has about served its first requests then.
BETWEEN = 1.0

APP = """
import os
from mod_python import apache, Session


def count(req):
    session = Session.Session(req)
    client = req.args
    applied = session.setdefault("applied", {})
    before = applied.get(client, 0)
    applied[client] = before + 1
    session["counter"] = session.get("counter", 0) + 1
    session.save()
    req.content_type = "text/plain"
    req.write("%d %d %d %s" % (session["counter"], before, os.getpid(), apache.interpreter), 0)
    return apache.OK


def result(req):
    session = Session.Session(req)
    req.content_type = "text/plain"
    pairs = " ".join("%s %d" % pair for pair in session["applied"].items())
    req.write("%d %s" % (session["counter"], pairs), 0)
    return apache.OK
"""

CONF = """
PythonOption mod_python.session.session_type ${TYPE}
PythonOption mod_python.session.database_directory "${ROOT}/run"
PythonOption mod_python.redis_session.url ${REDIS}
PythonPath "sys.path + ['${WWW}']"
""" + "".join(
    f"""
<Location /{interpreter}/{name}>
    SetHandler mod_python
    PythonInterpreter {interpreter}
    PythonHandler app::{name}
</Location>
"""
    for interpreter in ("one", "two")
    for name in ("count", "result")
)


class Client(threading.Thread):
    """Counts in the session, one request after the other, by turns in both interpreters.

    ``told`` counts responses, ``untold`` requests without one; ``numbers`` is what the counter said,
    ``faults`` what must not be.
    """

    def __init__(self, server: Server, name: str, sid: str, over: threading.Event) -> None:
        super().__init__(name=name)
        self.server, self.sid, self.over = server, sid, over
        self.told = self.untold = 0
        self.numbers: list[int] = []
        self.seen: set[tuple[str, str]] = set()
        self.faults: list[str] = []

    def run(self) -> None:
        """Until it is over."""
        sock: socket.socket | None = None
        turn = int(self.name)
        while not self.over.is_set():
            turn += 1
            try:
                if sock is None:
                    sock = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
            except OSError:
                time.sleep(0.01)
                continue  # nothing was asked
            try:
                status, body = self.ask(sock, ("one", "two")[turn % 2])
            except OSError:
                self.untold += 1
                sock.close()
                sock = None
                continue
            if status != 200:
                self.untold += 1
                time.sleep(0.01)  # what answers so is under repair
                if status not in (500, 502, 503):
                    self.faults.append(f"status {status}")
                continue
            counter, before, process, interpreter = body.split()
            if not self.told <= int(before) <= self.told + self.untold:
                self.faults.append(f"{before} counts where {self.told} were told and {self.untold} not")
            self.told += 1
            self.numbers.append(int(counter))
            self.seen.add((process, interpreter))
        if sock is not None:
            sock.close()

    def ask(self, sock: socket.socket, interpreter: str) -> tuple[int, str]:
        """One request: status and body. :raises OSError: no whole response came."""
        head = f"GET /{interpreter}/count?{self.name} HTTP/1.1\r\nHost: x\r\nCookie: pysid={self.sid}\r\n\r\n"
        sock.sendall(head.encode())
        data = b""
        while True:
            part = sock.recv(65536)
            if not part:
                raise ConnectionResetError
            data += part
            before, blank, body = data.partition(b"\r\n\r\n")
            if not blank:
                continue
            length = int(before.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(body) == length:
                if b"connection: close" in before.lower():
                    sock.shutdown(socket.SHUT_RDWR)
                return int(before.split()[1]), body.decode()


def endure(server: Server, seconds: float) -> str:
    """The test, for that long. :returns: what happened, in a line."""
    reply = server.get("/one/count?0")
    assert reply.status == 200, server.said()
    sid = (reply.header("Set-Cookie") or "")[len("pysid=") :].partition(";")[0]
    over = threading.Event()
    clients = [Client(server, str(number), sid, over) for number in range(CLIENTS)]
    clients[0].told = 1
    chance = random.Random(7)
    killed: set[int] = set()
    for client in clients:
        client.start()
    try:
        wait_for(lambda: sum(client.told for client in clients) > 2 * CLIENTS, "the first counts", 3 * PATIENCE)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(BETWEEN * (0.5 + chance.random()))
            found = server.workers()
            if found:
                victim = chance.choice(found)
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.send_signal(signal.SIGKILL)
                    killed.add(victim.pid)
        # and it goes on afterwards
        wanted = sum(client.told for client in clients) + CLIENTS
        wait_for(
            lambda: sum(client.told for client in clients) > wanted,
            "counts after the last kill",
            3 * PATIENCE,
        )
    finally:
        over.set()
        for client in clients:
            client.join(PATIENCE)
    assert not any(client.is_alive() for client in clients), server.said()
    faults = [fault for client in clients for fault in client.faults]
    assert not faults, (faults[:5], server.said())
    reply = server.get("/two/result", {"Cookie": f"pysid={sid}"})
    assert reply.status == 200, server.said()
    counter, *pairs = reply.text.split()
    applied = {name: int(count) for name, count in zip(pairs[::2], pairs[1::2], strict=True)}
    assert sum(applied.values()) == int(counter)
    for client in clients:
        assert client.told <= applied.get(client.name, 0) <= client.told + client.untold, client.name
    numbers = [number for client in clients for number in client.numbers]
    assert len(numbers) == len(set(numbers)), "a count was told twice"
    assert max(numbers) <= int(counter)
    seen = {which for client in clients for which in client.seen}
    assert {interpreter for _, interpreter in seen} == {"one", "two"}
    assert len({process for process, _ in seen}) > 1
    assert len(killed) >= seconds / BETWEEN / 3
    untold = sum(client.untold for client in clients)
    return f"{counter} counts, {len(numbers) + 1} told, {untold} requests without an answer, {len(killed)} kills"


@pytest.fixture
def redis_url(kind: str, request: pytest.FixtureRequest) -> str:
    """Where the sessions are, if they are in Redis."""
    return str(request.getfixturevalue("redis_server").url) if kind == "RedisSession" else "redis://nowhere"


@pytest.fixture
def serve(kind: str, redis_url: str, start_server: StartServer) -> Callable[..., Server]:
    """Starts the server with a kind of interpreter."""

    def start(backend: str, mpm: str = "prefork") -> Server:
        # (at its top, so that processes are forked with it)
        first = "import redis\n" if kind == "RedisSession" else ""
        server = start_server(
            CONF, {"app.py": first + APP}, backend=backend, workers=WORKERS, mode="foreground", mpm=mpm, threads=3,
            variables={"TYPE": kind, "REDIS": redis_url},
        )  # fmt: skip
        (server.root / "run").chmod(0o700)
        return server

    return start


Serve = Callable[..., Server]


@pytest.mark.parametrize(("kind", "mpm"), [*((kind, "prefork") for kind in KINDS), ("DbmSession", "worker")])
def test_a_counter_under_kills(serve: Serve, kind: str, mpm: str) -> None:
    # (redis takes half a second to import, which each new worker would pay twice)
    endure(serve("process" if kind == "RedisSession" else "auto", mpm), SHORT)


@pytest.mark.long
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("backend", [*(["own"] if sys.version_info >= (3, 14) else []), "process"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_counter_under_kills_for_long(serve: Serve, kind: str, backend: str, mpm: str) -> None:
    print(f"{kind}, {backend}, {mpm}: {endure(serve(backend, mpm), LONG)}")
