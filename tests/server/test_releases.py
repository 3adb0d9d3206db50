"""Releases of an application side by side: a link says which one is served, and a deploy makes it another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

CONF = """
PythonPath "['${ROOT}/current'] + sys.path"
<Location /reloaded>
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /kept>
    PythonInterpreter kept
    PythonAutoReload Off
    SetHandler mod_python
    PythonHandler app
</Location>
"""

APP = """
from mod_python import apache

RELEASE = "%s"


def handler(req):
    req.write(RELEASE)
    return apache.OK
"""

#: When each release was made: one that is rolled back to is older, and those that were unpacked may be of one age.
RELEASES = {"first": 1_700_000_000, "second": 1_700_000_000, "third": 1_700_005_000}


def switch(server: Server, release: str) -> None:
    """Deploy a release: the link is another one, at once."""
    new = server.root / "next"
    new.symlink_to(Path("releases", release))
    new.rename(server.root / "current")


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_switched_link_is_noticed(start_server: StartServer, kind: str) -> None:
    files = {f"../releases/{name}/app.py": APP % name for name in RELEASES}
    server = start_server(CONF, files, backend=kind, mode="daemon")
    for name, made in RELEASES.items():
        os.utime(server.root / "releases" / name / "app.py", (made, made))
    switch(server, "first")
    assert [server.get(path).text for path in ("/reloaded", "/kept")] == ["first", "first"]
    for release in ("second", "third", "first"):
        before = server.get("/kept").text
        switch(server, release)
        wait_for(lambda release=release: server.get("/reloaded").text == release, f"{release} to be served")  # type: ignore[misc]
        # (in one interpreter both have the one module)
        assert kind == "main" or server.get("/kept").text == before
        server.command("-k", "graceful")
        # (a worker that is told to go may have a client by then whom it serves)
        wait_for(lambda release=release: server.get("/kept").text == release, f"{release} to be kept")  # type: ignore[misc]
    switch(server, "third")
    name = "main_interpreter" if kind == "main" else "kept"
    server.command("--recycle", name)
    wait_for(lambda: server.get("/kept").text == "third", "third to be kept")
