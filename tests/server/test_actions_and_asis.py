"""Scripts for types, handlers and methods, and files with their own headers; as Apache httpd 2.4 has it."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.checking import refusal
from support.server import BACKENDS, Server

CONF = """
DirectoryIndex index.php
AddHandler send-as-is .asis
AddHandler my-php .php
AddHandler virt .v
AddType application/x-own .own
ScriptAlias /cgi-bin/ "${WWW}/bin/"
Action my-php /cgi-bin/h.cgi
Action virt /cgi-bin/h.cgi virtual
Action application/x-own /cgi-bin/h.cgi
Script PUT /cgi-bin/put.cgi
Script GET /cgi-bin/get.cgi
<Location /loc>
    SetHandler virt
</Location>
"""

HEAD = "#!/bin/sh\necho Content-Type: text/plain\necho\n"
FILES: dict[str, str | bytes] = {
    "bin/h.cgi": HEAD + "echo $PATH_INFO,$QUERY_STRING,$REDIRECT_HANDLER,$REDIRECT_URL,$REQUEST_METHOD,`cat`",
    "bin/put.cgi": HEAD + "echo put $PATH_INFO `cat`",
    "bin/get.cgi": HEAD + "echo get $PATH_INFO $QUERY_STRING",
    "a b.php": "php",
    "a.php": "php",
    "x.own": "own",
    "d/index.php": "i",
    "p.txt": "plain",
    "a.asis": "Status: 202 Fine\nContent-Type: text/html\nX-Y: z\n\nbody\n",
    "loc.asis": "Location: /p.txt\n\n",
    "far.asis": "Status: 302\nLocation: http://h.test/\n\nmoved",
    "bad.asis": "no header\n\nbody",
    "none.asis": "",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter."""
    return start_module_server(CONF, FILES, backend=request.param)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/a.php", 200, "/a.php,,my-php,/a.php,GET,\n"),
        ("GET", "/a.php?x=1&y", 200, "/a.php,x=1&y,my-php,/a.php,GET,\n"),
        ("GET", "/a.php/more", 200, "/a.php/more,,my-php,/a.php/more,GET,\n"),
        ("GET", "/a%20b.php", 200, "/a b.php,,my-php,/a b.php,GET,\n"),
        ("GET", "/b.php", 404, None),
        ("GET", "/x.own", 200, "/x.own,,application/x-own,/x.own,GET,\n"),
        ("GET", "/b.v", 200, "/b.v,,virt,/b.v,GET,\n"),
        ("GET", "/loc/any", 200, "/loc/any,,virt,/loc/any,GET,\n"),
        ("GET", "/d/", 200, "/d/index.php,,my-php,/d/index.php,GET,\n"),
        ("POST", "/a.php", 200, "/a.php,,my-php,/a.php,POST,data\n"),
        ("PUT", "/p.txt", 200, "put /p.txt data\n"),
        ("PUT", "/new.txt", 200, "put /new.txt data\n"),
        ("GET", "/p.txt?q", 200, "get /p.txt q\n"),
        ("GET", "/p.txt", 200, "plain"),
        ("DELETE", "/p.txt", 405, None),
    ],
)
def test_actions(server: Server, method: str, path: str, status: int, text: str | None) -> None:
    reply = server.request(method, path, body="data" if method in ("POST", "PUT") else None)
    assert reply.status == status
    assert text is None or reply.text == text


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/a.asis", 202, "body\n"),
        ("/a.asis/more", 202, "body\n"),
        ("/loc.asis", 200, "plain"),
        ("/far.asis", 302, None),
        ("/bad.asis", 500, None),
        ("/none.asis", 500, None),
        ("/gone.asis", 404, None),
    ],
)
def test_as_it_is(server: Server, path: str, status: int, text: str | None) -> None:
    reply = server.get(path)
    assert reply.status == status
    assert text is None or reply.text == text
    if status == 202:
        told = (reply.reason, reply.header("X-Y"), reply.header("Content-Type"), reply.header("Content-Length"))
        assert told == ("Fine", "z", "text/html", "5")
        head = server.request("HEAD", path)
        assert (head.status, head.body, head.header("X-Y")) == (202, b"", "z")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("Action a b.cgi", "is no path of a URI"),
        ("Action a /b.cgi always", "the optional third argument is virtual"),
        ("Script TRACE /x", "TRACE not allowed for Script"),
        ("Script get /x", "Unknown method type for Script"),
    ],
)
def test_faults(server: Server, line: str, error: str) -> None:
    assert error in refusal(server, "-c", line)
