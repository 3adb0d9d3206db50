"""Handlers that run before a request's directory is known, in the interpreter of the content or in another."""

from __future__ import annotations

import json
import threading

import psutil
import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

APP = """
import json
from mod_python import apache


def postreadrequesthandler(req):
    req.notes["early"] = apache.interpreter
    req.headers_out["X-Early"] = req.interpreter
    req.seen = ["post"]
    req.lock = lambda: None
    return apache.OK


def transhandler(req):
    req.seen.append("trans")
    if req.uri == "/forbidden":
        return apache.HTTP_FORBIDDEN
    if req.uri.startswith("/moved/"):
        req.filename = req.document_root() + "/other" + req.uri[6:]
        return apache.OK
    if req.uri == "/renamed":
        req.uri = "/app/renamed.py"
    return apache.DECLINED


def handler(req):
    req.content_type = "application/json"
    req.write(json.dumps({
        "early": req.notes.get("early"),
        "interpreter": apache.interpreter,
        "seen": req.seen,
        "lock": hasattr(req, "lock"),
        "uri": req.uri,
        "file": req.filename[len(req.document_root()):],
        "body": req.read().decode(),
    }), 0)
    return apache.OK
"""

CONF = """
PythonPostReadRequestHandler early
PythonTransHandler early
PythonPath "sys.path + ['${WWW}/app']"
<Directory "${WWW}">
    AddHandler mod_python .py
    PythonHandler early
</Directory>
"""

FILES: dict[str, str | bytes] = {
    "app/early.py": APP, "app/a.py": "", "app/renamed.py": "", "other/b.py": "", "app/page.txt": "a page",
}  # fmt: skip


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Every kind of interpreter."""
    return str(request.param)


def ask(server: Server, path: str, body: bytes | None = None) -> dict[str, object]:
    """What the handler saw of a request."""
    reply = server.request("POST" if body else "GET", path, body=body)
    assert reply.status == 200, server.said()
    answer: dict[str, object] = json.loads(reply.text)
    answer["header"] = reply.header("X-Early")
    return answer


def test_in_the_interpreter_of_the_content(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, FILES, backend=backend)
    name = "localhost"
    answer = ask(server, "/app/a.py", b"body")
    assert answer["interpreter"] == answer["early"] == name
    assert answer["seen"] == ["post", "trans"]
    assert answer["lock"] is True
    assert answer["body"] == "body"
    assert ask(server, "/moved/b.py")["file"] == "/other/b.py"
    assert ask(server, "/renamed")["file"] == "/app/renamed.py"
    assert server.get("/forbidden").status == 403
    page = server.get("/app/page.txt")
    assert (page.text, page.header("X-Early")) == ("a page", name)


def test_in_another_interpreter(start_server: StartServer, backend: str) -> None:
    server = start_server("PythonInterpPerDirectory On\n" + CONF, FILES, backend=backend)
    for path, body, folder, file in (
        ("/app/a.py", b"x" * 60_000, "app", "/app/a.py"),
        ("/moved/b.py", None, "other", "/other/b.py"),
        ("/renamed", None, "app", "/app/renamed.py"),
    ):
        answer = ask(server, path, body)
        assert answer["early"] == "main_interpreter"
        assert answer["header"] == "main_interpreter"
        assert answer["interpreter"] == f"{server.www}/{folder}/"
        assert answer["seen"] == ["post", "trans"]
        assert answer["file"] == file
        assert answer["body"] == (body or b"").decode()
        assert answer["lock"] is (backend == "main")
    if backend != "main":
        server.wait_for_log("req.lock does not go along")
    with server.connection() as connection:
        for _ in range(3):
            connection.request("GET", "/app/a.py")
            assert json.loads(connection.getresponse().read())["seen"] == ["post", "trans"]


COUNTED = """
import os
import time
from mod_python import apache


def postreadrequesthandler(req):
    with open(req.get_options()["folder"] + "/early", "a") as file:
        file.write(req.uri + "\\n")
    return apache.OK


def handler(req):
    folder = req.get_options()["folder"]
    if req.uri == "/wait":
        open(folder + "/begun%d" % os.getpid(), "w").close()
        while not os.path.exists(folder + "/go on"):
            time.sleep(0.005)
    req.write("done", 0)
    return apache.OK
"""


@pytest.mark.parametrize("kind", [kind for kind in BACKENDS if kind != "main"])
def test_early_phases_run_once_although_the_request_goes_to_a_sibling(start_server: StartServer, kind: str) -> None:
    conf = """
    PythonOption folder ${ROOT}/run
    PythonPath "sys.path + ['${WWW}']"
    PythonPostReadRequestHandler counted
    <Location />
        SetHandler mod_python
        PythonInterpreter other
        PythonHandler counted
    </Location>
    """
    server = start_server(conf, {"counted.py": COUNTED}, mode="daemon", backend=kind, workers=2)
    run = server.pid_file.parent
    wait_for(lambda: len(server.workers()) == 2, "two workers")
    idle = server.workers()[0]
    idle.suspend()
    wait_for(lambda: idle.status() == psutil.STATUS_STOPPED, "one of them to sleep")
    long = threading.Thread(target=server.get, args=("/wait",))
    replies: list[str] = []
    short = threading.Thread(target=lambda: replies.append(server.get("/short").text))
    try:
        long.start()
        wait_for(lambda: list(run.glob("begun*")), "the handler to begin")
        short.start()
        wait_for(lambda: "/short" in (run / "early").read_text(), "its early phase in the busy worker")
        idle.resume()
        short.join()
        assert replies == ["done"]
        assert (run / "early").read_text().splitlines() == ["/wait", "/short"]
    finally:
        idle.resume()
        (run / "go on").touch()
        long.join()
