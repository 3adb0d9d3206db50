"""What PythonOptions and subclasses make of sessions, seen from outside (manual 4.8; api 3.5 1.11)."""

from __future__ import annotations

import os
import re

import pytest

from conftest import StartServer
from support.server import BACKENDS, Reply, Server

APP = """
import os
from mod_python import Cookie, Session, apache


def count(req):
    session = Session.Session(req)
    session["hits"] = session.get("hits", 0) + 1
    session.save()
    req.write("%s %d" % (type(session).__name__, session["hits"]), 0)
    return apache.OK


class Strict(Session.FileSession):
    def make_cookie(self):
        cookie = Session.FileSession.make_cookie(self)
        cookie.httponly = True
        cookie.secure = True
        cookie.samesite = "Strict"
        return cookie


def strict(req):
    session = Strict(req, timeout=60)
    session.save()
    req.write("%d %d" % (session.is_new(), session.timeout()), 0)
    if req.args == "out":
        session.invalidate()
    return apache.OK


def login(req):
    session = Session.Session(req)
    old = session.id()
    session.invalidate()
    session = Session.Session(req)
    session["user"] = "zoe"
    session.save()
    req.write("%s %s %d" % (old, session.id(), session.is_new()), 0)
    return apache.OK


def waits(session):
    with open("%s/gate" % session._req.document_root()) as gate:
        gate.read()


def slow_clean(req):
    Session.filesession_cleanup = waits
    Session.CLEANUP_CHANCE = 1
    session = Session.Session(req)
    session["hits"] = session.get("hits", 0) + 1
    session.save()
    Session.CLEANUP_CHANCE = 10 ** 9
    req.write("%d" % os.getpid(), 0)
    return apache.OK
"""


def location(path: str, handler: str, *options: str) -> str:
    """A section with PythonOptions."""
    lines = [f"PythonOption {option}" for option in options]
    return "\n".join(
        [
            f"<Location {path}>",
            "SetHandler mod_python",
            f"PythonHandler app::{handler}",
            *lines,
            "</Location>",
            "",
        ]
    )


NEW = "mod_python.session."
CONF = (
    'PythonPath "sys.path + [\'${WWW}\']"\n'
    + location("/default", "count", NEW + 'database_directory "${ROOT}/run"')
    + location(
        "/new", "count", NEW + "session_type FileSession", NEW + 'database_directory "${ROOT}/new"',
        NEW + "cookie_name new", NEW + "application_path /new/path", NEW + "application_domain .example.com",
    )
    + location(
        "/old", "count", "session FileSession", 'session_directory "${ROOT}/old"', "session_cookie_name old",
        "ApplicationPath /old/path",
    )
    + location(
        "/both", "count", "session MemorySession", NEW + "session_type FileSession", 'session_directory "${ROOT}/old"',
        'mod_python.file_session.database_directory "${ROOT}/new"', "session_cookie_name old", NEW + "cookie_name both",
    )
    + location("/dbm", "count", NEW + "session_type DbmSession", 'session_dbm "${ROOT}/run/mine.dbm"')
    + location(
        "/open", "count", NEW + "session_type MemorySession", NEW + "cookie_httponly no", NEW + "cookie_samesite off",
    )
    + location("/perhaps", "count", NEW + "session_type MemorySession", NEW + "cookie_samesite perhaps")
    + location("/login", "login", NEW + "session_type FileSession", NEW + 'database_directory "${ROOT}/new"')
    + location("/strict", "strict", NEW + 'database_directory "${ROOT}/new"')
    + location("/memory", "count", NEW + "session_type MemorySession")
    + location("/elsewhere", "count", NEW + "session_type MemorySession").replace(
        "SetHandler", "PythonInterpreter elsewhere\nSetHandler"
    )
    + location("/unknown", "count", NEW + "session_type CloudSession")
    + location("/missing", "count", NEW + "session_type FileSession", NEW + 'database_directory "${ROOT}/none"')
    + location("/number", "count", NEW + "session_type FileSession", "session_grace_period soon")
    + location("/slow_clean", "slow_clean", NEW + "session_type FileSession", NEW + 'database_directory "${ROOT}/new"')
    + location("/beside", "count", NEW + "session_type FileSession", NEW + 'database_directory "${ROOT}/new"')
)  # fmt: skip


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The handlers, in one kind of interpreter, in two workers."""
    server = start_module_server(CONF, {"app.py": APP}, backend=request.param)
    for name in ("new", "old", "run"):
        (server.root / name).mkdir(mode=0o700, exist_ok=True)
        (server.root / name).chmod(0o700)
    return server


def cookie_of(reply: Reply) -> str:
    """The cookie that a response sets."""
    assert reply.status == 200
    return reply.header("Set-Cookie") or ""


def again(server: Server, path: str, cookie: str) -> Reply:
    """A request with a cookie that was set."""
    return server.get(path, {"Cookie": cookie.partition(";")[0]})


def test_the_default_of_many_processes_is_a_database(server: Server) -> None:
    first = server.get("/default")
    assert first.text == "DbmSession 1", server.said()
    assert again(server, "/default", cookie_of(first)).text == "DbmSession 2"
    assert (server.root / "run" / "mp_sess.dbm").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("path", "cookie", "folder"),
    [
        ("/new", r"new=[0-9a-f]{32}; path=/new/path; domain=\.example\.com; samesite=Lax; httponly", "new"),
        ("/old", r"old=[0-9a-f]{32}; path=/old/path; samesite=Lax; httponly", "old"),
        ("/both", r"both=[0-9a-f]{32}; path=/; samesite=Lax; httponly", "new"),
    ],
)
def test_options_new_and_old(server: Server, path: str, cookie: str, folder: str) -> None:
    first = server.get(path)
    assert first.text == "FileSession 1", server.said()
    found = cookie_of(first)
    assert re.fullmatch(cookie, found), found
    sid = found.partition("=")[2][:32]
    stored = server.root / folder / "mp_sess" / sid[:2] / sid
    assert stored.stat().st_mode & 0o777 == 0o600
    for parent in (stored.parent, stored.parent.parent):
        assert parent.stat().st_mode & 0o777 == 0o700
    assert again(server, path, found).text == "FileSession 2"


def test_ids_are_not_alike(server: Server) -> None:
    ids = {cookie_of(server.get("/memory"))[6:38] for _ in range(30)}
    assert len(ids) == 30
    # 128 bits: each is 0 in some and 1 in others
    numbers = [int(sid, 16) for sid in ids]
    assert all(0 < sum(number >> bit & 1 for number in numbers) < 30 for bit in range(128))


def test_the_database_that_is_named(server: Server) -> None:
    found = cookie_of(server.get("/dbm"))
    assert again(server, "/dbm", found).text == "DbmSession 2"
    assert (server.root / "run" / "mine.dbm").exists()


def test_cookies_that_a_subclass_makes(server: Server) -> None:
    first = server.get("/strict")
    assert first.text == "1 60"
    found = cookie_of(first)
    assert {"httponly", "secure", "samesite=Strict"} <= {word.strip() for word in found.split(";")}, found
    assert again(server, "/strict", found).text == "0 60"
    gone = again(server, "/strict?out", found)
    assert "expires=Thu, 01-Jan-1970 00:00:00 GMT" in cookie_of(gone)
    assert "samesite=Strict" in cookie_of(gone)
    assert again(server, "/strict", found).text == "1 60"


def test_the_cookie_may_be_as_it_was_in_mod_python(server: Server) -> None:
    assert re.fullmatch(r"pysid=[0-9a-f]{32}; path=/", cookie_of(server.get("/open")))


def test_a_login_leaves_the_id_that_the_client_came_with(server: Server) -> None:
    """Whoever had given it to the client (session fixation) has nothing of that."""
    brought = cookie_of(server.get("/new")).partition("=")[2][:32]
    reply = server.get("/login", {"Cookie": f"pysid={brought}"})
    old, new, is_new = reply.text.split()
    assert (is_new, len({old, new})) == ("1", 2), reply
    assert again(server, "/login", f"pysid={'0' * 32}").text.split()[0] != "0" * 32
    gone, given = [value for name, value in reply.headers if name.lower() == "set-cookie"]
    assert f"pysid={old}; path=/; expires=" in gone
    assert f"pysid={new}; path=/; samesite=Lax; httponly" == given


def test_memory_is_that_of_one_interpreter(server: Server, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["server"]
    found = cookie_of(server.get("/memory"))
    assert again(server, "/memory", found).text == "MemorySession 2"
    elsewhere = again(server, "/elsewhere", found).text
    if kind == "main":  # where all names mean one
        assert elsewhere == "MemorySession 3"
        return
    assert elsewhere == "MemorySession 1"
    assert again(server, "/memory", found).text == "MemorySession 3"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/unknown", "Unknown session type CloudSession"),
        ("/missing", "the folder that it is to be in must be there"),
        ("/number", "write a number of seconds, 0 or more"),
        ("/perhaps", "PythonOption mod_python.session.cookie_samesite perhaps: write Lax, Strict, None or Off"),
    ],
)
def test_faults_are_told(server: Server, path: str, message: str) -> None:
    assert server.get(path).status == 500
    server.wait_for_log(message)


@pytest.mark.parametrize("backend", BACKENDS)
def test_clean_up_keeps_nobody_waiting(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=backend, workers=2, mode="foreground")
    (server.root / "new").mkdir(mode=0o700)
    gate = server.www / "gate"
    os.mkfifo(gate)
    found = cookie_of(server.get("/beside"))
    cleaning = again(server, "/slow_clean", found)  # its response is here, and the clean-up waits at the gate
    assert cleaning.status == 200, server.said()
    for hits in (3, 4, 5):  # the session's lock is free
        assert again(server, "/beside", found).text == f"FileSession {hits}"
    gate.write_bytes(b"")
