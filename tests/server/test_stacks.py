"""``mpserver --stacks``: where the threads of an interpreter are, while it is in requests."""

from __future__ import annotations

import sys

import pytest

from conftest import StartServer
from support.held import HOLD, held
from support.server import EACH_IN_BOTH, Server
from support.waiting import wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
"""

APP = f"""{HOLD}
import threading
from mod_python import apache


def stays_here(req):
    open(os.path.join(ROOT, "waiting"), "w").close()
    hold()


def handler(req):
    if req.uri.startswith("/wait"):
        stays_here(req)
    req.write("x")
    return apache.OK
"""


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids=str)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    kind, mpm = request.param
    return start_module_server(CONF, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm)


def name_of(server: Server) -> str:
    """The name of its interpreter."""
    return "main_interpreter" if server.backend == "main" else "localhost"


def can_look(server: Server) -> bool:
    """Whether this Python can look at stacks there."""
    return server.backend != "own" or sys.version_info >= (3, 14, 8)


def test_a_request_that_stays_is_found(server: Server) -> None:
    (server.root / "waiting").unlink(missing_ok=True)
    with held(server, "/wait?long", 3):  # (under prefork two of them wait for the first)
        wait_for((server.root / "waiting").exists, "a request to stay")
        said = server.command("--stacks", name_of(server)).stdout
        again = server.command("--stacks", name_of(server)).stdout
    assert f"==== worker 0, interpreter '{name_of(server)}' of the kind {server.backend} (pid " in said
    for text in (said, again):
        if can_look(server):
            assert "in request GET /wait?long HTTP/1.1\n" in text
            assert "in stays_here\n" in text
        else:
            assert "can't look at stacks beside subinterpreters" in text


def test_one_without_requests_is_idle(server: Server) -> None:
    assert server.get("/").status == 200
    said = server.command("--stacks", name_of(server)).stdout
    assert "in request" not in said
    assert "did not answer" not in said
    assert ("thread " in said) == can_look(server) or server.backend == "own"


def test_an_unknown_one_is_told(server: Server) -> None:
    done = server.command("--stacks", "nobody", check=False)
    assert done.returncode == 1
    assert "no worker has an interpreter 'nobody': --status lists them" in done.stderr
