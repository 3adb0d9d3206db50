"""What of a running server somebody has removed: a restart makes its files anew; what it needs no more may be gone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from support.server import receive_all
from support.waiting import PATIENCE, wait_for


def ask(file: Path) -> bytes:
    """What is answered at a socket file."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(file))
        sock.sendall(b"GET /index.html HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return receive_all(sock)


@pytest.mark.parametrize("how", ["graceful", "restart", "upgrade"])
def test_its_files_are_made_again(start_server: StartServer, how: str) -> None:
    server = start_server("Listen unix:run/site.sock\n", {"index.html": "page"}, mode="daemon")
    assert server.master is not None
    run = server.pid_file.parent
    control, site = run / "mpserver.control", run / "site.sock"
    site.unlink()
    if how == "upgrade":
        server.command("-k", "upgrade")
        server.master = psutil.Process(int(server.pid_file.read_text()))
    else:
        server.pid_file.unlink()
        control.unlink()
        server.send(signal.SIGUSR1 if how == "graceful" else signal.SIGHUP)
        wait_for(lambda: server.pid_file.exists() and control.exists(), "the files to be there again")
        assert int(server.pid_file.read_text()) == server.master.pid
    wait_for(site.exists, "the socket")
    assert ask(site).endswith(b"page")
    assert server.command("--status").stdout.startswith("mpserver/")
    server.command("-k", "stop")
    assert os.listdir(run) == []


def test_a_socket_is_made_again_after_a_restart_that_was_off(start_server: StartServer) -> None:
    """What that one had made goes with it, and is in nobody's way."""
    server = start_server("Listen unix:run/site.sock\n", {"index.html": "page"}, mode="daemon")
    site, configuration = server.pid_file.parent / "site.sock", server.conf.read_text()
    site.unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.conf.write_text(f"{configuration}\nManagementListen 127.0.0.1:{taken.getsockname()[1]}\n")
        refused = server.command("-k", "graceful", check=False)
        assert (refused.returncode, "Address already in use" in refused.stderr) == (1, True), refused.stderr
    server.conf.write_text(configuration)
    server.command("-k", "graceful")
    assert ask(site).endswith(b"page")
    server.command("-k", "stop")
    assert not site.exists()
    server.master = None


def test_the_pid_file_of_another_one_stays(start_server: StartServer) -> None:
    """It has taken the place of ours: a restart takes nothing from it."""
    server = start_server("", {"index.html": "page"}, mode="daemon")
    other = start_server("", {"index.html": "other"}, mode="daemon")
    assert server.master is not None
    control = server.pid_file.with_suffix(".control")
    shutil.copy(other.pid_file, server.pid_file)
    control.unlink()
    server.send(signal.SIGUSR1)
    wait_for(lambda: server.log().count("resuming normal operations") == 2, "the restart")
    assert server.get("/index.html").text == "page"
    assert server.pid_file.read_text() == other.pid_file.read_text()
    assert not control.exists()


def test_a_stop_needs_no_folder_of_the_configuration(start_server: StartServer) -> None:
    server = start_server("", {"index.html": "page"}, mode="daemon")
    shutil.rmtree(server.www)
    refused = server.command("-k", "graceful", check=False)
    assert (refused.returncode, "DocumentRoot" in refused.stderr) == (1, True)
    assert "pid" in server.command("--status").stdout
    server.command("-k", "reopen")
    server.command("-k", "stop")
    server.master = None


def test_a_folder_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    for name in (b"run", b"logs"):
        os.mkdir(folder + b"/" + name)
    conf = folder + b"/site.conf"
    with open(conf, "wb") as file:
        file.write(
            b'ServerRoot "%s"\nPidFile run/site.pid\nErrorLog logs/error.log\nListen unix:run/site.sock\n'
            b"ServerName localhost\nUser root\n" % folder
        )

    def command(*words: str) -> tuple[int, bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "mpserver", "-f", conf, *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    assert command("-k", "start") == (0, b"")
    try:
        status, said = command("-k", "start")
        assert (status, said.endswith(b"already running\n")) == (0, True), said
        assert command("-k", "graceful") == (0, b"")
        assert command("-k", "upgrade") == (0, b"")
        assert folder in command("-S")[1]
    finally:
        assert command("-k", "stop") == (0, b"")
    os.rename(folder + b"/logs", folder + b"/other")
    status, said = command("-k", "start")
    assert (status, said.startswith(b"(2)No such file or directory: AH02291: ")) == (1, True), said
