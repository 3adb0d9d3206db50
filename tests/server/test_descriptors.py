"""Descriptors come to an end: the server goes on, tells it seldom, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import http.client
import stat
import time

import psutil
import pytest

from conftest import StartServer
from support.processes import descendants
from support.server import BACKENDS, EACH_AND_THREADS, Reply, Server, receive_all
from support.waiting import wait_for

MPMS = ("prefork", "worker")

CONF = """
KeepAliveTimeout 300
Timeout 300
MaxKeepAliveRequests 0
ScriptAlias /cgi/ "${ROOT}/cgi/"
<Directory "${WWW}">
    AllowOverride All
</Directory>
<Location /app>
    SetHandler mod_python
    PythonHandler app
</Location>
PythonPath "sys.path + ['${WWW}']"
"""

APP = """
import errno
import os
import resource
import subprocess
from mod_python import apache

eaten = []


def eat():
    while True:
        try:
            eaten.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE
            return


def handler(req):
    req.content_type = "text/plain"
    how, _, what = (req.args or "").partition("=")
    if how == "eat":
        eat()
        for fd in eaten[:int(what)]:
            os.close(fd)
        del eaten[:int(what)]
    elif how == "release":
        for fd in eaten:
            os.close(fd)
        eaten.clear()
    elif how == "limit":
        command = "ulimit -n"
        with open(os.path.join(os.path.dirname(__file__), "system"), "w") as shown:
            os.system(f"({command}) > '{shown.name}'")
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"({command}) > '{shown.name}.2'"], os.environ)
        os.waitpid(pid, 0)
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
        req.write(f"{soft} {ran.strip()} {open(shown.name).read().strip()} {open(shown.name + '.2').read().strip()}", 0)
        return apache.OK
    req.write(str(os.getpid()), 0)
    return apache.OK
"""

#: How many descriptors a process may have in these tests, and how many connections are too many for it.
LIMIT, MANY = 96, 150

#: What is told once.
ACCEPT = "new clients wait, and the oldest idle connections are closed"


def started(start_server: StartServer, kind: str, mpm: str, conf: str = "", limit: int = LIMIT) -> Server:
    """A server of one worker with few descriptors."""
    return start_server(
        CONF + conf, {"app.py": APP, "page.txt": "page", "big.txt": "x" * 1_000_000}, mode="foreground", backend=kind,
        mpm=mpm, descriptors=(limit, limit),
    )  # fmt: skip


def asked(connection: http.client.HTTPConnection, path: str, host: str = "localhost") -> Reply:
    """The answer to a request on a connection that is kept."""
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    return Reply(response.status, response.reason, response.getheaders(), response.read())


def told(server: Server, text: str = ACCEPT) -> int:
    """How many lines of the log say something."""
    return sum(text in line for line in server.log().splitlines())


def seconds(server: Server) -> float:
    """The time that the server's processes have spent, in seconds of the processor."""
    assert server.master is not None
    spent = 0.0
    for process in (server.master, *descendants(server.master)):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:2])
    return spent


@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("kind", BACKENDS)
def test_the_oldest_idle_connections_give_way(start_server: StartServer, kind: str, mpm: str) -> None:
    server = started(start_server, kind, mpm)
    (worker,) = wait_for(server.workers, "the worker")
    with contextlib.ExitStack() as kept:
        first = kept.enter_context(server.connection())
        assert asked(first, "/app").status == 200
        for _ in range(MANY):
            last = kept.enter_context(server.connection())
            assert asked(last, "/app").status == 200
        assert asked(last, "/app").status == 200
        assert asked(last, "/page.txt").text == "page"
        assert first.sock is not None
        assert receive_all(first.sock) == b"", "it was idle for longest, and is closed"
    assert server.get("/app").status == 200
    assert server.workers() == [worker]
    assert told(server) == 1, server.log()
    assert told(server, "internal error") == 0, server.log()
    assert len(server.log().splitlines()) < 30, server.log()


@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("kind", BACKENDS)
def test_clients_that_say_nothing_give_way_and_cost_little(start_server: StartServer, kind: str, mpm: str) -> None:
    server = started(start_server, kind, mpm)
    (worker,) = wait_for(server.workers, "the worker")
    reply = server.get("/app")
    assert reply.status == 200, server.log()
    with contextlib.ExitStack() as kept:
        before, began = seconds(server), time.monotonic()
        for _ in range(MANY):
            kept.enter_context(server.dial())
        assert server.get("/app").status == 200
        assert server.get("/page.txt").text == "page"
        assert seconds(server) - before < 0.5 * (time.monotonic() - began) + 0.5
    assert server.workers() == [worker]
    assert told(server) == 1, server.log()
    assert len(server.log().splitlines()) < 30, server.log()


HOSTS = 40

HOST = """
<VirtualHost *:${{PORT}}>
    ServerName host{0}.test
    PythonInterpreter host{0}
</VirtualHost>
"""


@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("kind", [kind for kind in BACKENDS if kind != "main"])
def test_interpreters_past_the_limit_get_503_and_those_that_are_there_serve(
    start_server: StartServer, kind: str, mpm: str
) -> None:
    server = started(start_server, kind, mpm, "".join(map(HOST.format, range(HOSTS))))
    (worker,) = wait_for(server.workers, "the worker")
    statuses = []
    for number in range(HOSTS):
        reply = server.get("/app", host=f"host{number}.test")
        statuses.append(reply.status)
        if reply.status != 200:
            assert reply.status == 503
            assert reply.header("Retry-After") == "1"
            if statuses.count(503) == 5:
                break
    # (an idle connection that was closed to make room may let one more in)
    there = [number for number, status in enumerate(statuses) if status == 200]
    assert len(there) > 1
    assert statuses.count(503) == 5
    for number in there:
        assert server.get("/app", host=f"host{number}.test").status == 200
    assert server.get("/page.txt").text == "page"
    assert server.workers() == [worker]
    assert told(server, "Can't get/create interpreter") == 1, server.log()
    assert told(server, "Traceback") == 0, server.log()


def test_what_a_request_needs_is_not_there(start_server: StartServer) -> None:
    server = started(start_server, "main", "prefork")
    script = server.root / "cgi" / "script"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho Content-Type: text/plain\necho\necho script\n")
    script.chmod(stat.S_IRWXU)
    server.write("closed/.htaccess", "AddType text/x-special txt\n")
    server.write("closed/page.txt", "closed page")
    paths = ("/page.txt", "/big.txt", "/cgi/script", "/closed/page.txt")
    with contextlib.ExitStack() as kept:
        eater = kept.enter_context(server.connection())
        clients = [kept.enter_context(server.dial()) for _ in paths]
        for client in clients:  # nobody can come when all are eaten
            client.sendall(b"GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        for client, path in zip(clients, paths, strict=True):
            assert asked(eater, "/app?eat=0").status == 200
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 503 "), path
            assert b"\r\nRetry-After: 1\r\n" in answer
        assert [asked(eater, path).status for path in ("/app?release", *paths)] == [200] * 5
    assert told(server, "Traceback") == 0, server.log()
    assert told(server, "Too many open files") >= 4, server.log()


@pytest.mark.parametrize("mpm", MPMS)
def test_a_process_that_has_no_room_lets_the_router_answer(start_server: StartServer, mpm: str) -> None:
    server = started(start_server, "process", mpm)
    with server.connection() as first:
        pid = asked(first, "/app?eat=0").text
        reply = server.get("/app")
        assert (reply.status, reply.header("Retry-After")) == (503, "1")
        assert first.sock is not None
        assert receive_all(first.sock) == b"", "it was idle, and made room"
        # one descriptor is free now, and a long body takes two
        reply = server.request("POST", "/app", b"x" * 60_000)
        assert (reply.status, reply.header("Retry-After")) == (503, "1")
        assert server.get("/app?release").text == pid
        assert server.request("POST", "/app", b"x" * 60_000).text == pid
    assert told(server, "could not be kept") == 1, server.log()


@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("kind", BACKENDS)
def test_the_limit_is_raised_and_programs_have_the_former_one(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start_server(
        CONF + 'CustomLog "|$ulimit -n > ${ROOT}/piped; cat > /dev/null" "%h"\n', {"app.py": APP}, mode="foreground",
        backend=kind, mpm=mpm, descriptors=(200, 4096),
    )  # fmt: skip
    script = server.root / "cgi" / "script"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho Content-Type: text/plain\necho\nulimit -n\n")
    script.chmod(stat.S_IRWXU)
    soft, *programs = map(int, server.get("/app?limit").text.split())
    assert 1024 < soft < 4096
    assert programs == [200, 200, 200]
    assert server.get("/cgi/script").text == "200\n"
    wait_for(lambda: (server.root / "piped").read_text() == "200\n", "the piped log's limit")
    assert told(server, "descriptors open") == 0, server.log()


def test_a_hard_limit_that_is_too_low_is_told(start_server: StartServer) -> None:
    server = started(start_server, BACKENDS[0], "prefork")
    server.wait_for_log(f"a process may have {LIMIT} descriptors open, and this configuration can use")


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_a_limit_of_64_is_enough_to_serve(start_server: StartServer, kind: str, mpm: str) -> None:
    """More clients than there is room for wait, or are told when to come again; then all is as before."""
    server = started(start_server, kind, mpm, limit=64)
    assert [server.get(path).status for path in ("/app", "/page.txt", "/app")] == [200, 200, 200]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(server.dial()) for _ in range(100)]
        for sock in socks:
            sock.sendall(b"GET /app HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        first = [receive_all(sock).partition(b"\r\n")[0] for sock in socks]
    assert set(first) <= {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable"}
    wait_for(lambda: server.get("/app").status == 200, "it to serve as before")
