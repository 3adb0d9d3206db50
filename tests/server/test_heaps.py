"""However many interpreters and threads a worker has, the C library keeps but few heaps for them."""

from __future__ import annotations

import os

import pytest

from conftest import StartServer
from mpserver.system import heaps
from support.processes import arenas
from support.server import BACKENDS

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

APP = """
import os
import sys
from mod_python import apache

kept = []


def handler(req):
    kept.extend(bytes(5000) for _ in range(100))
    req.content_type = "text/plain"
    req.write(f"{os.getpid()} {'ctypes' in sys.modules}", 0)
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
