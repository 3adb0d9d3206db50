"""MaxMemoryPerChild and PythonInterpSoftMemory: who has outgrown them is replaced, and no request fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import StartServer
from support.load import load
from support.server import BACKENDS, Server
from support.waiting import wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
"""

APP = """
import os

from mod_python import apache

KEPT = []


def handler(req):
    if req.uri == "/grow":
        KEPT.append(b"x" * (200 << 20))
    req.write(str(os.getpid()))
    return apache.OK
"""


def others(server: Server, before: set[str]) -> bool:
    """Whether another process serves."""
    return server.get("/").text not in before


@pytest.mark.parametrize("kind", [kind for kind in BACKENDS if kind != "process"])
def test_a_worker_that_has_outgrown_it_is_replaced(start_server: StartServer, kind: str) -> None:
    server = start_server("MaxMemoryPerChild 180M\n" + CONF, {"app.py": APP}, mode="foreground", backend=kind)
    before = {server.get("/").text}
    assert {server.get("/").text for _ in range(5)} == before
    with load(server, "/", clients=1, keep_alive=True) as state:
        assert server.get("/grow").text in before
        wait_for(lambda: others(server, before), "another worker")
        state.more()
    assert state.failures == []
    assert "of memory (MaxMemoryPerChild): it is replaced" in server.log()
    assert "exit signal" not in server.log()


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_an_interpreter_that_has_outgrown_it_is_replaced(start_server: StartServer, mpm: str) -> None:
    """It is a process, whatever the backend: the memory of others can't be told apart."""
    server = start_server("PythonInterpSoftMemory 180M\n" + CONF, {"app.py": APP}, mode="foreground", mpm=mpm)
    before = {server.get("/").text}
    assert str(server.workers()[0].pid) not in before
    assert {server.get("/").text for _ in range(5)} == before
    with load(server, "/", clients=1, keep_alive=True) as state:
        assert server.get("/grow").text in before
        wait_for(lambda: others(server, before), "another interpreter")
        state.more()
    assert state.failures == []
    server.wait_for_log("M of memory, more than PythonInterpSoftMemory")


@pytest.mark.parametrize("line", ["MaxMemoryPerChild 10M", "MaxMemoryPerChild much", "PythonInterpSoftMemory 1M"])
def test_what_is_too_little_is_told(tmp_path: Path, line: str) -> None:
    server = Server(tmp_path, line + "\n")
    try:
        done = server.command("-t", check=False)
        assert done.returncode == 1
        assert "must be a size from 64M on" in done.stderr
    finally:
        server.close()
