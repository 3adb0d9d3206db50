"""A server of one process (-X): what an application in it meets of the processes around it."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Mode, Server

CONF = """
PythonInterpBackend ${KIND}
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/process">
    PythonInterpBackend process
    PythonInterpreter process
</Directory>
"""

APP = """
import os
import subprocess
from mod_python import apache

def handler(req):
    if req.args == "wait":
        try:
            req.write(repr(os.waitpid(-1, 0)))
        except ChildProcessError as error:
            req.write("no child")
    elif req.args == "own":
        program = subprocess.Popen(["true"])
        pid, status = os.waitpid(-1, 0)
        program.returncode = status
        req.write(str(pid == program.pid and not status))
    else:
        req.write(apache._runtime.current().kind)
    return apache.OK
"""


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One for each kind and MPM."""
    kind, mpm = request.param
    files: dict[str, str | bytes] = {"app.py": APP, "x": "", "process/x": "", "process/app.py": APP}
    return start_module_server(CONF, files, backend=kind, mpm=mpm, mode="one", variables={"KIND": kind})


def test_an_application_may_wait_for_its_children(server: Server) -> None:
    """There are none but its own, whether processes run beside or not."""
    for _round in range(2):
        assert server.get("/x?wait").text == "no child"
        assert server.get("/x?own").text == "True"
        assert server.get("/process/x").text == "process"
        assert server.get("/process/x?wait").text == "no child"


HIDDEN = """
import _thread
import os
SERVED_BY = []
def stay():
    SERVED_BY.append(os.getpid())
    asleep.acquire()
asleep = _thread.allocate_lock()
asleep.acquire()
_thread.start_new_thread(stay, ())
while not SERVED_BY:
    os.stat("/")

def handler(req):
    req.write(str(SERVED_BY == [os.getpid()]))
    return 0
"""


@pytest.mark.parametrize("mode", ["one", "foreground"])
def test_threads_that_hide_are_where_the_requests_are(start_server: StartServer, mode: Mode) -> None:
    """A module that starts some, as debuggers do, is loaded after the fork: a fork would leave them behind."""
    server = start_server(
        CONF, {"app.py": HIDDEN, "x": ""}, backend="process", mode=mode, variables={"KIND": "process"}
    )
    assert server.get("/x").text == "True"
