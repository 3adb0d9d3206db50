"""Each client has its own session, for every class of sessions, every kind of interpreter, and both MPMs.

Threads of an interpreter work on all of them at the same time, at intervals that change from request to request,
while clean-ups go through the store. Exact means: no answer with another client's session, none with a new one in
place of the client's, none that failed, and every count is the one that follows the last.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import PATIENCE

CLASSES = ("FileSession", "DbmSession", "MemorySession", "RedisSession")
MPMS = ("prefork", "worker")
CLIENTS = 20
#: Requests in all of the usual test, and of that which --long runs.
FEW, MANY = 400, 3000

APP = """
import random
import sys
from mod_python import apache, Session

Session.CLEANUP_CHANCE = 40
INTERVALS = (1e-6, 1e-5, 1e-4, 5e-3)


def count(req):
    # the session's owner, its count, and whether it is new; every third request looks only
    sys.setswitchinterval(random.choice(INTERVALS))
    session = Session.Session(req)
    looks, _, client = req.args.partition("+")
    if looks != "look" or session.is_new():
        session["hits"] = session.get("hits", 0) + 1
        session.setdefault("owner", client)
        session.save()
    req.content_type = "text/plain"
    req.write("%s %d %d" % (session["owner"], session["hits"], session.is_new()), 0)
    return apache.OK
"""

CONF = """
PythonOption mod_python.session.session_type ${TYPE}
PythonOption mod_python.session.database_directory "${ROOT}/run"
PythonOption mod_python.redis_session.url ${REDIS}
PythonPath "sys.path + ['${WWW}']"
SetHandler mod_python
PythonHandler app::count
"""


class Client(threading.Thread):
    """Asks for its session again and again on one connection; ``faults`` counts what must not be."""

    def __init__(self, server: Server, name: str, requests: int) -> None:
        super().__init__(name=name)
        self.server, self.requests = server, requests
        self.faults: Counter[str] = Counter()
        self.done = 0

    def run(self) -> None:
        """All requests, one after the other."""
        with self.server.connection() as connection:
            cookie, hits = "", 0
            for turn in range(self.requests):
                look = turn % 3 == 2
                path = f"/?{'look' if look else 'count'}+{self.name}"
                try:
                    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
                    answer = connection.getresponse()
                    body = answer.read().decode()
                except OSError as error:
                    self.faults[repr(error)] += 1
                    connection.close()
                    continue
                self.done += 1
                if answer.status != 200:
                    self.faults[f"status {answer.status}"] += 1
                    continue
                owner, found, new = body.split()
                hits += not look
                if owner != self.name:
                    self.faults["foreign session"] += 1
                elif new == "1" and turn:
                    self.faults["lost session"] += 1
                elif int(found) != hits:
                    self.faults["wrong count"] += 1
                hits = int(found)
                if given := answer.getheader("Set-Cookie"):
                    cookie = given.partition(";")[0]


@pytest.fixture
def redis_url(kind: str, request: pytest.FixtureRequest) -> str:
    """Where the sessions are, if they are in Redis."""
    return str(request.getfixturevalue("redis_server").url) if kind == "RedisSession" else "redis://nowhere"


@pytest.fixture
def serve(kind: str, redis_url: str, start_server: StartServer) -> Callable[[str, str], Server]:
    """Starts the server with a kind of interpreter under an MPM."""

    def start(backend: str, mpm: str) -> Server:
        # (at its top, so that processes are forked with it)
        first = "import redis\n" if kind == "RedisSession" else ""
        # Sessions in memory are those of one process.
        workers = 1 if kind == "MemorySession" else 2
        server = start_server(
            CONF, {"app.py": first + APP}, backend=backend, workers=workers, mode="foreground",
            mpm=mpm, threads=CLIENTS, variables={"TYPE": kind, "REDIS": redis_url},
        )  # fmt: skip
        (server.root / "run").chmod(0o700)
        return server

    return start


def everybody_asks(server: Server, requests: int) -> None:
    """The test, with so many requests in all."""
    clients = [Client(server, f"client{number}", requests // CLIENTS) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(3 * PATIENCE)
    assert not any(client.is_alive() for client in clients), server.said()
    faults = sum((client.faults for client in clients), Counter[str]())
    failures = re.findall(r"Error while \w+ a session.*", server.log())
    assert not faults, (dict(faults), sum(client.done for client in clients), failures[:5])
    assert sum(client.done for client in clients) == requests
    assert not failures, failures[:5]


Serve = Callable[[str, str], Server]


@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", CLASSES)
def test_everybody_has_their_own_session(serve: Serve, kind: str, backend: str, mpm: str) -> None:
    everybody_asks(serve(backend, mpm), FEW)


@pytest.mark.long
@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", CLASSES)
def test_everybody_has_their_own_session_for_long(serve: Serve, kind: str, backend: str, mpm: str) -> None:
    everybody_asks(serve(backend, mpm), MANY)
