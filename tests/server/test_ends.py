"""The end of workers and interpreters: what applications registered for it runs, and nothing hangs or crashes."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import Counter

import pytest

from conftest import StartServer
from support.processes import alive, descendants, describe
from support.server import BACKENDS, Mode, Server
from support.waiting import PATIENCE, wait_for

CONF = """
<Location />
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
<Location /other/>
    PythonInterpreter other
</Location>
"""

APP = """
import atexit
import os
import threading
import time
from mod_python import apache

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def note(text):
    with open(os.path.join(ROOT, "ended"), "a") as file:
        file.write(text + "\\n")


def handler(req):
    req.content_type = "text/plain"
    if req.uri.endswith("/register"):
        name = req.interpreter
        req.server.register_cleanup(req, note, "server " + name)
        apache.register_cleanup(note, "apache " + name)
        atexit.register(note, "atexit " + name)
    elif req.uri == "/linger":
        atexit.register(time.sleep, 1)
    elif req.uri == "/thread":
        threading.Thread(target=time.sleep, args=(60,)).start()
    elif req.uri == "/wait":
        note("waiting")
        time.sleep(0.8)  # (of the three seconds that it has)
    elif req.uri == "/stuck":
        note("stuck")
        time.sleep(60)
    req.write("done", 0)
    return apache.OK
"""

#: What must not be in any log: Python's complaints of what is left at the end, and crashes.
WRONG = (
    "remaining subinterpreters",
    "Fatal Python error",
    "exit signal",
    "RuntimeWarning",
    "did not end in time",
)


@pytest.fixture(params=BACKENDS)
def server(request: pytest.FixtureRequest, start_server: StartServer) -> Server:
    """One worker of each kind, that waits two seconds for requests when it ends gracefully."""
    return start_server("GracefulShutdownTimeout 2\n" + CONF, {"app.py": APP}, mode="foreground", backend=request.param)


def ended(server: Server) -> list[str]:
    """What was noted."""
    path = server.root / "ended"
    return path.read_text().splitlines() if path.exists() else []


def unharmed(server: Server) -> None:
    """Nobody complained of the end."""
    assert [text for text in WRONG if text in server.said()] == []


def test_what_was_registered_runs_when_the_worker_ends(server: Server) -> None:
    assert server.get("/register").status == 200
    assert server.get("/thread").status == 200  # a thread that goes on ends with the process
    server.stop()
    assert sorted(ended(server)) == [f"{what} localhost" for what in ("apache", "atexit", "server")]
    unharmed(server)


def is_main(server: Server) -> bool:
    """Whether its applications run in the workers' main interpreters."""
    return 'BACKEND "main"' in server.conf.read_text()


@pytest.mark.parametrize("mode", ["one", "foreground"])
@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGWINCH])
def test_the_server_ends_after_its_last_interpreter(
    start_server: StartServer, mode: Mode, kind: str, number: signal.Signals
) -> None:
    server = start_server(CONF, {"app.py": APP}, mode=mode, backend=kind)
    assert server.get("/linger").status == 200
    assert server.master is not None and server.process is not None
    others = descendants(server.master)
    server.send(number)
    assert server.process.wait(PATIENCE) == 0
    assert [describe(process) for process in others if alive(process)] == []
    unharmed(server)


TOGETHER = """
import atexit
import os
import time

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "ended")


def note(text, open=open):
    with open(PATH, "a") as file:
        file.write(text + "\\n")


def leave():
    note("here")
    while open(PATH).read().count("here") < COUNT:
        time.sleep(0.01)
    note("together")


class Kept:
    def __del__(self, note=note):
        note("destroyed")


KEPT = Kept()


def handler(req):
    req.server.register_cleanup(req, note, "cleaned up")
    atexit.register(leave)
    return 0
"""


@pytest.mark.parametrize("kind", [kind for kind in BACKENDS if kind != "main"])
def test_interpreters_end_beside_each_other_and_are_not_destroyed(start_server: StartServer, kind: str) -> None:
    count = 6
    places = "".join(f"<Location /{n}>\nPythonInterpreter i{n}\n</Location>\n" for n in range(count))
    app = TOGETHER.replace("COUNT", str(count))
    server = start_server(CONF + places, {"app.py": app}, mode="foreground", backend=kind)
    for number in range(count):
        assert server.get(f"/{number}").status == 200
    server.stop()
    assert Counter(ended(server)) == {"cleaned up": count, "here": count, "together": count}
    unharmed(server)


def test_a_request_that_runs_is_answered_before_the_end(server: Server) -> None:
    server.get("/register")
    replies = []
    request = threading.Thread(target=lambda: replies.append(server.get("/wait")))
    request.start()
    wait_for(lambda: "waiting" in ended(server), "the request to run")
    server.stop()
    request.join()
    assert [reply.text for reply in replies] == ["done"]
    assert len(ended(server)) == 4
    unharmed(server)


def test_a_request_that_does_not_end_is_ended_after_its_time(server: Server) -> None:
    server.get("/register")
    if not is_main(server):
        server.get("/other/register")
    with server.dial() as stuck:
        stuck.sendall(b"GET /stuck HTTP/1.0\r\n\r\n")
        wait_for(lambda: "stuck" in ended(server), "the request to run")
        began = time.monotonic()
        server.stop(signal.SIGWINCH)
        assert time.monotonic() - began < 20
    if not is_main(server):  # nobody else has to do without its end
        assert sorted(ended(server)) == ["apache other", "atexit other", "server other", "stuck"]
    assert "Fatal Python error" not in server.said()


@pytest.mark.parametrize(
    "kind",
    [kind for kind in BACKENDS if kind == "process" or (kind == "own" and sys.version_info >= (3, 14))],
)
def test_what_was_registered_runs_when_an_interpreter_is_replaced(start_server: StartServer, kind: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=kind)
    server.get("/register")
    server.command("--recycle", "localhost")
    wait_for(lambda: len(ended(server)) == 3, "the end of the old one")
    assert server.get("/register").text == "done"
    server.stop()
    assert len(ended(server)) == 6
    unharmed(server)
