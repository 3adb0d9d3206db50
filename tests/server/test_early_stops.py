"""A server that is told to stop while it starts ends as any other: soon, and with nothing left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.server import BACKENDS, Mode, Server, listens
from support.waiting import PATIENCE

CONF = """
PythonPath "sys.path+['${WWW}']"
PythonImport app app
<Location />
    SetHandler mod_python
    PythonHandler app
    PythonInterpreter app
</Location>
"""

APP = """
def handler(req):
    req.write("served")
    return 0
"""

#: Up to when a server has started: from the port that it opens first to what it does last.
MOMENTS: dict[str, Callable[[Server], object]] = {
    "port": Server.listens,
    "pid": lambda server: server.pid_file.exists(),
    "log": lambda server: server.log(),
    "child": lambda server: server.master is not None and server.master.children(),
    "answer": lambda server: server.listens() and server.get("/").text == "served",
}

#: What no log of it has.
WRONG = ("Traceback", "did not end in time", "still in a request", "exit signal", "failed")


def as_soon_as(name: str, server: Server) -> None:
    """Look nearly without a pause, for the next moment is another one."""
    until = time.monotonic() + PATIENCE
    while not MOMENTS[name](server):
        assert server.process is not None
        assert server.process.poll() is None, server.said()
        assert time.monotonic() < until, name
        time.sleep(0.001)


@pytest.mark.parametrize("mode", ["one", "foreground"])
@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_it_ends_and_leaves_nothing(tmp_path: Path, mode: Mode, kind: str, mpm: str) -> None:
    moments = [name for name in MOMENTS if (mode, name) != ("one", "child")]  # (there its children are others')
    with ExitStack() as servers:
        for name in moments[mpm == "worker" :: 2]:
            server = Server(tmp_path / name, CONF, {"app.py": APP}, mode=mode, backend=kind, mpm=mpm)
            servers.callback(server.close)
            server.launch()
            process = server.process
            assert process is not None
            as_soon_as(name, server)
            server.stop(signal.SIGINT if name == "log" else signal.SIGTERM)
            assert (name, process.returncode) == (name, 0), server.said()
            assert [*server.pid_file.parent.iterdir()] == [], name
            assert [text for text in WRONG if text in server.said()] == [], server.said()
            assert not listens(server.port), name
