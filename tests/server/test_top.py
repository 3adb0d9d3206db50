"""``mpserver --top``: once into a pipe, and again and again on a terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from conftest import StartServer
from mpserver.cli import top
from support.held import HOLD, held
from support.server import BACKENDS, Server
from support.waiting import PATIENCE, wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
SetHandler mod_python
PythonHandler app
"""

APP = f"""{HOLD}
from mod_python import apache


def handler(req):
    if req.uri == "/[red]wait":
        open(os.path.join(ROOT, "waiting"), "w").close()
        hold()
    req.write("x")
    return 500 if req.uri == "/fail" else apache.OK
"""


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> Server:
    return start_module_server(CONF, {"app.py": APP}, mode="foreground", backend=BACKENDS[0])


def test_once_into_a_pipe(server: Server) -> None:
    for path in ("/", "/", "/fail"):
        server.get(path)
    with held(server, "/[red]wait"):
        wait_for((server.root / "waiting").exists, "a request to stay")
        wait_for(lambda: "/[red]wait" in server.command("--top", "--once").stdout, "the request to be shown")
        text = server.command("--top").stdout  # (a pipe is no terminal)
    assert server.master is not None
    first, second, titles, *rows = text.splitlines()
    assert re.fullmatch(rf"mpserver/\S+, pid {server.master.pid}, up \d+ \w+; load [\d.]+ [\d.]+ [\d.]+", first.strip())
    assert re.search(
        r"1 workers, 1 busy, [\d.]+M resident; \d+ connections; \d+ requests, .*/s \(since the start\)", second
    )
    assert titles.split()[:4] == ["INTERPRETER", "KIND", "LIVE", "REQ/S"]
    assert any(row.split()[:3] == ["localhost", server.backend, "1"] for row in rows)
    assert any(re.search(r"\d\.\d +0 +localhost +GET /\[red\]wait HTTP/1\.1", row) for row in rows)
    assert "\x1b" not in text


def test_on_a_terminal_it_follows(server: Server) -> None:
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "mpserver", "-f", str(server.conf), "--top"]
    process = subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "150", "LINES": "40"},
    )  # fmt: skip
    os.close(slave)
    seen = bytearray()

    def shown(pattern: bytes) -> bool:
        seen.extend(os.read(master, 65536))
        return re.search(pattern, seen) is not None

    try:
        wait_for(lambda: shown(rb"since the start"), "the first look")
        seen.clear()
        server.get("/")
        wait_for(lambda: shown(rb"[1-9]\d* requests, [\d.]+/s; [\d.]+\w?/s\s"), "the next one")
        assert b"since the start" not in seen
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize("disposition", [signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "ignored"])
def test_an_interrupt_that_python_drops_ends_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, disposition: signal.Handlers
) -> None:
    """What is raised as an object is finalized goes nowhere."""
    looks = 0

    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def look(pid_file: str) -> dict[str, Any]:
        nonlocal looks
        looks += 1
        assert looks < 10, "it goes on"
        if looks == 2:
            Finalized()
        return found

    found = top.look(str(server.pid_file))
    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: dropped.append(told.exc_type))
    monkeypatch.setattr(top, "look", look)
    monkeypatch.setattr(top, "EVERY", 0.01)
    former = signal.signal(signal.SIGINT, disposition)
    try:
        top.follow(Console(file=StringIO(), force_terminal=True, width=120), "")
        assert signal.getsignal(signal.SIGINT) == disposition
    finally:
        signal.signal(signal.SIGINT, former)
    assert (looks, dropped) == (2, [KeyboardInterrupt])


def test_what_is_missing_is_told(server: Server, tmp_path: os.PathLike[str]) -> None:
    (package := server.root / "without" / "rich").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ModuleNotFoundError('rich')\n")
    words = [sys.executable, "-m", "mpserver", "-f", str(server.conf), "--top"]
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(package.parent)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "mpserver --top needs rich: pip install 'mpserver[top]'\n"


def test_once_goes_with_top(server: Server) -> None:
    done = server.command("--once", check=False)
    assert done.returncode == 1
    assert "once goes with --top" in done.stderr
