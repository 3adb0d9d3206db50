"""ManagementListen: the master answers by itself, when every worker is stuck, and while the server ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.held import HOLD, held, let_go
from support.metrics import parse_openmetrics, parse_prometheus
from support.processes import alive
from support.server import BACKENDS, Port, Server, receive_all
from support.waiting import PATIENCE, wait_for

CONF = """
LoadModule status_module modules/mod_status.so
ServerName managed.test:80
ManagementListen 127.0.0.1:${MANAGEMENT}
PythonPath "sys.path+['${WWW}']"
PythonImport app app
PythonInterpreter app
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
"""

APP = f"""{HOLD}
from mod_python import apache

while os.path.exists(os.path.join(ROOT, "loading")):
    time.sleep(0.005)


def handler(req):
    if req.uri == "/wait":
        hold()
    req.write("x")
    return apache.OK
"""


class Managed:
    """A server and where its master answers."""

    def __init__(self, server: Server, port: int) -> None:
        self.server, self.port = server, port

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        """A request: the status and the text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()

    def raw(self, data: bytes) -> bytes:
        """Bytes as they are."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
            sock.sendall(data)
            return receive_all(sock)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port for the master."""
    reserved = Port()
    yield reserved.number
    reserved.release()


@pytest.fixture(scope="module", params=BACKENDS)
def managed(request: pytest.FixtureRequest, start_module_server: StartServer, port: int) -> Iterator[Managed]:
    """A server of each kind."""
    server = start_module_server(
        CONF, {"app.py": APP}, mode="foreground", backend=request.param, variables={"MANAGEMENT": str(port)}
    )
    found = Managed(server, port)
    wait_for(lambda: found.ask("/readyz")[0] == 200, "the application")
    yield found
    server.stop()  # (the next one has the port, too)


def test_it_answers_while_every_worker_is_stuck(managed: Managed) -> None:
    server = managed.server
    assert server.get("/").status == 200
    with held(server, "/wait", 2):
        wait_for(lambda: "GET /wait" in managed.ask("/status.json")[1], "the request")
        try:
            for worker in server.workers():
                worker.suspend()
            assert managed.ask("/livez") == (200, "ok\n")
            assert managed.ask("/readyz") == (200, "ready\n")
            assert managed.ask("/livez", "HEAD") == (200, "")
            assert json.loads(managed.ask("/status.json")[1])["pid"] == (server.master.pid if server.master else 0)
            families = {family.name: family for family in parse_prometheus(managed.ask("/metrics")[1])}
            assert families["mpserver_worker_threads"].samples
            accept = "application/openmetrics-text; version=1.0.0"
            openly = parse_openmetrics(managed.ask("/metrics", Accept=accept)[1])
            assert {family.name for family in openly} == set(families)
        finally:
            for worker in server.workers():
                worker.resume()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /livez HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (b"GET /livez?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /livez HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\nHost: a\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"x" * 9000, 431),
    ],
)
def test_it_is_strict(managed: Managed, data: bytes, status: int) -> None:
    assert managed.raw(data).startswith(f"HTTP/1.1 {status} ".encode())


def test_who_says_nothing_holds_nobody_up(managed: Managed) -> None:
    with contextlib.ExitStack() as silent:
        for _ in range(40):
            silent.enter_context(socket.create_connection(("127.0.0.1", managed.port), timeout=PATIENCE))
        assert managed.ask("/livez") == (200, "ok\n")
        assert managed.server.get("/").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/status.json", "/nothing"])
def test_names_of_strangers_get_nothing(managed: Managed, path: str) -> None:
    """A page in a browser on this machine can lead a name of its own here."""
    for host in ("rebound.example", "rebound.example:80", "127.0.0.1.rebound.example", "localhost.rebound.example"):
        status, text = managed.ask(path, Host=host)
        assert (status, text) == (403, "this is for who asks by an address or by localhost\n")
    for host in (f"127.0.0.1:{managed.port}", "localhost", "LOCALHOST.:80", "a.localhost", "[::1]", "10.1.2.3", "box"):
        assert managed.ask(path, Host=host)[0] == (404 if path == "/nothing" else 200)
    assert managed.raw(f"GET {path} HTTP/1.0\r\n\r\n".encode()).startswith(
        b"HTTP/1.1 404 " if path == "/nothing" else b"HTTP/1.1 200 "
    )


def test_whoever_asks_learns_whether_it_is_alive(managed: Managed) -> None:
    for path in ("/livez", "/readyz"):
        assert managed.ask(path, Host="balanced.example")[0] == 200


def test_counts_stay_over_the_death_of_workers_and_restarts(managed: Managed) -> None:
    def value(name: str) -> int:
        found = (family for family in parse_prometheus(managed.ask("/metrics")[1]) if family.name == name)
        return sum(int(sample.value) for family in found for sample in family.samples)

    for _ in range(3):
        managed.server.get("/")
    before = wait_for(lambda: value("mpserver_requests") if value("mpserver_requests") >= 3 else 0, "the counts")
    crashes = value("mpserver_worker_crashes")
    killed = managed.server.workers()[0]
    killed.kill()
    wait_for(lambda: value("mpserver_worker_crashes") == crashes + 1, "the crash to be counted")
    assert value("mpserver_requests") >= before
    restarts, former = value("mpserver_restarts"), managed.server.workers()
    managed.server.send(signal.SIGHUP)
    wait_for(lambda: value("mpserver_restarts") == restarts + 1, "the restart")
    wait_for(lambda: not any(map(alive, former)), "the former workers to end")
    wait_for(lambda: managed.ask("/readyz")[0] == 200, "it to be ready again")
    assert value("mpserver_requests") >= before
    managed.server.get("/")
    wait_for(lambda: value("mpserver_requests") >= before + 1, "the next to be counted")


def test_ready_means_loaded_and_not_ending(start_server: StartServer) -> None:
    reserved = Port()
    started = start_server(
        CONF + "GracefulShutdownTimeout 60\n", {"app.py": APP, "../loading": ""}, mode="foreground",
        variables={"MANAGEMENT": str(reserved.number)},
    )  # fmt: skip
    managed = Managed(started, reserved.number)
    try:
        status, text = managed.ask("/readyz")
        assert (status, text) in ((503, "not loaded: app\n"), (503, "no worker serves yet\n"))
        (started.root / "loading").unlink()
        wait_for(lambda: managed.ask("/readyz") == (200, "ready\n"), "the application")
        request = threading.Thread(target=started.get, args=("/wait",))
        request.start()
        wait_for(lambda: "GET /wait" in managed.ask("/status.json")[1], "the request")
        for worker in started.workers():
            worker.suspend()  # so that the end takes as long as we like
        started.send(signal.SIGTERM)
        wait_for(lambda: _is_unready(managed), "the drain to be told")
        for worker in started.workers():
            worker.resume()
        let_go(started)
        request.join()
    finally:
        reserved.release()


def _is_unready(managed: Managed) -> bool:
    try:
        return managed.ask("/readyz") == (503, "the server ends\n")
    except OSError:
        return True  # (on a busy machine it has ended before we came to ask)


def test_who_could_not_be_loaded_is_not_ready(start_server: StartServer) -> None:
    conf = CONF.replace("127.0.0.1:${MANAGEMENT}", "unix:${ROOT}/run/management")
    server = start_server(conf, {"app.py": "raise KeyError('broken')"}, mode="foreground")
    server.wait_for_log("KeyError: 'broken'")

    def told() -> bool:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(server.root / "run" / "management"))
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = receive_all(sock)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        return answer.endswith(b"\r\n\r\nnot loaded: app\n")

    wait_for(told, "why it is not ready")


def test_at_a_socket_file(start_server: StartServer) -> None:
    conf = CONF.replace("127.0.0.1:${MANAGEMENT}", "unix:${ROOT}/run/management")
    server = start_server(conf, {"app.py": APP}, mode="foreground")
    file = server.root / "run" / "management"
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(file))
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert receive_all(sock).endswith(b"\r\n\r\nok\n")
    server.stop()
    assert not file.exists()


def test_an_address_in_use_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(
            tmp_path, CONF, {"app.py": APP}, mode="foreground", variables={"MANAGEMENT": str(taken.getsockname()[1])}
        )
        try:
            done = server.command("-DFOREGROUND", check=False)
            assert done.returncode == 1
            assert "ManagementListen could not bind to 127.0.0.1:" in done.stderr
        finally:
            server.close()
