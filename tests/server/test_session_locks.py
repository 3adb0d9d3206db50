"""The locks of sessions belong to requests: no thread keeps one, and none outlives its request."""

from __future__ import annotations

import fcntl
import json

import pytest

from conftest import StartServer
from support.server import BACKENDS, EACH_IN_BOTH, Server, receive_until
from support.waiting import wait_for

APP = '''
import json
import os
import threading
import time
from mod_python import apache, Session

LATE = {}


class Careless(Session.FileSession):
    """Never gives its lock back."""

    def unlock(self):
        pass


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def wait_for(path):
    until = time.monotonic() + 30
    while not os.path.exists(path):
        assert time.monotonic() < until, path
        time.sleep(0.005)


def count(req, make=Session.Session):
    session = make(req)
    session["hits"] = session.get("hits", 0) + 1
    session.save()
    return session


def handler(req):
    deed = req.args or "count"
    req.content_type = "text/plain"
    globals()["do_" + deed](req)
    return apache.OK


def do_count(req):
    session = count(req)
    req.write(f"{session['hits']} {session.id()}")


def do_late(req):
    """In its cleanup handlers."""
    req.late = True


def cleanup(req):
    if hasattr(req, "late"):
        count(req)
        req.register_cleanup(req.log_error, "registered by the cleanup handler")
    return apache.OK


def do_helper(req):
    """In a helper thread."""
    in_thread(count, req)


def do_both(req):
    """In the request's thread, and then in a helper."""
    count(req)
    in_thread(count, req)


def do_unlock(req):
    """Made here, unlocked in a helper while the request goes on."""
    session = count(req)
    in_thread(session.unlock)
    req.write("unlocked")
    wait_for(req.document_root() + "/go_on")


def do_lock(req):
    """Made without its lock, locked in a helper."""
    session = count(req)
    session.unlock()
    in_thread(session.lock)


def do_careless(req):
    count(req, Careless)


def do_redirect(req):
    count(req)
    req.internal_redirect("/?count")


def do_stay(req):
    """Leaves a thread that wants the session when the request has ended."""
    LATE["go"] = threading.Event()
    LATE["thread"] = threading.Thread(target=after, args=(req,))
    LATE["thread"].start()


def after(req):
    LATE["go"].wait(30)
    told = LATE["told"] = []
    for deed in (lambda: Session.Session(req), lambda: req.register_cleanup(print)):
        until = time.monotonic() + 5
        while time.monotonic() < until:  # (the client may have its answer a moment before its request is over)
            try:
                deed()
            except RuntimeError as error:
                told.append(str(error))
                break


def do_go(req):
    LATE["go"].set()
    LATE["thread"].join()
    req.write(json.dumps(LATE["told"]))
'''

#: What the application's cleanup handler leaves in the log when it is done.
CLEANED_UP = "registered by the cleanup handler"

CONF = """
PythonOption mod_python.session.session_type ${TYPE}
PythonOption mod_python.session.database_directory ${ROOT}/run
PythonOption mod_python.mutex_locks ${LOCKS}
<Directory "${WWW}">
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}']"
    PythonHandler app
    PythonCleanupHandler app::cleanup
</Directory>
<Location /plain>
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}']"
    PythonHandler app
</Location>
"""


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One interpreter of each kind, in each MPM."""
    backend, mpm = request.param
    return start(start_module_server, backend, mpm, "FileSession", 8)


def start(start_server: StartServer, backend: str, mpm: str, kind: str, locks: int, workers: int = 1) -> Server:
    """A server with sessions of a type."""
    server = start_server(
        CONF,
        {"app.py": APP},
        backend=backend,
        mpm=mpm,
        workers=workers,
        mode="one" if workers == 1 else "foreground",
        variables={"TYPE": kind, "LOCKS": str(locks)},
    )
    (server.root / "run").chmod(0o700)
    return server


def begin(server: Server) -> str:
    """A session's id."""
    return server.get("/?count").text.split()[1]


def do(server: Server, deed: str, sid: str) -> str:
    """What a deed says, with a session."""
    reply = server.get(f"/?{deed}", {"Cookie": f"pysid={sid}"})
    assert reply.status == 200, server.said()
    return reply.text


def hits(server: Server, sid: str) -> int:
    """The next count: only whoever has the session's lock gets it."""
    return int(do(server, "count", sid).split()[0])


def held(server: Server) -> list[str]:
    """The files of the locks that somebody holds."""
    found = []
    for path in (server.root / "run").glob("mpserver-locks-*/lock.*"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(str(path))
    return found


@pytest.mark.parametrize(
    ("deed", "counted"),
    [("late", 3), ("helper", 3), ("both", 4), ("lock", 3), ("careless", 3), ("redirect", 4)],
)
def test_a_lock_ends_with_its_request(server: Server, deed: str, counted: int) -> None:
    sid = begin(server)
    before = server.log().count(CLEANED_UP)
    do(server, deed, sid)
    if deed == "late":  # (after the answer: the next request may be faster)
        wait_for(lambda: server.log().count(CLEANED_UP) > before, "the cleanup handler to have counted")
    assert hits(server, sid) == counted, server.said()
    # (a thread that still had the lock could take it once more)
    wait_for(lambda: not held(server), f"all locks to be free after {deed}:\n{server.said()}")


def test_what_a_cleanup_handler_registers_is_called(server: Server) -> None:
    before = server.log().count(CLEANED_UP)
    do(server, "late", begin(server))
    wait_for(lambda: server.log().count(CLEANED_UP) > before, "what the cleanup handler registered to be called")


def test_a_lock_that_stays_is_told(server: Server) -> None:
    sid = begin(server)
    before = server.log().count("was still held at the end of the request, and is free now")
    do(server, "careless", sid)
    assert hits(server, sid) == 3
    wait_for(
        lambda: server.log().count("was still held at the end of the request, and is free now") > before,
        "the log to tell of the lock",
    )
    do(server, "helper", sid)
    do(server, "late", sid)
    hits(server, sid)
    assert server.log().count("was still held at the end of the request") == before + 1


@pytest.mark.parametrize("path", ["/", "/plain"])
def test_a_thread_that_outlives_its_request_gets_no_lock(server: Server, path: str) -> None:
    sid = begin(server)
    cookie = {"Cookie": f"pysid={sid}"}
    assert server.get(f"{path}?stay", cookie).status == 200
    told = json.loads(server.get(f"{path}?go", cookie).text)
    assert len(told) == 2
    for text in told:
        assert "the request has ended" in text
        assert "before the handler returns" in text
    assert hits(server, sid) == 2


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_helper_unlocks_for_others(start_server: StartServer, backend: str, mpm: str) -> None:
    server = start(start_server, backend, mpm, "FileSession", 8, workers=2)
    sid = begin(server)
    with server.dial() as sock:
        sock.sendall(f"GET /?unlock HTTP/1.1\r\nHost: h\r\nCookie: pysid={sid}\r\n\r\n".encode())
        said = receive_until(sock, b"unlocked")
        assert hits(server, sid) == 3
        server.write("go_on", "")
        while not said.endswith(b"0\r\n\r\n"):
            part = sock.recv(4096)
            assert part, said
            said += part
    assert hits(server, sid) == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_lock_is_enough_for_sessions_in_a_database(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend, "prefork", "DbmSession", 1)
    sid = begin(server)
    do(server, "helper", sid)
    assert hits(server, sid) == 3
