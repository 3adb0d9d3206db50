"""What operators trust interpreters with: imports at the start, cleanups at the end, accidents in between."""

from __future__ import annotations

import socket
import threading

import pytest

from conftest import StartServer
from support.server import BACKENDS, EACH_AND_THREADS, Server, receive_until
from support.waiting import wait_for

APP = """
import os
from mod_python import apache

loaded = 0


def say(req, text):
    req.content_type = "text/plain"
    req.write(text, 0)
    return apache.OK


def handler(req):
    return say(req, "hello from %s" % apache.interpreter)


def count(req):
    body = req.read()
    return say(req, "%d %s" % (len(body), body[:3].decode()))


def echo(req):
    while True:
        data = req.read(65536)
        if not data:
            return apache.OK
        req.write(data)


def cleanup(req):
    req.server.register_cleanup(req, note, "server")
    apache.register_cleanup(note, "apache")
    return say(req, "registered")


def note(what):
    with open(os.path.join(os.path.dirname(__file__), "notes"), "a") as file:
        file.write(what + "\\n")


def memory(req):
    raise MemoryError()


class Rude(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


def rude(req):
    raise Rude()


def leave(req):
    raise SystemExit(3)


def big(req):
    req.sendfile(os.path.join(os.path.dirname(__file__), "big.bin"))
    return apache.OK
"""

IMPORTED = """
import os
from mod_python import apache

with open(os.path.join(os.path.dirname(__file__), "imported"), "a") as file:
    file.write("module %s\\n" % apache.interpreter)


def started():
    with open(os.path.join(os.path.dirname(__file__), "imported"), "a") as file:
        file.write("function %s\\n" % apache.interpreter)
"""

CONF = (
    "\n".join(
        f"""
<Location /{name}>
    SetHandler mod_python
    PythonHandler app::{name}
</Location>"""
        for name in (
            "handler",
            "count",
            "echo",
            "cleanup",
            "memory",
            "rude",
            "leave",
            "big",
        )
    )
    + """
PythonPath "sys.path + ['${WWW}']"
"""
)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Every kind of interpreter."""
    return str(request.param)


def start(start_server: StartServer, backend: str, conf: str = CONF, **options: object) -> Server:
    """A server with the application of this module."""
    return start_server(conf, {"app.py": APP, "imported_at_start.py": IMPORTED}, backend=backend, **options)


def test_python_import_happens_before_the_first_request(start_server: StartServer, backend: str) -> None:
    conf = CONF + "PythonImport imported_at_start::started localhost\nPythonImport no_such_module localhost\n"
    server = start(start_server, backend, conf)
    name = "main_interpreter" if backend == "main" else "localhost"  # (there is no request that asks for a name)
    file = server.www / "imported"
    wait_for(lambda: file.exists() and file.read_text().count("\n") == 2, "the import at the start")
    assert file.read_text().splitlines() == [f"module {name}", f"function {name}"]
    assert server.get("/handler").text == "hello from localhost"
    server.wait_for_log(
        "directive_PythonImport: error importing no_such_module: ModuleNotFoundError: No module named "
        "'no_such_module'; looked for in "
    )
    assert "Traceback" not in server.log()


def test_cleanups_of_the_server_run_at_the_end(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    assert server.get("/cleanup").text == "registered"
    server.stop()
    assert (server.www / "notes").read_text().splitlines() == ["apache", "server"]


@pytest.mark.parametrize("path", ["/memory", "/rude", "/leave"])
def test_exceptions_that_kill_interpreters_elsewhere(start_server: StartServer, backend: str, path: str) -> None:
    server = start(start_server, backend)
    for _ in range(3):
        assert server.get(path).status == 500
        assert server.get("/handler").status == 200


@pytest.mark.parametrize("size", [0, 10, 40_000, 60_000, 65_536, 70_000, 3_000_000])
def test_bodies_of_all_sizes_reach_a_new_interpreter(start_server: StartServer, backend: str, size: int) -> None:
    server = start(start_server, backend)
    body = (b"abc" * (size // 3 + 1))[:size]
    reply = server.request("POST", "/count", body=body)
    assert reply.text == f"{size} {body[:3].decode()}"
    assert server.request("POST", "/echo", body=body).body == body


PRELOADED = """
import os
import threading
from mod_python import apache

loaded_in = os.getpid()
TEXT


def handler(req):
    req.content_type = "text/plain"
    req.write("%d %d" % (loaded_in, os.getpid()), 0)
    return apache.OK
"""

WAITING = """
stop = threading.Event()
threading.Thread(target=stop.wait, daemon=True).start()
"""


@pytest.mark.parametrize("text", ["", "apache.main_server", WAITING])
def test_processes_share_what_their_zygote_loaded(start_server: StartServer, text: str) -> None:
    conf = """
    MaxConnectionsPerChild 1
    <Directory "${WWW}">
        SetHandler mod_python
        PythonHandler preloaded
    </Directory>
    """
    files: dict[str, str | bytes] = {"preloaded.py": PRELOADED.replace("TEXT", text)}
    server = start_server(conf, files, backend="process", mode="daemon", workers=2)
    seen = set()

    def both_workers() -> bool:  # each is replaced after its first connection
        seen.add(server.get("/").text)
        return len(seen) == 2

    wait_for(both_workers, "answers of two workers")
    loaded, ran = zip(*(answer.split() for answer in seen), strict=True)
    assert len(set(ran)) == 2
    if text:  # it fails where no server runs, or starts a thread: then each interpreter loads it by itself
        assert loaded == ran
    else:
        assert len(set(loaded)) == 1
        assert not set(loaded) & set(ran)


def test_a_changed_module_is_not_served_from_the_zygote(start_server: StartServer) -> None:
    conf = "MaxConnectionsPerChild 1\n" + CONF
    server = start(start_server, "process", conf, mode="daemon", workers=1)
    assert server.get("/handler").text == "hello from localhost"
    server.write("app.py", APP.replace("hello from", "changed in"))
    wait_for(lambda: server.get("/handler").text == "changed in localhost", "the changed module")


def test_a_hundred_requests_make_one_interpreter(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    replies: list[str] = []
    clients = [threading.Thread(target=lambda: replies.append(server.get("/handler").text)) for _ in range(100)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(replies) == 100
    assert len(set(replies)) == 1


def test_a_client_that_reads_slowly_occupies_nobody(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    size = 20_000_000
    (server.www / "big.bin").write_bytes(bytes(size))
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        begun = slow.recv(1000)
        assert begun.startswith(b"HTTP/1.1 200")
        assert server.get("/handler").status == 200  # the response above waits in the loop, not in the handler
        left = size + begun.index(b"\r\n\r\n") + 4 - len(begun)
        while left:
            left -= len(slow.recv(min(left, 1 << 20)))


def test_workers_are_replaced_after_their_connections(start_server: StartServer, backend: str) -> None:
    conf = CONF + "MaxConnectionsPerChild 5\n"
    server = start(start_server, backend, conf, mode="daemon", workers=2)
    before = {worker.pid for worker in server.workers()}
    for _ in range(40):
        assert server.get("/handler").status == 200
    wait_for(lambda: not before & {worker.pid for worker in server.workers()}, "the first workers to be replaced")


def test_what_an_application_prints_goes_to_the_log(start_server: StartServer, backend: str) -> None:
    app = APP + "\nprint('printed by the application', flush=True)\n"
    server = start_server(CONF, {"app.py": app}, backend=backend, mode="daemon")
    assert server.get("/handler").status == 200
    server.wait_for_log("printed by the application")


FLUSHING = """
import os
import time
from mod_python import apache

gate = os.path.join(os.path.dirname(__file__), "gate")


def handler(req):
    req.content_type = "text/plain"
    req.write("begun")
    while not os.path.exists(gate):
        time.sleep(0.001)
    req.write("ended")
    return apache.OK
"""


def test_what_is_flushed_reaches_the_client_before_the_handler_ends(start_server: StartServer, backend: str) -> None:
    conf = """
    <Location />
        SetHandler mod_python
        PythonHandler flushing
        PythonPath "sys.path + ['${WWW}']"
    </Location>
    """
    server = start_server(conf, {"flushing.py": FLUSHING}, backend=backend)
    for _ in range(3):
        gate = server.www / "gate"
        gate.unlink(missing_ok=True)
        with server.dial() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"ended" not in receive_until(client, b"begun")
            gate.touch()
            receive_until(client, b"ended")


LATE = """
import struct, time
from mod_python import apache

def left(sock):
    return struct.unpack_from("I", sock.getsockopt(6, 11, 192), 156)[0]  # (TCP_INFO: segments with data)

def handler(req):
    req.content_type = "text/plain"
    if req.args == "long":
        time.sleep(0.25)
        sock = req.mp_link.sock
        before = left(sock)
        req.write("begun ")
        req.write("at once" if left(sock) > before else "later")
    return apache.OK
"""


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_what_a_long_request_flushes_leaves_at_once(start_server: StartServer, kind: str, mpm: str) -> None:
    conf = """
    <Location />
        SetHandler mod_python
        PythonHandler late
        PythonPath "sys.path + ['${WWW}']"
    </Location>
    """
    server = start_server(conf, {"late.py": LATE}, backend=kind, mpm=mpm, mode="foreground", workers=2)

    def ask(address: str) -> str:
        with server.connection() as connection:  # (only what may be kept is held)
            connection.request("GET", address)
            return connection.getresponse().read().decode()

    def flushed() -> str:
        asked = threading.Thread(target=lambda: found.append(ask("/?long")))
        asked.start()
        ask("/")
        asked.join()
        return found[-1]

    found: list[str] = []
    # (a busy machine may notice it late, and the request be over then; without it none is ever noticed)
    wait_for(lambda: flushed() == "begun at once" or len(found) == 40, "it")
    assert found[-1] == "begun at once"
