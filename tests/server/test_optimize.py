"""PythonOptimize (manual 5.4.9): the whole server runs as `python -O`, whatever kind its interpreters are of."""

from __future__ import annotations

import signal

import pytest

from conftest import StartServer
from support.server import BACKENDS, Mode

CONF = """
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
"""
APP = """
from mod_python import apache

def handler(req):
    assert req is None, "asserts are executed"
    req.write("optimized" if not __debug__ else "not optimized")
    return apache.OK
"""
FILES: dict[str, str | bytes] = {"app.py": APP, "x": ""}


@pytest.mark.parametrize(
    ("backend", "mode"),
    [*((backend, "daemon") for backend in BACKENDS), ("main", "one"), ("main", "foreground")],
)
def test_optimized(start_server: StartServer, backend: str, mode: Mode) -> None:
    server = start_server(CONF + "PythonOptimize On\n", FILES, backend=backend, mode=mode)
    assert server.get("/x").text == "optimized"
    server.write("app.py", APP.replace('"optimized"', '"still"'))
    assert server.get("/x").text in ("optimized", "still")


def test_it_acts_at_the_start_only(start_server: StartServer) -> None:
    server = start_server(CONF + "PythonOptimize Off\n", FILES, mode="foreground")
    assert server.get("/x").status == 500
    server.conf.write_text(server.conf.read_text().replace("PythonOptimize Off", "PythonOptimize On"))
    server.send(signal.SIGUSR1)
    server.wait_for_log("PythonOptimize On acts when the server is started")
    assert server.get("/x").status == 500
