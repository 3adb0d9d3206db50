"""An interpreter that can't start, for whatever reason: who waits for it gets an error at once, and all goes on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import BACKENDS, Reply, Server
from support.waiting import wait_for

APP = """
from mod_python import apache


def handler(req):
    req.write("served", 0)
    return apache.OK
"""

CONF = """
PythonPath "sys.path + ['${WWW}']"
SetHandler mod_python
PythonHandler app
PythonInterpreter first
<Location /other>
    PythonInterpreter other
</Location>
"""

#: Makes the system refuse what the file FAULT names, in whatever process of the server.
SITE = """
import errno
import os
import socket
import sys
import threading


REAL = object()


def on(fault):
    try:
        with open(os.environ["FAULT"]) as file:
            return file.read() == fault
    except OSError:
        return False


def failing(fault, real, fail):
    def call(*arguments, **options):
        if on(fault):
            result = fail(*arguments)
            if result is not REAL:
                return result
        return real(*arguments, **options)
    return call


def raising(error):
    def fail(*_arguments):
        raise error
    return fail


def refusing(*names):
    def fail(thread):
        if thread.name.startswith(names):
            raise RuntimeError("can't start new thread")
        return REAL
    return fail


start = failing("thread", threading.Thread.start, refusing("create ", "main_interpreter"))
threading.Thread.start = failing("helper", start, refusing("offloader of "))
socket.socketpair = failing("descriptors", socket.socketpair, raising(OSError(errno.EMFILE, "Too many open files")))
os.fork = failing("fork", os.fork, raising(BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")))
os.memfd_create = failing("memory file", os.memfd_create, raising(OSError(errno.ENOMEM, "Cannot allocate memory")))

if sys.version_info >= (3, 12):
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
        name = "exec"
    else:
        import _xxsubinterpreters as interpreters
        name = "run_string"
    real = getattr(interpreters, name)
    interpreters.create = failing("memory", interpreters.create, raising(MemoryError()))
    setattr(interpreters, name, failing("silence", failing(
        "script", real, lambda number, script: real(number, "raise LookupError('no such thing')")
    ), lambda *_arguments: None))
"""

#: What the log says of each fault, by the kinds of interpreters that can have it.
IN_WORKER = {
    "thread": "can't start new thread",
    "helper": "can't start new thread",
    "descriptors": "Too many open files",
}
IN_SUBINTERPRETER = {
    **IN_WORKER,
    "memory": "MemoryError",
    "silence": "not executed to its end",
    "script": "no such thing",
}
IN_PROCESS = {
    "helper": "can't start new thread",
    "descriptors": "Too many open files",
    "fork": "Resource temporarily unavailable",
    "memory file": "Cannot allocate memory",
}
KINDS = (*BACKENDS, *(("shared",) if sys.version_info >= (3, 12) else ()))
FAULTS = {"own": IN_SUBINTERPRETER, "shared": IN_SUBINTERPRETER, "process": IN_PROCESS, "main": IN_WORKER}

#: (Under the worker MPM threads of its own make an interpreter's helpers needless.)
CASES = [
    (kind, name, mpm)
    for kind in KINDS
    for name in FAULTS[kind]
    for mpm in ("prefork", "worker")
    if (name, mpm) != ("helper", "worker")
]

#: "At once", on a machine that does much else; who waits for ever waits longer.
SOON = 10.0


@pytest.fixture
def fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a fault from now on; "" for none."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    file = tmp_path / "fault"
    file.write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("FAULT", str(file))

    def become(name: str) -> None:
        new = file.with_suffix(".new")
        new.write_text(name)
        new.replace(file)

    return become


def at_once(server: Server, path: str, count: int) -> list[Reply]:
    """So many requests at the same time, all of which are answered soon."""
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda: replies.append(server.get(path)), daemon=True) for _ in range(count)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert len(replies) == count, f"{count - len(replies)} of {count} clients still wait\n{server.said()}"
    return replies


@pytest.mark.parametrize(("kind", "name", "mpm"), CASES)
def test_who_waits_for_it_gets_an_error_at_once(
    start_server: StartServer, fault: Callable[[str], None], kind: str, name: str, mpm: str
) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=kind, mpm=mpm, mode="daemon")
    workers = wait_for(server.workers, "the worker")
    fault(name)
    assert {reply.status for reply in at_once(server, "/", 3)} <= {500, 503}
    interpreter = "main_interpreter" if kind == "main" else "first"
    if name == "descriptors":  # (told once a minute, and tried again after a moment)
        server.wait_for_log("the descriptors of this process are used up")
    else:
        log = server.wait_for_log(f"Can't get/create interpreter '{interpreter}' ({kind}): ")
        lines = [line for line in log.splitlines() if "Can't get/create" in line]
        assert all(FAULTS[kind][name] in line for line in lines), log
    # it may be tried again, and nothing of the failure stays
    fault("")
    if name == "descriptors":
        wait_for(lambda: server.get("/").status != 503, "it is tried again")
    assert [reply.text for reply in at_once(server, "/", 3)] == ["served"] * 3, server.said()
    assert server.workers() == workers
    # and the end comes, whatever failed before
    fault(name)
    ends = {200} if kind == "main" else {500, 503}  # (the one that there is serves both)
    assert {reply.status for reply in at_once(server, "/other", 2)} <= ends
    server.stop(signal.SIGWINCH)
    log = server.said()
    assert "internal error" not in log
    assert "Traceback" not in log
    assert "exit signal" not in log
