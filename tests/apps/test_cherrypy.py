"""CherryPy as people install it, unmodified, through its own adapter for mod_python."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import BACKENDS, MPMS, Server

pytestmark = pytest.mark.apps

SOURCE = Path(__file__).parent / "cherrypy_site" / "cherrypy_app.py"

#: As the adapter's documentation says, with the directory of the application.
CONF = """
<Location "/">
    PythonPath "sys.path+['${WWW}']"
    SetHandler python-program
    PythonHandler cherrypy._cpmodpy::handler
    PythonOption cherrypy.setup cherrypy_app::setup_server
    PythonDebug On
</Location>
"""


#: The adapter compares the names of headers, bytes with str, so that its default stays: with Apache, too.
CONTENT_TYPE = "text/plain"


@pytest.fixture(scope="module", params=list(itertools.product((*BACKENDS, "auto"), MPMS)), ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The site in one kind of interpreter."""
    if importlib.util.find_spec("cherrypy") is None:
        pytest.skip("cherrypy is not installed: tools/test --apps")
    kind, mpm = request.param
    return start_module_server(CONF, {SOURCE.name: SOURCE.read_text()}, backend=kind, mpm=mpm)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "index of CherryPy"),
        ("/hello?name=Zo%C3%AB", "Hello, Zoë"),
        ("/shop/", "the shop"),
        ("/shop/item/7?colour=red", "item 7 in red"),
        ("/any/path/at/all", "any/path/at/all"),
        ("/within", "Hello, inside"),
    ],
)
def test_pages(server: Server, path: str, text: str) -> None:
    reply = server.get(path)
    assert (reply.status, reply.text) == (200, text)
    assert reply.header("Content-Type") == CONTENT_TYPE
    assert reply.header("Content-Length") == str(len(text.encode()))


def test_headers_and_cookies(server: Server) -> None:
    assert server.get("/hello").header("X-Greeting") == "yes"
    reply = server.get("/cookies", {"Cookie": "a=1; b=2"})
    assert reply.text == "a,b"
    assert [value.partition(";")[0] for name, value in reply.headers if name == "Set-Cookie"] == ["one=1", "two=2"]


def test_forms_with_files(server: Server) -> None:
    body = (
        '--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nZoë\r\n'
        '--b\r\nContent-Disposition: form-data; name="upload"; filename="f.bin"\r\n\r\n'
    ).encode() + b"\0" * 2_000_000 + b"\r\n--b--\r\n"  # fmt: skip
    reply = server.request("POST", "/form", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert (reply.status, reply.text) == (200, "Zoë|f.bin|2000000")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.request("POST", "/hello", b"name=Zo%C3%AB", headers).text == "Hello, Zoë"


def test_bodies(server: Server) -> None:
    reply = server.request("POST", "/raw", b"x" * 300_000, {"Content-Type": "application/octet-stream"})
    assert reply.text == "300000"


@pytest.mark.parametrize("page", ["/count", "/count_without_cleaner"])
def test_sessions(server: Server, page: str) -> None:
    if server.backend == "own" and page == "/count":
        # its cleaner is a daemon thread, which only a process can have; auto moves the application to one
        assert server.get(page).status == 500
        return
    reply = server.get(page)
    cookie = (reply.header("Set-Cookie") or "").partition(";")[0]
    assert (reply.text, server.get(page, {"Cookie": cookie}).text) == ("1", "2")


def test_streams(server: Server) -> None:
    reply = server.get("/stream")
    assert reply.text == "piece 0\npiece 1\npiece 2\n"
    assert reply.header("Transfer-Encoding") == "chunked"


def test_json_and_files(server: Server) -> None:
    assert json.loads(server.get("/json").body) == {"a": [1, "Zoë"]}
    reply = server.get("/file")
    assert reply.body == SOURCE.read_bytes()
    unchanged = server.get("/file", {"If-Modified-Since": reply.header("Last-Modified") or ""})
    assert (unchanged.status, unchanged.body) == (304, b"")


def test_statuses(server: Server) -> None:
    moved = server.get("/moved")
    assert moved.status == 303
    assert moved.header("Location") == f"http://127.0.0.1:{server.port}/hello?name=redirected"
    missing = server.get("/missing")
    assert missing.status == 404
    assert "The path '/missing' was not found" in missing.text
    teapot = server.get("/teapot")
    assert teapot.status == 418
    assert "short and stout" in teapot.text


def test_a_failing_page(server: Server) -> None:
    reply = server.get("/fails")
    assert reply.status == 500
    assert "LookupError" not in reply.text
    assert "LookupError: a fault of the page" in (server.www / "cherrypy.log").read_text()
    assert server.get("/").status == 200


def test_who_asks(server: Server) -> None:
    assert server.get("/whoami").text == f"None 127.0.0.1 http://127.0.0.1:{server.port} http"
    refused = server.get("/secret")
    assert refused.status == 401
    assert re.match('Basic realm="secrets"', refused.header("WWW-Authenticate") or "")
    assert server.get("/secret", auth=("spam", "wrong")).status == 401
    assert server.get("/secret", auth=("spam", "eggs")).text == "for spam"


def test_head_and_a_kept_connection(server: Server) -> None:
    with server.connection() as connection:
        for method, path, status in [("GET", "/", 200), ("HEAD", "/hello", 200), ("GET", "/missing", 404)]:
            connection.request(method, path)
            reply = connection.getresponse()
            reply.read()
            assert (reply.status, connection.sock is not None) == (status, True), path
