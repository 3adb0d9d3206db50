"""Names that an application gives to attributes of req, its connection and its server never meet the engine's own."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server

CONF = """
LogFormat "%m %U%q %>s %B" seen
CustomLog logs/seen.log seen
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/filtered">
    SetHandler mod_python
    PythonHandler app
    PythonOutputFilter app::shout SHOUT
    SetOutputFilter SHOUT
</Directory>
<Directory "${WWW}/static">
    PythonFixupHandler app::occupy
    PythonLogHandler app::look
    PythonPath "sys.path + ['${WWW}/app']"
</Directory>
"""

APP = """
from mod_python import apache

#: Names that the engine used, or might like to use; below come those of its members without their prefix.
LIKELY = (
    "finish", "finish_page", "finish_unmodified", "plain", "headers_out_table", "look_up", "look_up_local", "rest",
    "_link", "_parts", "_started", "_finished", "_head", "_host", "_plan", "_log", "_input", "_is_over", "_cleanups",
    "_main", "_prev", "_next", "_chain", "_status", "_config", "_options", "_find_next", "_facts", "_port", "_names",
)
#: Methods of the interface, which an application may replace on the object (a wrapper around write...).
METHODS = (
    "write", "flush", "sendfile", "log_error", "set_content_length", "register_cleanup", "get_remote_host", "is_https",
    "discard_request_body", "allow_methods", "construct_url", "add_cgi_vars", "meets_conditions",
)


def occupied(thing):
    names = [*LIKELY]
    for name in dir(type(thing)):
        if name.startswith("mp_"):
            names += [name[3:], "_" + name[3:]]
    count = 0
    for name in names:
        if name in LIKELY or not hasattr(type(thing), name):
            setattr(thing, name, 1)
            count += 1
    return count


def occupy(req):
    assert not vars(req.server), "set in an earlier request: %s" % sorted(vars(req.server))
    assert req.server is req.server and occupied(req.server) > 30
    assert occupied(req) > 100
    assert occupied(req.connection) > 30
    assert occupied(req.connection.base_server) > 30
    req.seen = "by " + req.phase
    return apache.OK


def look(req):
    req.log_error("seen %s, finish %r" % (req.seen, req.finish), apache.APLOG_NOTICE)
    return apache.OK


def handler(req):
    what = (req.args or "").split("+")
    write, log_error = req.write, req.log_error
    if "refuse" in what or "fail" in what:
        occupy(req)
        replace(req)
        log_error("handled %s" % req.uri)
        if "fail" in what:
            raise ValueError("as asked")
        return apache.HTTP_FORBIDDEN
    write("begun, ", "flush" in what)
    occupy(req)
    if "replace" in what:
        replace(req)
    write(req.read(), 0)
    write("done")
    log_error("handled %s" % req.uri)
    req.server.log_error("server of %s" % req.uri)
    return apache.OK


def replace(req):
    for name in METHODS:
        setattr(req, name, None)


def shout(filter):
    occupied(filter.req)
    data = filter.read()
    while data:
        filter.write(data.upper())
        data = filter.read()
    if data is None:
        filter.close()
"""
FILES: dict[str, str | bytes] = {
    "app/app.py": APP, "app/x": "", "filtered/app.py": APP, "filtered/x": "", "static/page.txt": "the page",
    "static/long.bin": b"x" * 200_000,
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind and MPM."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/app/x?1", "begun, done"),
        ("/app/x?flush", "begun, done"),
        ("/app/x?replace", "begun, done"),
        ("/app/x?flush+replace", "begun, done"),
        ("/filtered/x?1", "BEGUN, DONE"),
        ("/filtered/x?flush+replace", "BEGUN, DONE"),
        ("/static/page.txt", "the page"),
        ("/static/long.bin", "x" * 200_000),
    ],
)
def test_the_answer_is_right(server: Server, path: str, text: str) -> None:
    for _ in range(2):
        reply = server.get(path)
        assert (reply.status, reply.text) == (200, text), server.said()


def test_bodies_are_read(server: Server) -> None:
    reply = server.request("POST", "/app/x?replace", body=b"and read, ")
    assert (reply.status, reply.text) == (200, "begun, and read, done"), server.said()


@pytest.mark.parametrize(("query", "status"), [("refuse", 403), ("fail", 500)])
def test_errors_have_their_pages(server: Server, query: str, status: int) -> None:
    reply = server.get(f"/app/x?{query}")
    assert reply.status == status, server.said()
    assert str(status) in reply.text
    assert reply.header("Content-Length") == str(len(reply.body))


def test_the_logs_tell_of_all(server: Server) -> None:
    """Access log, error log of the request and of the server, log handler: all after the names were set."""
    server.get("/app/x?logged")
    server.get("/app/x?refuse+logged")
    server.get("/static/page.txt?logged")
    for line in ("GET /app/x?logged 200 11", "GET /app/x?refuse+logged 403", "GET /static/page.txt?logged 200 8"):
        server.wait_for_log(line, "seen.log")
    for text in ("handled /app/x", "server of /app/x", "seen by PythonFixupHandler, finish 1"):
        assert server.wait_for_log(text).count("Traceback") == server.log().count("ValueError: as asked")
