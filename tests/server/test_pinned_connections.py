"""What an application puts on a connection stays with it: such a connection stays in its interpreter (manual 4.5.4)."""

from __future__ import annotations

import http.client
import signal
from contextlib import ExitStack

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server
from support.waiting import wait_for

APP = '''
import os
import time
from mod_python import apache

BY_ID = {}
BY_ADDRESS = {}


def remembered(req):
    """A login by connection, in one of several ways."""
    connection = req.connection
    way = req.uri.rpartition("/")[2]
    if way == "notes":
        known = connection.notes.get("user")
        connection.notes["user"] = "joe"
    elif way == "attribute":
        known = getattr(connection, "user", None)
        connection.user = "joe"
    elif way == "stream":
        assert connection.readline() == b"line\\n"
        known = BY_ADDRESS.get(connection.client_addr)
        BY_ADDRESS[connection.client_addr] = "joe"
    else:
        known = BY_ID.get(connection.id)
        BY_ID[connection.id] = "joe"
    return known


def wait(req):
    run = req.get_options()["run"]
    open(run + "/begun", "w").close()
    while not os.path.exists(run + "/go on"):
        time.sleep(0.005)
    os.remove(run + "/begun")
    req.write("waited", 0)
    return apache.OK


def handler(req):
    if req.uri == "/wait":
        return wait(req)
    if req.uri == "/plain":
        return plain(req)
    req.write("%s %s" % (remembered(req), os.getpid()), 0)
    return apache.OK


def early(req):
    req.notes["known"] = str(remembered(req))
    return apache.OK


def content(req):
    req.write(req.notes["known"], 0)
    return apache.OK


def plain(req):
    req.write(str(os.getpid()), 0)
    return apache.OK
'''

CONF = """
PythonOption run ${ROOT}/run
PythonPath "sys.path + ['${WWW}']"
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /other>
    PythonInterpreter other
    PythonHandler app::plain
</Location>
<VirtualHost *:${PORT}>
    ServerName first.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName early.test
    PythonInterpreter early
    PythonPostReadRequestHandler app::early
    <Location />
        PythonInterpreter content
        PythonHandler app::content
    </Location>
</VirtualHost>
"""

WAYS = ("notes", "attribute", "id", "stream")


def ask(connection: http.client.HTTPConnection, path: str, host: str = "first.test") -> None:
    """Send a request on a kept connection, and what is read of that itself."""
    connection.request("GET", path, b"line\n" if path == "/stream" else None, {"Host": host})


def get(connection: http.client.HTTPConnection, path: str, host: str = "first.test") -> str:
    """The answer to a request on a kept connection."""
    ask(connection, path, host)
    return connection.getresponse().read().decode()


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server of two workers for each kind and MPM; each interpreter has one thread for requests."""
    backend, mpm = request.param
    return start_module_server(CONF, {"app.py": APP}, mode="daemon", backend=backend, mpm=mpm, workers=2, threads=1)


def in_one_interpreter(server: Server, stack: ExitStack, count: int) -> list[http.client.HTTPConnection]:
    """Kept connections that one interpreter has, all idle."""
    found: dict[str, list[http.client.HTTPConnection]] = {}
    for _ in range(40):
        connection = stack.enter_context(server.connection())
        its = found.setdefault(get(connection, "/plain"), [])
        its.append(connection)
        if len(its) == count:
            return its
    raise AssertionError(f"{count} connections in one of {list(found)}")


def test_a_busy_interpreter_keeps_a_connection_with_something_on_it(server: Server) -> None:
    run = server.pid_file.parent
    wait_for(lambda: len(server.workers()) == 2, "two workers")
    (run / "go on").unlink(missing_ok=True)
    with ExitStack() as stack:
        *pinned, plain, busy = in_one_interpreter(server, stack, len(WAYS) + 2)
        home = get(plain, "/plain")
        for way, connection in zip(WAYS, pinned, strict=True):
            assert get(connection, f"/{way}") == f"None {home}"
        try:
            busy.request("GET", "/wait", headers={"Host": "first.test"})
            wait_for((run / "begun").exists, "the long request to begin")
            for way, connection in zip(WAYS, pinned, strict=True):
                ask(connection, f"/{way}")
            # meanwhile the other one is served by the other worker
            assert get(plain, "/plain") != home
        finally:
            (run / "go on").touch()
        assert busy.getresponse().read() == b"waited"
        for connection in pinned:
            assert connection.getresponse().read().decode() == f"joe {home}"


def test_it_goes_along_to_other_interpreters_and_comes_back(server: Server) -> None:
    with ExitStack() as stack:
        for way in WAYS:
            connection = stack.enter_context(server.connection())
            known, home = get(connection, f"/{way}").split()
            assert known == "None"
            for _ in range(3):
                get(connection, "/other/x")
                assert get(connection, f"/{way}") == f"joe {home}"


@pytest.mark.parametrize("way", WAYS)
def test_it_is_there_in_early_phases_that_have_their_own_interpreter(server: Server, way: str) -> None:
    with server.connection() as connection:
        assert [get(connection, f"/{way}", "early.test") for _ in range(4)] == ["None", "joe", "joe", "joe"]


def test_a_restart_ends_such_a_connection_with_its_next_answer(server: Server) -> None:
    with ExitStack() as stack:
        wait_for(lambda: len(server.workers()) == 2, "two workers")
        before = {worker.pid for worker in server.workers()}
        opened = [(way, stack.enter_context(server.connection())) for way in WAYS]
        homes = [get(connection, f"/{way}") for way, connection in opened]
        server.send(signal.SIGUSR1)
        wait_for(lambda: {worker.pid for worker in server.workers()} - before, "new workers")
        for (way, connection), home in zip(opened, homes, strict=True):
            ended: list[str | None] = []
            while not ended or ended[-1] != "close":  # (the old workers hear of it after the new ones have begun)
                ask(connection, f"/{way}")
                answer = connection.getresponse()
                assert answer.read().decode() == home.replace("None", "joe")
                ended.append(answer.getheader("Connection"))
        wait_for(lambda: not before & {worker.pid for worker in server.workers()}, "the old workers to end")
