"""What fails while a response's head is made: its client gets 500, and the log the traceback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

APP = """
from mod_python import apache


def application(environ, start_response):
    start_response("404 \\u2603", [("Content-Type", "text/plain")])
    return [b"never"]


def streams(environ, start_response):
    write = start_response("200 \\u2603", [])
    write(b"never")
    return []


def handler(req):
    req.status_line = "404 \\u2603"
    return apache.OK


def surrogate(req):
    req.status_line = "404 \\udc80"
    return apache.OK


def value(environ, start_response):
    start_response("200 OK", [("X-Snowman", "\\u2603")])
    return [b"never"]


class Text(str):
    def __format__(self, how):
        raise KeyError("Error of a text")


def typed(req):
    req.content_type = Text("text/plain")
    return apache.OK


def typed_and_written(req):
    req.content_type = Text("text/plain")
    req.headers_out["X"] = "y"
    req.write("never")
    return apache.OK


def language(req):
    req.headers_out["Content-Language"] = "de"
    req.headers_out["X"] = "\\u2603"
    return apache.OK


def fresh(environ, start_response):
    start_response("404 \\u2603", [("Content-Type", "text/plain")])
    yield b"never"
"""

WSGI = ("application", "streams", "value", "fresh")
HANDLERS = ("handler", "surrogate", "language", "typed", "typed_and_written")

CONF = 'CustomLog logs/access.log "%U %>s"\n' + "".join(
    f"""
<Location /{name}>
    SetHandler mod_python
    PythonPath "sys.path+['${{WWW}}']"
    PythonHandler {"mod_python.wsgi" if name in WSGI else f"app::{name}"}
    PythonOption mod_python.wsgi.application app::{name}
</Location>
"""
    for name in (*WSGI, *HANDLERS)
)


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    server = start_module_server(
        CONF, {"app.py": APP}, mode="foreground", mpm="worker", backend=request.param, workers=1
    )
    yield server
    server.close()


@pytest.mark.parametrize("name", [*WSGI, *HANDLERS])
def test_it_is_answered_with_500_and_told(server: Server, name: str) -> None:
    begun = len(server.log())
    answer = server.raw(f"GET /{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 500 "), server.log()[begun:]
    assert b"\r\n\r\nnever" not in answer
    wait_for(lambda: f"/{name} 500" in server.log("access.log"), "its line in the access log")
    assert "Error" in server.log()[begun:]
