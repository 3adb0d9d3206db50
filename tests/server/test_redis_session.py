"""Sessions of several servers in a real Redis: one holder over all of them, and nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import signal
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from support.nginx import Nginx
from support.processes import descendants, end
from support.redis import Redis
from support.server import BACKENDS, Server
from support.waiting import PATIENCE, wait_for

APP = """
import json
import os
import time
import redis  # here, so that processes are forked with it
from mod_python import apache, Session


def count(req):
    session = Session.Session(req)
    hits = session.get("hits", 0)
    time.sleep(0.001)
    session["hits"] = hits + 1
    session.save()
    req.content_type = "text/plain"
    req.write("%d %d %s" % (session["hits"], os.getpid(), req.connection.local_addr[1]), 0)
    return apache.OK


def hold(req):
    Session.Session(req)
    req.write("held")
    time.sleep(60)
    return apache.OK


def hand_over(req):
    session = Session.Session(req)
    came = time.monotonic()
    time.sleep(0.002)
    session.save()
    gives = time.monotonic()
    session.unlock()
    req.write(json.dumps([came, gives]), 0)
    return apache.OK


def late(req):
    session = Session.Session(req)
    session["hits"] = 99
    req.write("x" * 10, 0)
    while not os.path.exists(__file__ + ".save"):
        time.sleep(0.01)
    session.save()
    return apache.OK
"""

CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonOption mod_python.session.session_type RedisSession
PythonOption mod_python.redis_session.url ${REDIS}
PythonOption mod_python.redis_session.lock_timeout 3
""" + "".join(
    f"<Location /{name}>\nSetHandler mod_python\nPythonHandler app::{name}\n</Location>\n"
    for name in ("count", "hold", "hand_over", "late")
)


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer, redis_server: Redis) -> Server:
    """A server whose sessions are in Redis, for each kind of interpreter."""
    variables = {"REDIS": redis_server.url}
    return start_module_server(
        CONF, {"app.py": APP}, backend=request.param, workers=2, mode="foreground", variables=variables
    )


@pytest.fixture(scope="module")
def pair(start_module_server: StartServer, redis_server: Redis) -> tuple[Server, Server]:
    """Two servers with the same sessions."""
    one, two = (
        start_module_server(
            CONF, {"app.py": APP}, backend="process", workers=2, mode="foreground",
            variables={"REDIS": redis_server.url},
        )
        for _ in range(2)
    )  # fmt: skip
    for server in (one, two):
        begin(server)
    return one, two


def begin(server: Server) -> dict[str, str]:
    """A new session: the header that asks for it."""
    reply = server.get("/count")
    assert reply.status == 200, server.said()
    return {"Cookie": (reply.header("Set-Cookie") or "").partition(";")[0]}


class Clients:
    """Clients that count in one session: ``found`` are the acknowledged counts, ``failed`` what else came."""

    def __init__(self, ask: Callable[[], tuple[int, str]], count: int) -> None:
        self.ask = ask
        self.found: list[tuple[int, str]] = []
        self.failed: list[object] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.client) for _ in range(count)]

    def client(self) -> None:
        while not self.over.is_set():
            try:
                status, body = self.ask()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(error)
                continue
            if status == 200:
                number, _, server = body.split()
                self.found.append((int(number), server))
            else:
                self.failed.append(status)

    def more(self, count: int) -> None:
        """Wait for that many more acknowledged counts."""
        wanted = len(self.found) + count
        wait_for(lambda: len(self.found) >= wanted, f"{count} more counts; {self.failed[:5]}")

    def __enter__(self) -> Clients:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)


def test_a_counter(server: Server) -> None:
    cookie = begin(server)
    assert [server.get("/count", cookie).text.split()[0] for _ in range(4)] == ["2", "3", "4", "5"], server.said()
    assert "error" not in server.log()


def test_a_killed_holder_delays_nobody(server: Server, redis_server: Redis) -> None:
    cookie = begin(server)
    with server.dial() as sock:
        sock.sendall(f"GET /hold HTTP/1.1\r\nHost: x\r\nCookie: {cookie['Cookie']}\r\n\r\n".encode())
        assert sock.recv(100)
        # (requests of others, which have their answers, may have theirs for a moment)
        locks = wait_for(lambda: len(found := redis_server.names("*:lock")) == 1 and found, "one lock")
        assert locks
        redis_server.ask("PERSIST", locks[0])  # now it does not end by itself
        assert server.master is not None
        for process in descendants(server.master):
            with contextlib.suppress(psutil.NoSuchProcess):  # an interpreter goes with its worker
                process.kill()
    wait_for(lambda: counts(server, cookie) == 2, "the next holder")


def counts(server: Server, cookie: dict[str, str]) -> int:
    """One count; 0 where the server did not answer."""
    try:
        reply = server.get("/count", cookie)
    except (OSError, http.client.HTTPException):
        return 0
    return int(reply.text.split()[0]) if reply.status == 200 else 0


def test_a_restart_behind_nginx_loses_no_count(pair: tuple[Server, Server], tmp_path: Path) -> None:
    one, two = pair
    cookie = begin(one)
    with Nginx(tmp_path / "nginx", [one, two]) as front:
        with Clients(functools.partial(front.post, "/count", cookie), 8) as clients:
            clients.more(30)
            two.stop(signal.SIGWINCH)  # graceful-stop: requests that began are served
            clients.more(20)
            two.start()
            clients.more(30)
            two.send(signal.SIGUSR1)  # graceful
            clients.more(30)
        assert clients.failed == []
        numbers = sorted(number for number, _ in clients.found)
        assert numbers == list(range(2, 2 + len(numbers)))
        assert {server for _, server in clients.found} == {str(one.port), str(two.port)}
        assert front.post("/count", cookie)[1].split()[0] == str(len(numbers) + 2)


def test_a_server_that_is_killed_behind_nginx_loses_no_acknowledged_count(
    pair: tuple[Server, Server], tmp_path: Path
) -> None:
    one, two = pair
    cookie = begin(one)
    with Nginx(tmp_path / "nginx", [one, two]) as front:
        with Clients(functools.partial(front.post, "/count", cookie), 8) as clients:
            clients.more(30)
            assert two.master is not None
            assert two.process is not None
            end({two.master, *descendants(two.master)})  # kill -9, all of it
            two.process.wait(PATIENCE)
            two.process = two.master = None
            clients.more(20)
            two.start()
            clients.more(20)
        numbers = [number for number, _ in clients.found]
        assert len(numbers) == len(set(numbers)), "a count was given twice"
        status, body = front.post("/count", cookie)
        assert status == 200
        assert max(numbers) < int(body.split()[0]) <= 2 + len(numbers) + len(clients.failed)


@pytest.mark.alone
def test_hand_over_between_servers_is_fast(pair: tuple[Server, Server]) -> None:
    """A busy machine wakes the next holder late: the best of some rounds tells the lock's own time."""
    cookie = begin(pair[0])
    medians: list[float] = []
    while len(medians) < 10 and not (medians and medians[-1] < 0.01):
        medians.append(hand_over(pair, cookie))
    assert medians[-1] < 0.01, medians


def hand_over(pair: tuple[Server, Server], cookie: dict[str, str]) -> float:
    """How long the lock took from one server to the other, in seconds, the median of some times."""
    times: list[tuple[float, float, int]] = []

    def client(which: int) -> None:
        for _ in range(20):
            came, gives = map(float, pair[which].get("/hand_over", cookie).text.strip("[]").split(","))
            times.append((came, gives, which))

    threads = [threading.Thread(target=client, args=(n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    times.sort()
    assert len(times) == 80
    gaps = [(later[0] - earlier[1], later[2] != earlier[2]) for earlier, later in itertools.pairwise(times)]
    assert min(gaps)[0] > 0, "two held it at once"
    between = [gap for gap, other in gaps if other]
    assert len(between) > 40, "they don't take turns"
    return statistics.median(between)


def test_a_save_without_the_lock_is_refused(pair: tuple[Server, Server], redis_server: Redis) -> None:
    one, two = pair
    cookie = begin(one)
    wait_for(lambda: not redis_server.names("*:lock"), "the first request, which has its answer, to give the lock back")
    late: list[int] = []
    thread = threading.Thread(target=lambda: late.append(one.get("/late", cookie).status))
    thread.start()
    wait_for(lambda: redis_server.names("*:lock"), "the slow one to hold the lock")
    redis_server.ask("DEL", *redis_server.names("*:lock"))  # as if its time were over
    assert two.get("/count", cookie).text.startswith("2 ")
    (one.www / "app.py.save").touch()
    thread.join(PATIENCE)
    assert late == [503]
    assert "lock_timeout" in one.log()
    assert two.get("/count", cookie).text.startswith("3 ")


def test_without_redis(start_server: StartServer, tmp_path: Path) -> None:
    redis = Redis(tmp_path / "redis")
    server = start_server(CONF, {"app.py": APP}, backend="main", variables={"REDIS": redis.url})
    for headers in ({}, {"Cookie": "pysid=" + "ab" * 16}):
        before = server.log().count("python:error")
        began = time.monotonic()
        reply = server.get("/count", headers)
        assert time.monotonic() - began < 10
        assert reply.status == 503
        assert reply.header("Set-Cookie") is None
        assert server.log().count("python:error") == before + 1, server.log()
    assert "RedisSession: Redis can't be used for sessions" in server.log()
    assert "Traceback" not in server.said()
    with redis:
        cookie = begin(server)
        redis.stop()
        assert server.get("/count", cookie).status == 503
        redis.start()
        assert server.get("/count", cookie).status == 200
