"""What an application starts may outlive its request and its process: nobody waits for that."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

APP = """
import atexit
import multiprocessing
import os
import signal
import subprocess
import time
from mod_python import apache

PIDS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pids")


def note(pid):
    with open(PIDS, "a") as file:
        file.write(f"{pid}\\n")


def sleeps():
    time.sleep(60)
    os._exit(0)


def handler(req):
    req.content_type = "text/plain"
    how = req.uri[1:]
    if how == "system":
        os.system(f"sleep 60 & echo $! >> {PIDS}")
    elif how == "spawn":
        note(os.posix_spawn("/bin/sleep", ["sleep", "60"], os.environ))
    elif how == "popen":
        note(subprocess.Popen(["sleep", "60"], close_fds=False).pid)
    elif how == "fork":
        pid = os.fork()
        if pid == 0:
            sleeps()
        note(pid)
    elif how == "multiprocessing":
        child = multiprocessing.get_context("fork").Process(target=sleeps)
        child.start()
        note(child.pid)
    elif how == "hang":
        atexit.register(time.sleep, 60)
    elif how == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    req.write(str(os.getpid()), 0)
    return apache.OK
"""

CONF = """
<Location />
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
"""

#: No test waits as long as what was started lives.
SOON = 20.0

WAYS = ("system", "spawn", "popen", "fork", "multiprocessing")


@pytest.fixture
def server(request: pytest.FixtureRequest, start_server: StartServer) -> Iterator[Server]:
    """One whose interpreters are processes; what they started ends with the test."""
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend="process", mpm=request.param)
    yield server
    path = server.root / "pids"
    for line in path.read_text().split() if path.exists() else ():
        try:
            os.kill(int(line), signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.parametrize("server", ["prefork", "worker"], indirect=True)
def test_the_end_of_a_process_is_its_own(server: Server) -> None:
    """A crash is noticed, and the server ends, whatever was started lives on."""
    threaded = 'Define MPM "worker"' in server.conf.read_text()
    for way in WAYS:
        first = server.get(f"/{way}").text
        with server.dial() as idle:
            idle.sendall(f"GET /{way} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert server.get("/crash").status == 500
            idle.sendall(b"GET /pid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = idle.recv(65536)
            # (with threads the answer may be here a moment before the connection counts as kept)
            kept = answer.startswith(b"HTTP/1.1 200 ") or (answer == b"" and threaded)
            assert kept, "a kept connection is served by the next one"
        assert server.get("/pid").text != first
    server.get("/fork")
    server.send(signal.SIGWINCH)
    assert server.process is not None
    assert server.process.wait(SOON) == 0


@pytest.mark.parametrize("kind", [kind for kind in BACKENDS if kind != "main"])
def test_atexit_functions_that_hang_end_with_a_warning(start_server: StartServer, kind: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=kind)
    assert server.get("/hang").status == 200
    began = time.monotonic()
    workers = server.workers()
    server.send(signal.SIGHUP)
    wait_for(lambda: not any(worker.is_running() for worker in workers), "the old worker to end")
    server.wait_for_log("still in a request at the end: localhost")
    assert server.get("/hang").status == 200
    server.stop()
    assert time.monotonic() - began < SOON
    assert server.log().count("still in a request at the end: localhost") == 2
