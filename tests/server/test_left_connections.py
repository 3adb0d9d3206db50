"""WorkerTimeout: what becomes of the connections of a worker that hangs."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from mpserver.ipc import descriptor_marks, messages
from mpserver.supervisor import rescue
from support.processes import threads
from support.server import EACH_AND_THREADS, EACH_IN_BOTH, MPMS, Server, receive_all, receive_until
from support.waiting import wait_for

CONF = """
WorkerTimeout 5
KeepAliveTimeout 60
LogFormat "%r %>s" short
CustomLog logs/access.log short
PythonPath "sys.path+['${WWW}']"
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
"""

#: A request for /busy tells by a file that it has begun; one for /hang keeps the GIL of its interpreter.
APP = """
import os
import time

from mod_python import apache


def handler(req):
    if req.uri == "/busy":
        open(os.path.join(os.path.dirname(__file__), "begun"), "w").close()
        while not os.path.exists(os.path.join(os.path.dirname(__file__), "go on")):
            time.sleep(0.01)
    elif req.uri == "/hang":
        import ctypes
        ctypes.PyDLL(None).sleep(60)
    req.content_type = "text/plain"
    req.write("answered " + req.uri)
    return apache.OK
"""


def _may_copy() -> bool:
    """Whether descriptors of a child may be copied here: where processes are kept apart it is not to be had."""
    ours, theirs = socket.socketpair()
    code = "import sys; sys.stdin.read()"
    with ours, theirs, subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        marks = descriptor_marks.make()
        try:
            descriptor_marks.write(marks, 0, descriptor_marks.IDLE)
            found = rescue.collect(child.pid, marks)
        except PermissionError:
            return False
        finally:
            os.close(marks)
        for one in found:
            os.close(one.fd)
    return True


pytestmark = pytest.mark.skipif(not _may_copy(), reason="pidfd_getfd is not allowed here")


def _queue(server: Server, client: socket.socket) -> int | None:
    """How much of what a client has sent waits to be read by the server; None: the connection is not accepted."""
    ends = {f"0100007F:{server.port:04X}", f"0100007F:{client.getsockname()[1]:04X}"}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if set(fields[1:3]) == ends and fields[1].endswith(f"{server.port:04X}") and fields[9] != "0":
            return int(fields[4].partition(":")[2], 16)
    return None


def _arrive(server: Server, client: socket.socket, data: bytes) -> None:
    """Send something, and wait until the server has read all that was sent."""
    client.sendall(data)
    wait_for(lambda: _queue(server, client) == 0, "the server to read what a client has sent")


def _suspend(worker: psutil.Process) -> None:
    """Stop a worker, with all its threads: one that is on its way to the stop may still read what comes."""
    worker.suspend()
    wait_for(
        lambda: {stat.rpartition(")")[2].split()[0] for stat in threads(worker.pid, "stat")} == {"T"},
        "all threads of a worker to stop",
    )


@contextlib.contextmanager
def _clients(server: Server, *names: str) -> Iterator[dict[str, socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(server.dial()) for name in names}


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _answer(client: socket.socket, path: str) -> None:
    receive_until(client, f"answered {path}".encode())


def _at_rest(worker: psutil.Process, client: socket.socket) -> None:
    """Wait until a worker has taken note that a client, which has its answer already, has the whole of it."""
    port = client.getsockname()[1]
    [number] = [one.fd for one in worker.net_connections("tcp") if tuple(one.raddr)[1:] == (port,)]

    def at_rest() -> bool:
        for entry in Path(f"/proc/{worker.pid}/fd").iterdir():  # (more than one may be of that memory)
            with contextlib.suppress(FileNotFoundError):  # (and others are closed this moment)
                if "mpserver-descriptors" in os.readlink(entry):
                    with entry.open("rb") as file:
                        return os.pread(file.fileno(), 1, number) == bytes((descriptor_marks.IDLE,))
        return False

    wait_for(at_rest, "a worker to know that a connection is at rest")


@pytest.mark.parametrize(("kind", "mpm"), EACH_IN_BOTH)
def test_connections_of_a_worker_that_hangs_go_to_the_next(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, threads=1)
    [worker] = wait_for(server.workers, "a worker")
    with _clients(server, "kept", "silent", "partial", "busy", "waits") as clients:
        clients["kept"].sendall(_get("/first"))
        _answer(clients["kept"], "/first")
        _arrive(server, clients["silent"], b"")
        _arrive(server, clients["partial"], b"GET /partial HTTP/1.1\r\nHo")
        clients["busy"].sendall(_get("/busy"))
        wait_for((server.www / "begun").exists, "a request to begin")
        _arrive(server, clients["waits"], _get("/waits"))
        _suspend(worker)
        server.write("go on", "")  # (only who is not of that process goes on)
        clients["kept"].sendall(_get("/second"))
        clients["silent"].sendall(_get("/late"))
        server.wait_for_log("(WorkerTimeout): it is replaced")
        _answer(clients["silent"], "/late")
        _answer(clients["kept"], "/second")
        partial = receive_all(clients["partial"])
        assert partial.startswith(b"HTTP/1.1 503 "), partial
        assert b"\r\nRetry-After: 1\r\n" in partial
        if kind == "process":  # (it has a process of its own, which lives on)
            _answer(clients["busy"], "/busy")
            _answer(clients["waits"], "/waits")
        else:
            busy = receive_all(clients["busy"])
            assert busy.startswith(b"HTTP/1.1 500 "), busy
            if mpm == "prefork":  # nobody had read what was in the interpreter's inbox
                _answer(clients["waits"], "/waits")
            else:
                waits = receive_all(clients["waits"])
                assert waits.startswith(b"HTTP/1.1 503 "), waits
    wait_for(lambda: not worker.is_running() or worker.status() == "zombie", "the worker to be gone")
    wait_for(
        lambda: sorted(server.log("access.log").splitlines()) == sorted(_expected(kind, mpm)),
        f"each to have its line: {server.log('access.log')}",
    )


def _expected(kind: str, mpm: str) -> list[str]:
    lines = [f"GET /{path} HTTP/1.1 200" for path in ("first", "second", "late")]
    if kind == "process":
        return [*lines, "- 503", "GET /busy HTTP/1.1 200", "GET /waits HTTP/1.1 200"]
    return [*lines, "- 503", "- 500", "GET /waits HTTP/1.1 200" if mpm == "prefork" else "- 503"]


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_what_others_have_passed_to_it_comes_back(start_server: StartServer, kind: str, mpm: str) -> None:
    """A worker whose interpreter is not there yet gives its connections to one that has it, and hangs."""
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, workers=2)
    wait_for(lambda: len(server.workers()) == 2, "two workers")
    with server.dial() as client:
        client.sendall(_get("/first"))
        _answer(client, "/first")
        [hangs] = [worker for worker in server.workers() if client.getsockname()[1] in _peers(worker)]
        _suspend(hangs)
        with _clients(server, *map(str, range(8))) as clients:
            for name, other in clients.items():
                other.sendall(_get(f"/{name}"))
            server.wait_for_log("(WorkerTimeout): it is replaced")
            for name, other in clients.items():
                _answer(other, f"/{name}")


def _peers(worker: psutil.Process) -> list[int]:
    """The ports of the clients that a worker has."""
    return [one.raddr[1] for one in worker.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]


@pytest.mark.parametrize("mpm", MPMS)
def test_who_keeps_the_lock_of_all_is_told(start_server: StartServer, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend="main", mpm=mpm)
    with _clients(server, "kept", "hangs") as clients:
        clients["kept"].sendall(_get("/first"))
        _answer(clients["kept"], "/first")
        _at_rest(server.workers()[0], clients["kept"])
        clients["hangs"].sendall(_get("/hang"))
        server.wait_for_log("(WorkerTimeout): it is replaced")
        clients["kept"].sendall(_get("/second"))
        _answer(clients["kept"], "/second")
        answer = receive_all(clients["hangs"])
    assert answer.startswith(b"HTTP/1.1 500 "), answer
    server.wait_for_log("connections of worker 0, which hung, go to other workers")


def test_what_a_dead_worker_leaves() -> None:
    """What marks say after its death counts, not what they said before; and what nobody checked is not passed on."""
    marks = descriptor_marks.make()
    pairs = [messages.pair() for _ in range(3)]
    (idle, _), (inbox, theirs), (outbox, interpreter) = pairs
    started, stopped = os.pipe2(os.O_CLOEXEC)
    try:
        waiting = socket.socketpair()
        for number, data in enumerate((b"GET / HTTP/1.1\r\n\r\n", b"")):
            kind = messages.Kind.CONNECTION if data else messages.Kind.STOP
            messages.send(theirs, messages.Message(kind, waiting[0].fileno() if data else -1, data, number=number + 1))
        spare = messages.Message(messages.Kind.SPARE, waiting[1].fileno(), number=3, luggage=b"x", place=4)
        moved = messages.Message(messages.Kind.MOVED, waiting[1].fileno(), number=5, state=b"y")
        for message in (spare, moved):
            messages.send(interpreter, message)
        for end in waiting:
            end.close()
        ends = idle.fileno(), inbox.fileno(), started, stopped, outbox.fileno()
        found = [rescue.Found(number, os.dup(fd)) for number, fd in enumerate(ends, 10)]
        for number, mark in enumerate(("IDLE", "INBOX", "ASKED", "ANSWERED", "OUTBOX"), 10):
            descriptor_marks.write(marks, number, descriptor_marks.Mark[mark])
        left = list(rescue.left(found, marks))
        assert [(message.kind, message.number, message.data) for message in left] == [
            (messages.Kind.SPARE, 0, b""),
            (messages.Kind.SPARE, 1, b"GET / HTTP/1.1\r\n\r\n"),
            (messages.Kind.UNSERVED, descriptor_marks.ASKED, b""),
            (messages.Kind.SPARE, 0, b""),
            (messages.Kind.UNSERVED, descriptor_marks.BEGUN, b""),
        ]
        assert (left[3].luggage, left[3].place) == (b"", 0)
        for message in left:
            message.close()
        for one in (found[1], found[3]):
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(one.fd)
    finally:
        for pair in pairs:
            for end in pair:
                end.close()
        for fd in (marks, started, stopped):
            os.close(fd)
