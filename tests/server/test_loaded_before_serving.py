"""A worker that others stand in for serves when it has loaded what PythonImport names: nobody waits for that."""

from __future__ import annotations

import contextlib
import os
import threading

import psutil
import pytest

from conftest import StartServer
from support.server import BACKENDS, EACH_AND_THREADS, Server
from support.waiting import wait_for

CONF = """\
Include      "${ROOT}/release.conf"
PythonPath   "sys.path + ['${WWW}']"
PythonImport slow site
<Location />
    SetHandler        mod_python
    PythonHandler     app
    PythonInterpreter site
</Location>
"""

#: Says that it is being loaded, and waits for its leave where there is something to wait for.
SLOW = """\
import os
here = os.path.dirname(__file__)
with open(os.path.join(here, "begun"), "a") as begun:
    begun.write("x")
if os.path.exists(os.path.join(here, "gate")):
    open(os.path.join(here, "gate"), "rb").read()
"""

APP = """\
from mod_python import apache

def handler(req):
    import slow
    req.write(req.get_options()["release"])
    return apache.OK
"""


def release(server: Server, name: str) -> None:
    """Change the configuration."""
    (server.root / "release.conf").write_text(f"PythonOption release {name}\n")


def begun(server: Server) -> int:
    """How often `slow` was begun to be loaded."""
    return len((server.www / "begun").read_text())


def await_release_two(server: Server) -> None:
    """Wait: a worker that is told to go may have a client by then, whom it serves."""
    wait_for(lambda: server.get("/").text == "two", "the new configuration to be in effect")


def check(server: Server, *command: str) -> None:
    """Another generation comes, whose loading takes its time: the former one answers until that is over."""
    gate, before = server.www / "gate", begun(server)
    os.mkfifo(gate)
    release(server, "two")
    done = threading.Thread(target=server.command, args=command)
    done.start()
    wait_for(lambda: begun(server) > before, "it to begin")
    for _ in range(10):
        assert server.get("/").text == "one"
    assert done.is_alive()
    while done.is_alive():  # let all go that wait
        with contextlib.suppress(OSError):  # (nobody waits just now)
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
        done.join(0.01)
    gate.unlink()
    await_release_two(server)


def begin(start_server: StartServer, kind: str, mpm: str) -> Server:
    """A server of one worker, which answers "one": nothing is being loaded there any more."""
    files = {"app.py": APP, "slow.py": SLOW, "begun": "", "../release.conf": "PythonOption release one\n"}
    server = start_server(CONF, files, mode="daemon", backend=kind, mpm=mpm, workers=1)
    assert server.get("/").text == "one"
    return server


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_a_restart(start_server: StartServer, kind: str, mpm: str) -> None:
    server = begin(start_server, kind, mpm)
    check(server, "-k", "graceful")


def test_an_upgrade(start_server: StartServer) -> None:
    server = begin(start_server, BACKENDS[0], "prefork")
    check(server, "-k", "upgrade")
    server.master = psutil.Process(int(server.pid_file.read_text()))


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("auto", "raise ValueError('faulty')"),
        ("auto", "import readline"),
        ("process", "raise ValueError('faulty')"),
        ("process", "import os; os._exit(1)"),
        ("main", "raise ValueError('faulty')"),
    ],
)
def test_what_can_not_be_loaded_keeps_nobody(start_server: StartServer, kind: str, module: str) -> None:
    """It is logged, moved to a process, or ends in that: the new generation serves without it at once."""
    server = begin(start_server, kind, "prefork")
    (server.www / "slow.py").write_text(f"{module}\n")
    (server.www / "app.py").write_text(APP.replace("    import slow\n", ""))
    release(server, "two")
    said = server.command("-k", "graceful").stderr
    name = "main_interpreter" if kind == "main" else "site"
    assert (f"but not loaded: {name}; the error log says why" in said) == ("readline" not in module)
    assert "this worker serves" not in server.log()
    if "_exit" not in module:
        await_release_two(server)
