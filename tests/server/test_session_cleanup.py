"""Clean-ups of many sessions, beside the requests of each kind of interpreter."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from conftest import StartServer
from mod_python._sessions import records
from support.server import EACH_IN_BOTH
from support.waiting import wait_for

MANY = 300
APP = """
from mod_python import apache, Session
from mod_python._sessions import beside

# a step for each session, from the first on; and on a machine however busy the next one may come at once
beside.AT_ONCE = beside.STEP = 0.0
beside.SHORT = 3600.0


def handler(req):
    if req.args:
        Session.CLEANUP_CHANCE = 1
        beside.REST = float(req.args)
        Session.FileSession(req, timeout=1)
        Session.CLEANUP_CHANCE = 10 ** 9
    req.write("done", 0)
    return apache.OK
"""
CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonOption mod_python.session.database_directory "${ROOT}/run"
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
"""


def fill(folder: Path) -> None:
    """Sessions that ended long ago."""
    ended = records.dump({"_accessed": time.time() - 9999, "_timeout": 1, "_created": 0, "_data": {}})
    for number in range(MANY):
        place = folder / f"{number % 256:02x}"
        place.mkdir(mode=0o700, exist_ok=True)
        path = place / f"{number % 256:02x}{number:030x}"
        path.write_bytes(ended)
        os.utime(path, (1, 1))


@pytest.mark.parametrize(("backend", "mpm"), EACH_IN_BOTH, ids=map("-".join, EACH_IN_BOTH))
def test_requests_go_on(start_server: StartServer, backend: str, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=backend, mpm=mpm)
    (server.root / "run").chmod(0o700)
    folder = server.root / "run/mp_sess"
    folder.mkdir(mode=0o700)
    fill(folder)
    assert server.get("/?0.001").text == "done"
    for _ in range(3):
        assert server.get("/").text == "done"
    server.wait_for_log(f"FileSession cleanup: deleted {MANY} of {MANY}")
    # one that rests keeps no server from ending
    fill(folder)
    assert server.get("/?3600").text == "done"
    wait_for(lambda: server.log().count("FileSession cleanup: (fast=True") == 2, "the second clean-up to begin")
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 30
    assert any(folder.glob("??/*"))
    assert ":error]" not in server.log()
