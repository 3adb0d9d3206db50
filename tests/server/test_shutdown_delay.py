"""ShutdownDelay: a server that is to end tells load balancers first, serves on meanwhile, and loses nobody."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from support.held import HOLD, held, let_go
from support.processes import alive, descendants, end
from support.server import BACKENDS, EACH_AND_THREADS, Port, Server, listens, receive_until
from support.waiting import PATIENCE, wait_for

CONF = """
ShutdownDelay ${DELAY}
GracefulShutdownTimeout 20
KeepAliveTimeout 60
ManagementListen 127.0.0.1:${MANAGEMENT}
PythonPath "sys.path+['${WWW}']"
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
"""

APP = """
import subprocess

from mod_python import apache


def handler(req):
    if req.uri == "/orphan":
        subprocess.run(["sh", "-c", "sleep 0.01 &"], check=True)
    req.set_content_length(1)
    req.write("x")
    return apache.OK
"""

ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def management() -> Iterator[int]:
    """A port for the master."""
    reserved = Port()
    yield reserved.number
    reserved.release()


def ready(port: int) -> str:
    """What a load balancer hears: "ready", why not, or "" where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().read().decode().strip()
        except OSError:
            return ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGWINCH])
def test_it_is_not_ready_but_serves_until_it_is_told_again(
    start_server: StartServer, management: int, number: signal.Signals
) -> None:
    server = start_server(
        CONF,
        {"app.py": APP},
        mode="foreground",
        backend=BACKENDS[0],
        variables={"MANAGEMENT": str(management), "DELAY": "600"},
    )
    wait_for(lambda: ready(management) == "ready", "the server to be ready")
    server.send(number)
    wait_for(lambda: ready(management) == "the server ends", "the end to be told")
    for word in (signal.SIGUSR1, signal.SIGHUP):
        server.send(word)  # nothing new is begun
    [worker] = server.workers()
    worker.kill()
    wait_for(lambda: any(other.pid != worker.pid for other in server.workers()), "another worker")
    with server.dial() as client:
        for _ in range(3):
            client.sendall(ASKED)
            assert b"\r\nConnection: close" not in receive_until(client, b"\r\n\r\nx")
    assert "estart" not in server.log().partition("shutting down gracefully in 600 seconds (ShutdownDelay)")[2]
    assert server.pid_file.exists()
    server.stop(number)
    how = "" if number == signal.SIGTERM else " gracefully"
    assert f"caught {number.name}, shutting down{how}\n" in server.log()


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_who_asks_only_a_ready_server_is_always_answered(
    start_server: StartServer, management: int, kind: str, mpm: str
) -> None:
    server = start_server(
        CONF, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, workers=2,
        variables={"MANAGEMENT": str(management), "DELAY": "3"},
    )  # fmt: skip
    wait_for(lambda: ready(management) == "ready", "the server to be ready")
    failed: list[BaseException] = []
    answered = [0, 0]

    def ask(client: int) -> None:
        while ready(management) == "ready":
            try:
                assert server.get("/").status == 200
            except BaseException as error:
                failed.append(error)
                return
            answered[client] += 1

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(len(answered))]
    with server.dial() as kept:
        kept.sendall(ASKED)
        receive_until(kept, b"\r\n\r\nx")
        for client in clients:
            client.start()
        wait_for(lambda: min(answered) > 5, "some answers")
        done = threading.Thread(target=server.command, args=("-k", "stop"))
        done.start()
        for client in clients:
            client.join()
        assert failed == []
        wait_for(lambda: not listens(server.port), "the port to close")
        kept.sendall(ASKED)
        assert b"\r\nConnection: close" in receive_until(kept, b"\r\n\r\nx")
    done.join()
    assert server.process is not None
    assert server.process.wait(PATIENCE) == 0
    assert "SIGKILL" not in server.log()


def test_who_says_stop_waits_for_what_is_served_after_it(start_server: StartServer, management: int) -> None:
    """The end is a graceful one, and takes as long as GracefulShutdownTimeout lets it."""
    app = f"{HOLD}\n{APP}".replace(
        'if req.uri == "/orphan":', 'if req.uri == "/wait":\n        hold()\n    if req.uri == "/orphan":'
    )
    variables = {"MANAGEMENT": str(management), "DELAY": "100ms"}
    server = start_server(CONF, {"app.py": app}, mode="daemon", backend=BACKENDS[0], variables=variables)
    code = "from mpserver.cli import main; main.STOP_PATIENCE = 0.2; main.sys.exit(main.main())"
    with held(server, "/wait"):
        wait_for(lambda: '"W"' in server.command("--status", "--json").stdout, "the request to begin")
        words = [sys.executable, "-c", code, "-f", str(server.conf), "-k", "stop"]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as stopping:
            wait_for(lambda: not server.pid_file.exists(), "the graceful end to begin")
            with contextlib.suppress(subprocess.TimeoutExpired):
                stopping.wait(0.5)  # (longer than it would wait without that)
            let_go(server)
            assert stopping.communicate(timeout=PATIENCE)[1] == ""
            assert stopping.returncode == 0
    server.master = None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGWINCH])
def test_one_process_serves_on_as_well(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server(
        CONF.replace("ManagementListen", "#"), {"app.py": APP}, backend=BACKENDS[0], variables={"DELAY": "4"}
    )
    server.send(number)
    server.wait_for_log("shutting down gracefully in 4 seconds (ShutdownDelay)")
    assert server.get("/").status == 200
    assert server.process is not None
    assert server.process.wait(PATIENCE) == 0


def test_a_service_that_begins_ends_when_it_is_told(tmp_path: Path) -> None:
    """The unit's signal means nothing to a process by itself: without more the service would be killed in the end."""
    conf, begun = tmp_path / "httpd.conf", tmp_path / "begun"
    os.mkfifo(begun)
    (tmp_path / "app.py").write_text(f"open({str(begun)!r}, 'w').close()\nopen({str(begun)!r}).read()\n")
    conf.write_text(
        f"ServerRoot {tmp_path}\nPythonPath \"sys.path+['{tmp_path}']\"\n"
        "<Location />\nSetHandler mod_python\nPythonHandler app\n</Location>\n"
    )
    words = [sys.executable, "-m", "mpserver", "--load", "-DFOREGROUND", "-f", str(conf)]
    with subprocess.Popen(words, env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}) as process:
        begun.read_bytes()  # (the application is being loaded)
        process.send_signal(signal.SIGWINCH)
        assert process.wait(PATIENCE) == 0
        with contextlib.suppress(OSError):  # (it may be gone already)
            os.close(os.open(begun, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode != 0,
    reason="no number spaces for processes can be made here",
)
def test_as_the_first_process_of_a_container(tmp_path: Path, management: int) -> None:
    """There signals without handlers are lost, and processes whose parents are gone are the server's to reap."""
    server = Server(
        tmp_path, CONF, {"app.py": APP}, mode="foreground", backend="process",
        variables={"MANAGEMENT": str(management), "DELAY": "500ms"},
    )  # fmt: skip
    words = [sys.executable, "-m", "mpserver", "-f", str(server.conf), "-DFOREGROUND"]
    contained = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *words])
    try:
        wait_for(lambda: ready(management) == "ready", "the server to be ready")
        [first] = psutil.Process(contained.pid).children()
        assert server.pid_file.read_text() == "1\n"
        for _ in range(3):
            assert server.get("/orphan").status == 200
        wait_for(lambda: _zombies(first) == [], "those without parents to be reaped")
        first.send_signal(signal.SIGTERM)
        wait_for(lambda: ready(management) != "ready", "the end to be told")
        assert contained.wait(PATIENCE) == 0
        assert not server.pid_file.exists()
        assert not alive(first)
    finally:
        if contained.poll() is None:
            end({psutil.Process(contained.pid), *descendants(psutil.Process(contained.pid))})
            contained.wait()
        server.close()


def _zombies(process: psutil.Process) -> list[int]:
    return [child.pid for child in process.children() if _is_zombie(child)]


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # (it is reaped meanwhile)
        return False
