"""Interpreters that take the place of others, seen by clients: no request is lost, and bad code changes nothing."""

from __future__ import annotations

import re
import sys
import threading
from typing import Any

import pytest

from conftest import StartServer
from mpserver.cli import status
from support.load import load
from support.server import BACKENDS, Server
from support.waiting import PATIENCE, wait_for

CONF = """
PythonAutoReload Off
<Location />
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
<Location /a/>
    PythonInterpreter a
</Location>
<Location /b/>
    PythonInterpreter b
</Location>
<Location /c/>
    PythonInterpreter c
</Location>
"""

APP = """
import os
import time
import parts.number
from mod_python import apache

BORN = time.time_ns()
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def handler(req):
    req.content_type = "text/plain"
    if req.uri == "/wait":
        open(os.path.join(ROOT, "waiting"), "w").close()
        while not os.path.exists(os.path.join(ROOT, "go")):
            time.sleep(0.005)
    req.write("%s %s %d" % (parts.number.NUMBER, BORN, os.getpid()), 0)
    return apache.OK
"""

NUMBER = "NUMBER = %d\n"
FILES: dict[str, str | bytes] = {"app.py": APP, "parts/__init__.py": "", "parts/number.py": NUMBER % 1}

#: Kinds that are replaced in a worker that lives on.
IN_PLACE = tuple(kind for kind in BACKENDS if kind == "process" or (kind == "own" and sys.version_info >= (3, 14)))


def name_of(kind: str) -> str:
    """The interpreter of the server's requests."""
    return "main_interpreter" if kind == "main" else "localhost"


def number(server: Server, path: str = "/") -> str:
    """Which version of the application answers."""
    reply = server.get(path)
    assert reply.status == 200, reply.text + server.log()
    return reply.text.split()[0]


def interpreters(server: Server) -> list[dict[str, Any]]:
    """Those of all workers, by their accounts; the one for static files left out."""
    found = next(status.ask(str(server.pid_file), {"command": "status"}, PATIENCE))
    return [i for worker in found["workers"] for i in worker["interpreters"] if i["modules"]]


def await_everywhere(server: Server) -> None:
    """Ask until both workers have the application; one without would load whatever is there when it is asked."""

    def asked() -> bool:
        clients = [threading.Thread(target=server.get, args=("/",)) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return len(interpreters(server)) == 2

    wait_for(asked, "the application in both workers")


@pytest.fixture(params=BACKENDS)
def server(request: pytest.FixtureRequest, start_server: StartServer) -> Server:
    """Two workers of each kind."""
    return start_server(CONF, FILES, mode="foreground", backend=request.param, workers=2)


@pytest.fixture(params=IN_PLACE)
def in_place(request: pytest.FixtureRequest, start_server: StartServer) -> Server:
    """One worker of each kind that is replaced in a worker."""
    return start_server(CONF, FILES, mode="foreground", backend=request.param, workers=1)


def test_new_code_comes_and_broken_code_does_not_without_a_failed_request(server: Server) -> None:
    name = name_of(number_kind(server))
    with load(server, "/", clients=4, keep_alive=True) as clients:
        await_everywhere(server)
        server.write("parts/number.py", NUMBER % 2)
        done = server.command("--recycle", name)
        assert "replaced" in done.stdout
        assert {number(server) for _ in range(8)} == {"2"}
        clients.more()
        server.write("parts/number.py", "NUMBER = ][\n")
        done = server.command("--recycle", "all", check=False)
        assert done.returncode == 1
        assert "SyntaxError" in done.stderr
        assert "app" in done.stderr
        assert f"({server.www}/parts/number.py line 1: NUMBER = ][)" in done.stderr
        assert not re.search(r"\[python:\w+\].*Traceback", server.log())
        assert {number(server) for _ in range(8)} == {"2"}
        server.write("parts/number.py", NUMBER % 3)
        server.command("--recycle", "all")
        assert {number(server) for _ in range(8)} == {"3"}
        clients.more()
        assert clients.failures == []
    assert "child pid" not in server.log()  # (nothing crashed)


def number_kind(server: Server) -> str:
    """The kind of the server's interpreters; a request has started one."""
    assert number(server) == "1"
    found: str = interpreters(server)[0]["kind"]
    return found


def test_a_name_that_nobody_has_is_told(in_place: Server) -> None:
    assert number(in_place) == "1"
    done = in_place.command("--recycle", "nobody", check=False)
    assert done.returncode == 1
    assert "no worker has an interpreter 'nobody'" in done.stderr


def test_the_old_one_ends_its_request_and_kept_connections_go_on(in_place: Server) -> None:
    first = number_kind(in_place)
    assert first in IN_PLACE
    replies = []
    with in_place.connection() as kept:
        kept.request("GET", "/")
        assert kept.getresponse().read().startswith(b"1 ")
        sock = kept.sock
        request = threading.Thread(target=lambda: replies.append(in_place.get("/wait")))
        request.start()
        wait_for((in_place.root / "waiting").exists, "the request to run")
        in_place.write("parts/number.py", NUMBER % 2)
        in_place.command("--recycle", "localhost")
        # the old one is in its request still, so this is the new one's, on the same connection
        kept.request("GET", "/")
        assert kept.getresponse().read().startswith(b"2 ")
        assert kept.sock is sock
        assert replies == []
        (in_place.root / "go").touch()
        request.join()
        assert replies[0].status == 200
        assert replies[0].text.startswith("1 ")
        wait_for(lambda: len(interpreters(in_place)) == 1, "the old one's end")


def change(server: Server, content: str) -> None:
    """Change a module in one step: a file that is written in place is seen twice, empty and whole."""
    server.write("parts/number.new", content).replace(server.www / "parts/number.py")


def test_changed_files_replace_their_interpreters_and_broken_ones_do_not(start_server: StartServer, kind: str) -> None:
    server = start_server("PythonInterpReload On\n" + CONF.replace("Off", "On"), FILES, mode="foreground",
                          backend=kind, workers=2)  # fmt: skip
    with load(server, "/", clients=2, keep_alive=True) as clients:
        assert number(server) == "1"
        await_everywhere(server)
        change(server, NUMBER % 22)
        wait_for(lambda: server.log().count("recycled '") == 1, "the replacement")
        assert {number(server) for _ in range(6)} == {"22"}
        change(server, "NUMBER = ][\n")
        server.wait_for_log("what was there stays")
        assert {number(server) for _ in range(6)} == {"22"}
        change(server, NUMBER % 333)
        wait_for(lambda: server.log().count("recycled '") == 2, "the replacement")
        assert {number(server) for _ in range(6)} == {"333"}
        assert clients.failures == []
    assert server.log().count("what was there stays") == 1


def test_always_lets_broken_code_in_and_the_next_change_mends_it(start_server: StartServer, kind: str) -> None:
    server = start_server("PythonInterpReload Always\nPythonDebug On\n" + CONF, FILES, mode="foreground",
                          backend=kind, workers=1)  # fmt: skip
    assert number(server) == "1"
    change(server, "NUMBER = ][\n")
    wait_for(lambda: server.get("/").status == 500, "the error")
    reply = server.get("/")
    assert (reply.status, "SyntaxError" in reply.text) == (500, True)
    server.wait_for_log("app can't be loaded: SyntaxError: ")
    change(server, NUMBER % 333)
    wait_for(lambda: server.get("/").status == 200, "the mended code")
    assert number(server) == "333"


@pytest.fixture(params=BACKENDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind."""
    found: str = request.param
    return found


def test_reload_in_a_server_of_one_process(start_server: StartServer) -> None:
    conf = "PythonInterpReload On\n" + CONF
    for backend in IN_PLACE:
        server = start_server(conf, FILES, mode="one", backend=backend)
        assert number(server) == "1"
        change(server, NUMBER % 22)
        wait_for(lambda server=server: number(server) == "22", "the new code")  # type: ignore[misc]


def test_an_interpreter_is_replaced_after_its_requests(start_server: StartServer, kind: str) -> None:
    server = start_server("PythonInterpMaxRequests 20\n" + CONF, FILES, mode="foreground", backend=kind)
    with load(server, "/", clients=2, keep_alive=True) as clients:
        born: set[str] = set()

        def three() -> bool:
            born.add(server.get("/").text)
            return len(born) >= 3

        wait_for(three, "three interpreters")
        assert clients.failures == []


def test_an_idle_interpreter_ends_and_comes_back(start_server: StartServer) -> None:
    for backend in IN_PLACE:
        server = start_server(
            CONF + "<Location /a/>\nPythonInterpIdleTimeout 300ms\n</Location>\n", FILES, mode="foreground",
            backend=backend,
        )  # fmt: skip
        with server.connection() as kept:
            for path in ("/a/", "/b/"):
                kept.request("GET", path)
                kept.getresponse().read()
            kept.request("GET", "/a/")
            kept.getresponse().read()
            sock = kept.sock
            wait_for(
                lambda server=server: [i["name"] for i in interpreters(server)] == ["b"],  # type: ignore[misc]
                "the end of a",
            )
            kept.request("GET", "/a/")
            assert kept.getresponse().status == 200
            assert kept.sock is sock


def test_the_least_recently_used_one_makes_room(start_server: StartServer) -> None:
    for backend in IN_PLACE:
        server = start_server("PythonInterpMax 2\n" + CONF, FILES, mode="foreground", backend=backend)
        for path in ("/a/", "/b/", "/a/", "/c/"):
            assert number(server, path) == "1"
            # (one that has answered but not come to its end is busy, and stays)
            wait_for(
                lambda server=server: all(i["state"] == "_" for i in interpreters(server)),  # type: ignore[misc]
                "the request's end",
            )
        wait_for(
            lambda server=server: sorted(i["name"] for i in interpreters(server)) == ["a", "c"],  # type: ignore[misc]
            "the end of b",
        )
        assert number(server, "/b/") == "1"


def test_requests_that_overlap_survive_a_recycling(start_server: StartServer) -> None:
    for backend in IN_PLACE:
        server = start_server(CONF, FILES, mode="foreground", backend=backend, mpm="worker", threads=4)
        with load(server, "/", clients=4, keep_alive=True) as clients:
            server.write("parts/number.py", NUMBER % 22)
            server.command("--recycle", "localhost")
            assert {number(server) for _ in range(4)} == {"22"}
            clients.more()
            assert clients.failures == []
        wait_for(lambda server=server: len(interpreters(server)) == 1, "the old one's end")  # type: ignore[misc]


@pytest.mark.skipif("own" not in IN_PLACE, reason="only own interpreters on 3.14 and later end in their worker")
def test_past_the_limit_the_worker_is_replaced(start_server: StartServer) -> None:
    server = start_server("PythonInterpRecycleLimit 2\n" + CONF, FILES, mode="foreground", backend="own")
    with load(server, "/", clients=2) as clients:
        worker = server.workers()[0].pid
        for _ in range(3):
            server.command("--recycle", "localhost")
        server.wait_for_log("PythonInterpRecycleLimit")
        wait_for(lambda: [p.pid for p in server.workers()] not in ([worker], []), "another worker")
        wait_for(lambda: worker not in [p.pid for p in server.workers()], "the end of the first")
        clients.more()
        assert clients.failures == []


def test_a_server_of_one_process_has_no_control_socket(start_server: StartServer) -> None:
    server = start_server(CONF, FILES, mode="one", backend="main")
    done = server.command("--recycle", "all", check=False)
    assert done.returncode == 1
    assert "-X" in done.stderr
