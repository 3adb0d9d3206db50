"""A module of PythonImport that takes long at the first start: it is told which, where, and for how long."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server, receive_all
from support.waiting import PATIENCE, wait_for

CONF = """
ManagementListen unix:${ROOT}/run/management
PythonPath "sys.path + ['${WWW}']"
PythonImport slow::begin site
PythonInterpPreload Off
"""

#: In the interpreter whose GIL is the worker's, it keeps that one.
SLOW = """
import ctypes

def begin():
    if HOLDS:
        ctypes.PyDLL(None).open(b"GATE", 0)
    else:
        open("GATE", "rb").close()
"""

#: So that the tests need not wait as long as people would.
SOON = """
from mpserver.supervisor import late_imports
late_imports.LONG, late_imports.TOLD_AFTER, late_imports.AGAIN = 0.05, 0.1, 0.3
"""


def readiness(server: Server) -> str:
    """What /readyz says."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(server.root / "run" / "management"))
        sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        return receive_all(sock).decode().partition("\r\n\r\n")[2]


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_it_is_told_until_it_is_over(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mpm: str
) -> None:
    (soon := tmp_path / "soon").mkdir()
    (soon / "sitecustomize.py").write_text(SOON)
    monkeypatch.setenv("PYTHONPATH", str(soon))
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = SLOW.replace("HOLDS", str(kind == "main")).replace("GATE", str(gate))
    if kind != "main":  # (not every Python has it in a subinterpreter)
        slow = slow.replace("import ctypes", "")
    server = start_server(CONF, {"slow.py": slow}, backend=kind, mpm=mpm, mode="foreground")
    name = "main_interpreter" if kind == "main" else "site"
    # (whose GIL it has may have said before that it serves)
    shown = re.compile(rf"(no worker serves yet|not loaded): {name} has been importing slow::begin for \d+ s\n")
    wait_for(lambda: shown.fullmatch(readiness(server)), f"the reason\n{server.log()}")
    told = re.compile(
        rf"interpreter '{name}' of worker 0 \(pid \d+\) has been importing slow::begin \(PythonImport\) for \d+ seconds"
    )
    wait_for(lambda: len(told.findall(server.log())) >= 2, f"the log to tell it, and again\n{server.log()}")
    gate.write_bytes(b"")
    wait_for(lambda: readiness(server) == "ready\n", f"its end\n{server.log()}")
