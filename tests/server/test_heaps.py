"""However many interpreters and threads a worker has, the C library keeps but few heaps for them, and little free."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.system import heaps
from support.processes import arenas
from support.server import BACKENDS
from support.waiting import PATIENCE, wait_for

#: How many heaps there may be, and how many interpreters: more than that.
MOST = max(heaps.HEAPS, len(os.sched_getaffinity(0)))
INTERPRETERS = MOST + 8

CONF = "".join(
    f"""
<Location /{number}>
    SetHandler mod_python
    PythonHandler app
    PythonInterpreter application-{number}
    PythonPath "sys.path + ['${{WWW}}']"
</Location>
"""
    for number in range(INTERPRETERS)
)

SCATTER = """
<Location />
    SetHandler mod_python
    PythonHandler app::scatter
    PythonPath "sys.path + ['${WWW}']"
</Location>
"""

APP = """
import os
import sys
import time
from mod_python import apache

kept = []


def handler(req):
    kept.extend(bytes(5000) for _ in range(100))
    req.content_type = "text/plain"
    req.write(f"{os.getpid()} {'ctypes' in sys.modules}", 0)
    return apache.OK


def scatter(req):
    kept[:] = [bytes(20_000) for _ in range(5000)]
    kept[:] = [block for number, block in enumerate(kept) if not number % 20]
    with open("/proc/self/statm") as file:
        pages = file.read().split()[1]
    until = time.process_time() + 1.5
    while time.process_time() < until:
        pass
    req.write(f"{os.getpid()} {pages}", 0)
    return apache.OK
"""


@pytest.mark.skipif("own" not in BACKENDS, reason="Python 3.11 has none of the kind own")
@pytest.mark.parametrize(("mode", "mpm"), [("foreground", "worker"), ("one", "prefork")])
def test_interpreters_share_them(start_server: StartServer, mode: str, mpm: str) -> None:
    """That costs the interpreters no module."""
    server = start_server(CONF, {"app.py": APP}, mode=mode, mpm=mpm, backend="own", threads=2)
    said = {server.get(f"/{number}").text for number in range(INTERPRETERS)}
    assert len(said) == 1, said
    process, loaded = said.pop().split()
    assert loaded == "False"
    assert arenas(int(process)) < MOST


@pytest.mark.long
@pytest.mark.parametrize("backend", sorted({*BACKENDS} - {"process"}))
@pytest.mark.parametrize(("mode", "mpm"), [("foreground", "worker"), ("one", "prefork")])
def test_what_is_free_between_blocks_is_given_back(
    start_server: StartServer, backend: str, mode: str, mpm: str
) -> None:
    """What an application has left free, its worker gives back by itself."""
    server = start_server(SCATTER, {"app.py": APP}, mode=mode, mpm=mpm, backend=backend, threads=2)
    process, before = map(int, server.get("/").text.split())
    wait_for(lambda: before - pages(process) > 20 << 20 >> 12, "the memory to be less", heaps.EVERY + PATIENCE)


def pages(process: int) -> int:
    """How many pages of memory a process has."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1])
