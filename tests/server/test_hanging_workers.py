"""WorkerTimeout: a worker that hangs is replaced, and the log says where it hung; the watchdog of systemd."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.system.systemd import Notifier
from support.server import BACKENDS
from support.waiting import PATIENCE, wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
"""

#: A request for /hang keeps the GIL and returns to no interpreter: the worker's own, where it is of the kind main.
APP = """
import os
import time

from mod_python import apache


def hang_here():
    import ctypes  # (3.12 has none for an interpreter with its own GIL)
    ctypes.PyDLL(None).sleep(60)


def handler(req):
    if req.uri == "/hang":
        hang_here()
    elif req.uri == "/busy":
        time.sleep(4.5)
    req.write(str(os.getpid()))
    return apache.OK
"""


def test_a_worker_that_hangs_is_replaced_and_tells_where(start_server: StartServer) -> None:
    server = start_server("WorkerTimeout 2\n" + CONF, {"app.py": APP}, mode="foreground", backend="main")
    assert server.get("/").status == 200
    [worker] = server.workers()
    client = threading.Thread(target=lambda: server.raw(b"GET /hang HTTP/1.0\r\n\r\n"))
    client.start()
    server.wait_for_log(f"worker 0 (pid {worker.pid}) has not answered for 2 seconds (WorkerTimeout): it is replaced")
    client.join()
    wait_for(lambda: [other.pid for other in server.workers()] not in ([], [worker.pid]), "another worker")
    assert server.get("/").status == 200
    log = server.wait_for_log("with it ended the request in interpreter 'main_interpreter': GET /hang HTTP/1.0")
    assert "in hang_here" in log
    assert "AH00046" in log


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_worker_that_is_busy_is_left_alone(start_server: StartServer, kind: str) -> None:
    server = start_server("WorkerTimeout 3\n" + CONF, {"app.py": APP}, mode="foreground", backend=kind)
    assert server.get("/").status == 200
    [worker] = server.workers()
    assert server.get("/busy").status == 200
    assert [other.pid for other in server.workers()] == [worker.pid]
    assert "WorkerTimeout" not in server.log()


def test_the_watchdog_hears_of_workers_that_get_on(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=BACKENDS[0], workers=2)
        for _ in range(2):
            while told.recv(4096) != b"WATCHDOG=1":
                pass
        wait_for(lambda: len(server.workers()) == 2, "both workers")
        for worker in server.workers():
            worker.suspend()
        try:
            # (one that was sent before they stopped may be on its way)
            wait_for(lambda: not _beats(told, 1.0), "the watchdog to hear nothing")
            assert server.master is not None
            server.workers()[0].resume()
            assert _beats(told, PATIENCE), "one worker is enough"
        finally:
            for worker in server.workers():
                worker.resume()
        server.stop(signal.SIGTERM)


def _beats(told: socket.socket, patience: float) -> bool:
    """Whether the watchdog hears something within so many seconds."""
    until = time.monotonic() + patience
    while (left := until - time.monotonic()) > 0:
        told.settimeout(left)
        try:
            if told.recv(4096) == b"WATCHDOG=1":
                return True
        except TimeoutError:
            return False
    return False


@pytest.mark.parametrize(
    ("environ", "watchdog"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_whom_the_watchdog_is_for(environ: dict[str, str], watchdog: float) -> None:
    assert Notifier.take({**environ, "NOTIFY_SOCKET": "/nowhere"}).watchdog == watchdog
    assert Notifier.take(dict(environ)).watchdog == 0.0
