"""``-k upgrade``: a new master takes the ports over, and no request fails; where it can't serve all stays as it was."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from mpserver.cli import status
from support.load import load
from support.processes import alive
from support.server import BACKENDS, EACH_AND_THREADS, Mode, Port, Server, receive_until
from support.waiting import PATIENCE, wait_for

CONF = """
KeepAliveTimeout 60
Listen unix:run/site.sock
ManagementListen unix:${ROOT}/run/management
PythonPath "sys.path+['${WWW}']"
SetHandler mod_python
PythonHandler app
"""

APP = """
import os
import time

from mod_python import apache

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def handler(req):
    if req.uri == "/wait":
        open(os.path.join(ROOT, "waiting"), "w").close()
        while not os.path.exists(os.path.join(ROOT, "go")):
            time.sleep(0.005)
    req.set_content_length(1)
    req.write("x")
    return apache.OK
"""

ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def pid(server: Server) -> int:
    """The number in the pid file."""
    return int(server.pid_file.read_text())


def ask(file: Path, path: str) -> bytes:
    """An answer that comes by a file."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(file))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return receive_until(sock, b"\r\n\r\n")


def upgrade(server: Server) -> psutil.Process:
    """Upgrade it. :returns: the former master."""
    assert server.master is not None
    former, server.master = server.master, None
    server.command("-k", "upgrade")
    server.master = psutil.Process(pid(server))
    assert server.master != former
    return former


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("keep_alive", [False, True])
def test_no_request_fails(start_server: StartServer, keep_alive: bool, long: bool) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=BACKENDS[0], workers=2)
    former = []
    with load(server, "/", clients=2, keep_alive=keep_alive) as state:
        for _ in range(20 if long else 2):
            former.append(upgrade(server))
            state.more()
    assert state.failures == []
    wait_for(lambda: not any(map(alive, former)), "the former masters to end")
    assert "exit signal" not in server.log()


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_what_is_under_way_is_finished(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=kind, mpm=mpm)
    run = server.root / "run"
    file = (run / "site.sock").stat().st_ino
    replies = []
    client = threading.Thread(target=lambda: replies.append(server.get("/wait")))
    with server.dial() as kept:
        kept.sendall(ASKED)
        receive_until(kept, b"\r\n\r\nx")
        client.start()
        wait_for((server.root / "waiting").exists, "the request to run")
        former = upgrade(server)
        assert alive(former)
        assert server.get("/").text == "x"
        (server.root / "go").touch()
        kept.sendall(ASKED)
        receive_until(kept, b"\r\n\r\nx")
    assert ask(run / "site.sock", "/").startswith(b"HTTP/1.1 200 ")
    assert ask(run / "management", "/readyz").startswith(b"HTTP/1.1 200 ")
    client.join()
    assert [reply.text for reply in replies] == ["x"]
    wait_for(lambda: not alive(former), "the former master to end")
    # what belongs to both is the new one's
    assert (run / "site.sock").stat().st_ino == file
    assert ask(run / "site.sock", "/").startswith(b"HTTP/1.1 200 ")
    assert ask(run / "management", "/readyz").startswith(b"HTTP/1.1 200 ")
    assert server.command("--status", "--json").stdout
    server.command("-k", "graceful")
    server.command("-k", "stop")
    assert list(run.glob("*.sock")) + list(run.glob("m*")) == []
    server.master = None


@pytest.mark.parametrize("mode", ["daemon", "foreground"])
def test_one_that_can_not_serve_leaves_all_as_it_was(start_server: StartServer, mode: Mode) -> None:
    """The configuration is right for the command (which has another Define), and wrong for the server."""
    conf = CONF + "<IfFile run/broken>\nIncludeOptional run/broken\n</IfFile>\n"
    server = start_server(conf, {"app.py": APP}, mode=mode, backend=BACKENDS[0])
    before, file = pid(server), (server.root / "run" / "site.sock").stat().st_ino
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (server.root / "run" / "broken").write_text(f"Listen 127.0.0.1:{taken.getsockname()[1]}\n")
        failed = server.command("-k", "upgrade", check=False)
    assert failed.returncode == 1
    assert "the upgrade failed, the server that ran goes on: (98)Address already in use" in failed.stderr
    (server.root / "run" / "broken").unlink()
    assert pid(server) == before
    assert (server.root / "run" / "site.sock").stat().st_ino == file
    assert server.get("/").text == "x"
    assert ask(server.root / "run" / "site.sock", "/").startswith(b"HTTP/1.1 200 ")
    server.command("-k", "graceful")
    assert server.get("/").text == "x"


@contextlib.contextmanager
def hearing(file: Path) -> Iterator[list[bytes]]:
    """What a service manager is told, as it comes: the kernel keeps a few messages, and others are lost."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(file))

        def hear() -> None:
            while said := told.recv(4096):
                heard.append(said)

        thread = threading.Thread(target=hear)
        thread.start()
        try:
            yield heard
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", str(file))
            thread.join()


def test_in_the_foreground_the_service_manager_hears_of_it(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hearing(tmp_path / "notify") as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")
        server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=BACKENDS[0])
        monkeypatch.delenv("NOTIFY_SOCKET")
        monkeypatch.delenv("WATCHDOG_USEC")
        former = upgrade(server)
        main = b"MAINPID=%d" % pid(server)
        wait_for(lambda: main in heard, "the new main process to be told")
        assert b"READY=1\n" + main in heard[: heard.index(main)]
        wait_for(lambda: not alive(former), "the former master to end")
        before = len(heard)
        wait_for(lambda: b"WATCHDOG=1" in heard[before:], "the new one to be told to be alive")
        assert b"STOPPING=1" not in heard
        server.stop(signal.SIGTERM)
        wait_for(lambda: b"STOPPING=1" in heard, "its end to be told")


def test_one_that_can_not_be_reached_leaves_all_as_it_was(start_server: StartServer) -> None:
    """The file of its control socket can't be made: a server that takes no commands would be no upgrade."""
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=BACKENDS[0])
    before, run = pid(server), server.root / "run"
    control = run / "mpserver.control"
    # (one that begins when somebody reads its log)
    blocks = server.root / "blocks"
    os.mkfifo(blocks)
    server.conf.write_text(server.conf.read_text() + f"<IfDefine !QUICK>\nCustomLog {blocks} %U\n</IfDefine>\n")
    answers = []
    client = threading.Thread(target=lambda: answers.append(server.command("-DQUICK", "-k", "upgrade", check=False)))
    client.start()
    assert server.master is not None
    former = server.master
    [new] = wait_for(lambda: starting(server), "the new master")
    # (a service manager takes a process for the service's main one only where that is not another's child)
    wait_for(lambda: new.ppid() not in {process.pid for process in (former, *former.children())}, "it to be an orphan")
    # meanwhile the logs are nobody's to reopen: it may have opened the former ones
    [told] = status.ask(str(server.pid_file), {"command": "reopen"}, PATIENCE)
    assert told == {"why": "an upgrade is under way", "again": True}
    control.unlink()
    control.mkdir()
    with blocks.open("rb"):
        client.join()
    [failed] = answers
    assert failed.returncode == 1
    assert "the upgrade failed, the server that ran goes on: " in failed.stderr
    assert f"could not make the control socket {control}" in failed.stderr
    wait_for(lambda: not alive(new), "the new master to end")
    assert pid(server) == before
    assert server.get("/").text == "x"
    for name in ("site.sock", "management"):
        assert ask(run / name, "/readyz").startswith(b"HTTP/1.1 200 ")
    assert sorted(path.name for path in run.glob("mpserver.*")) == ["mpserver.control", "mpserver.pid"]


def test_one_whose_pid_file_is_a_third_servers_leaves_all_as_it_was(start_server: StartServer) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=BACKENDS[0])
    third = start_server("", {"index.html": "third"}, mode="daemon", backend=BACKENDS[0])
    before, its, text = pid(server), pid(third), server.conf.read_text()

    def to(file: Path) -> tuple[int, str]:
        server.conf.write_text(f"{text}PidFile {file}\n")
        done = server.command("-c", "PidFile run/mpserver.pid", "-k", "upgrade", check=False)
        return done.returncode, done.stderr

    status_of, said = to(third.pid_file)
    assert status_of == 1
    assert f"PidFile {third.pid_file} is that of a running server (pid {its}" in said
    assert (pid(server), pid(third)) == (before, its)
    assert (server.get("/").text, third.get("/index.html").text) == ("x", "third")
    server.master, former = None, server.master
    server.pid_file = server.root / "run" / "other.pid"
    assert to(server.pid_file) == (0, "")
    server.master = psutil.Process(pid(server))
    assert server.master != former
    wait_for(lambda: not (server.root / "run" / "mpserver.pid").exists(), "the former one to remove its file")
    assert server.get("/").text == "x"


def test_a_stop_ends_both(start_server: StartServer) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=BACKENDS[0])
    assert server.master is not None
    # (one that never comes to serve: it waits for somebody who reads its log)
    blocks = server.root / "blocks"
    os.mkfifo(blocks)
    server.conf.write_text(server.conf.read_text() + f"<IfDefine !QUICK>\nCustomLog {blocks} %U\n</IfDefine>\n")
    client = threading.Thread(target=lambda: server.command("-DQUICK", "-k", "upgrade", check=False))
    client.start()
    former = server.master
    [new] = wait_for(lambda: starting(server), "the new master")
    former.terminate()
    wait_for(lambda: not alive(former) and not alive(new), "both to end")
    client.join()
    server.master = None


def starting(server: Server) -> list[psutil.Process]:
    """The master that is to take over, while it begins: it has its command line still, later its title."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if process != server.master and str(server.conf) in words and "upgrade" not in words:
            found.append(process)
    return found


def test_strangers_names_get_nothing_from_the_new_one_either(start_server: StartServer) -> None:
    """ManagementListen at an address of this machine is asked by that address: a page in a browser has another name."""
    port = Port()
    conf = CONF.replace("unix:${ROOT}/run/management", f"127.0.0.1:{port.number}")
    server = start_server(conf, {"app.py": APP}, mode="daemon", backend=BACKENDS[0])

    def asked(host: str) -> int:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port.number, timeout=PATIENCE)) as connection:
            connection.request("GET", "/status.json", headers={"Host": host})
            return connection.getresponse().status

    assert (asked("localhost"), asked("stranger.example")) == (200, 403)
    server.command("-k", "upgrade")
    server.master = psutil.Process(pid(server))
    assert (asked("localhost"), asked("stranger.example")) == (200, 403)
    server.stop()
    port.release()


def test_one_process_has_none(start_server: StartServer) -> None:
    server = start_server(CONF.replace("ManagementListen", "#"), {"app.py": APP}, backend=BACKENDS[0])
    failed = server.command("-k", "upgrade", check=False)
    assert failed.returncode == 1
    assert "has no control socket" in failed.stderr


def test_a_restart_that_can_not_have_its_places_leaves_all_as_it_was(start_server: StartServer) -> None:
    """The same for a new configuration, whose workers serve but which nobody could reach: restarts say so, too."""
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=BACKENDS[0])
    run, text = server.root / "run", server.conf.read_text()
    (run / "other.control").mkdir()
    before = pid(server)

    def graceful(more: str) -> tuple[int, str]:
        server.conf.write_text(text + more)
        done = server.command("-c", "PidFile run/mpserver.pid", "-k", "graceful", check=False)
        return done.returncode, done.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status_of, said = graceful(f"PidFile run/other.pid\nManagementListen unix:{run}/elsewhere\n")
        assert status_of == 1
        assert "the old configuration stays in effect: " in said
        assert f"could not make the control socket {run}/other.control" in said
        status_of, said = graceful(f"ManagementListen 127.0.0.1:{port}\n")
        assert status_of == 1
        assert f"ManagementListen could not bind to 127.0.0.1:{port}: is it in use?" in said
        # (a signal is told nothing, and changes as little)
        server.send(signal.SIGHUP)
        server.wait_for_log("SIGHUP received.  Attempting to restart")
        told = "is it in use?: the restart is off, the old configuration stays in effect"
        wait_for(lambda: server.log().count(told) == 2, "both refusals in the log")
    assert pid(server) == before
    names = sorted(path.name for path in run.iterdir())
    assert names == ["management", "mpserver.control", "mpserver.pid", "other.control", "site.sock"]
    for name in ("site.sock", "management"):
        assert ask(run / name, "/readyz").startswith(b"HTTP/1.1 200 ")
    (run / "other.control").rmdir()
    assert graceful("PidFile run/other.pid\n") == (0, "")
    assert int((run / "other.pid").read_text()) == before
    assert sorted(path.name for path in run.iterdir()) == ["management", "other.control", "other.pid", "site.sock"]
    assert server.get("/").text == "x"
