"""The server as the first process of a container, whose number is 1: its commands find it, and it starts again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.processes import descendants, end
from support.server import Server
from support.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None
    or shutil.which("nsenter") is None
    or subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode != 0,
    reason="no number spaces for processes can be made here",
)


@contextlib.contextmanager
def contained(server: Server) -> Iterator[psutil.Process]:
    """The server in a container, as it is seen from outside."""
    words = [sys.executable, "-m", "mpserver", "-f", str(server.conf), "-DFOREGROUND"]
    with (server.root / "console.txt").open("ab") as console:
        outer = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *words],
            stdout=console, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        control = server.pid_file.with_suffix(".control")
        wait_for(lambda: control.exists() or outer.poll() is not None, "the server to start")
        assert outer.poll() is None, server.said()
        [first] = psutil.Process(outer.pid).children()
        yield first
    finally:
        end({psutil.Process(outer.pid), *descendants(psutil.Process(outer.pid))} if outer.poll() is None else ())
        outer.wait(PATIENCE)


def inside(first: psutil.Process, server: Server, *words: str) -> tuple[int, str]:
    """What a command says in the container, and its status."""
    done = subprocess.run(
        ["nsenter", "--target", str(first.pid), "--pid", "--mount", sys.executable, "-m", "mpserver", *words,
         "-f", str(server.conf)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_its_commands_find_it_and_it_starts_again(tmp_path: Path) -> None:
    server = Server(tmp_path, "", {"index.html": "x"}, mode="foreground")
    try:
        with contained(server) as first:
            assert server.pid_file.read_text() == "1\n"
            assert inside(first, server, "-k", "graceful") == (0, "")
            assert inside(first, server, "-k", "reopen") == (0, "")
            assert inside(first, server, "-k", "start") == (0, "mpserver (pid 1) already running\n")
            assert "first process of its container" in inside(first, server, "-k", "upgrade")[1]
            first.kill()  # (the container's files stay, and with them the pid file)
            first.wait(PATIENCE)
        server.pid_file.with_suffix(".control").unlink()
        with contained(server) as first:
            assert server.get("/index.html").text == "x"
            first.send_signal(signal.SIGTERM)
            wait_for(lambda: not server.pid_file.exists(), "its end")
    finally:
        server.close()
