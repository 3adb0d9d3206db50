"""Applications that can't live in an isolated subinterpreter become processes by themselves."""

from __future__ import annotations

import http.client
import sys
import threading

import pytest

from conftest import StartServer
from support.server import Server

#: faulthandler is a module of the standard library that refuses to load beside another GIL.
APP = """
import os
from mod_python import apache


def say(req):
    body = req.read() if req.method == "PUT" else b""
    req.content_type = "text/plain"
    req.write("%s %d %s" % (apache._runtime.current().kind, os.getpid(), body.decode()), 0)
    return apache.OK


def plain(req):
    return say(req)


def late(req):
    import faulthandler
    return say(req)


def caught(req):
    try:
        import faulthandler
    except ImportError:
        pass
    return say(req)


def begun(req):
    req.write("begun")
    import faulthandler
    return apache.OK


def thread(req):
    import threading
    threading.Thread(target=print, daemon=True).start()
    return say(req)
"""

CONF = "\n".join(
    f"""
<Location /{name}>
    SetHandler mod_python
    PythonHandler {module}::{name}
    PythonInterpreter {name}
</Location>"""
    for module, name in (
        ("app", "plain"), ("app", "late"), ("app", "caught"), ("app", "begun"), ("app", "thread"), ("deep", "deep"),
    )
) + """
PythonPath "sys.path + ['${WWW}']"
"""  # fmt: skip

FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "deep.py": "import package.inner\nfrom app import say as deep\n",
    "package/__init__.py": "",
    "package/inner.py": "import faulthandler\n",
}

needs_own = pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")


@pytest.fixture(params=["one", "daemon"])
def server(request: pytest.FixtureRequest, start_server: StartServer) -> Server:
    """A server that chooses the kinds by itself."""
    return start_server(CONF, FILES, backend="auto", mode=request.param, workers=2)


def kind(server: Server, path: str) -> str:
    """The kind of the interpreter that serves a path."""
    reply = server.get(path)
    assert reply.status == 200, server.said()
    return reply.text.split()[0]


@needs_own
@pytest.mark.parametrize("path", ["/late", "/deep", "/thread"])
def test_the_request_that_meets_the_refusal_is_served_by_a_process(server: Server, path: str) -> None:
    assert kind(server, "/plain") == "own"
    assert [kind(server, path) for _ in range(6)] == ["process"] * 6
    assert kind(server, "/plain") == "own"
    told = [line for line in server.log().splitlines() if "runs in processes from now on" in line]
    assert len(told) == 1, server.log()
    assert path == "/thread" or "faulthandler" in told[0]
    assert "PythonInterpBackend process" in told[0]


@needs_own
def test_a_body_goes_along(server: Server) -> None:
    body = "x" * 50_000
    reply = server.request("PUT", "/late", body=body)
    assert reply.text.split()[2] == body


@needs_own
def test_requests_at_once_are_all_served(server: Server) -> None:
    kinds: list[str] = []
    clients = [threading.Thread(target=lambda: kinds.append(kind(server, "/late"))) for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert kinds == ["process"] * 20


@needs_own
def test_a_keep_alive_connection_goes_along(server: Server) -> None:
    with server.connection() as connection:
        for path, expected in (
            ("/plain", "own"),
            ("/late", "process"),
            ("/late", "process"),
            ("/plain", "own"),
        ):
            connection.request("GET", path)
            assert connection.getresponse().read().decode().split()[0] == expected


@needs_own
def test_an_import_that_the_application_handles_moves_no_request(server: Server) -> None:
    assert kind(server, "/caught") == "own"  # (the next ones are a process')


@needs_own
def test_a_begun_response_is_cut_and_the_next_request_served_by_a_process(server: Server) -> None:
    with pytest.raises(http.client.IncompleteRead):
        server.get("/begun")
    server.wait_for_log("status 500 after the response began: /begun")
    server.wait_for_log("faulthandler can't be used in an isolated subinterpreter")
    assert server.get("/begun").text == "begun"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="auto begins with subinterpreters from 3.14 on")
def test_before_3_14_auto_means_process(server: Server) -> None:
    assert kind(server, "/plain") == "process"
