"""Which Directory sections hold for what is asked for, and for what a request looks for beside its own file.

What is expected is what Apache httpd 2.4 does: its walk takes a file for one more directory, a name that is missing for
none; and the sections of an index or of a part of a page in the same directory are those of the request.
"""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

#: Sections, and what the header of a response calls them.
SECTIONS = (
    ("Directory", "${WWW}", "W"),
    ("Directory", "${WWW}/*", "W/*"),
    ("Directory", "${WWW}/a", "a"),
    ("Directory", "${WWW}/a/*", "a/*"),
    ("Directory", "${WWW}/a/x.html", "a/x.html"),
    ("Directory", "${WWW}/a/b", "a/b"),
    ("DirectoryMatch", "x.html$", "~x.html$"),
    ("DirectoryMatch", "index", "~index"),
    ("DirectoryMatch", "missing", "~missing"),
    ("DirectoryMatch", "/b$", "~/b$"),
    ("DirectoryMatch", "/b/$", "~/b/$"),
    ("DirectoryMatch", "/a/$", "~/a/$"),
    ("DirectoryMatch", "/a/b/", "~/a/b/"),
    ("DirectoryMatch", "/a/b/.", "~/a/b/."),
)
NOTES = "".join(f'<{kind} "{path}">\nHeader always append X-In {name}\n</{kind}>\n' for kind, path, name in SECTIONS)

CONF = (
    NOTES
    + """
DirectoryIndex index.html
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
<Directory "${WWW}">
    AllowOverride FileInfo
    Options +Includes
</Directory>
<Directory "${WWW}/closed/*">
    Require all denied
</Directory>
<DirectoryMatch "/matched/[^/]+$">
    Require all denied
</DirectoryMatch>
<Directory "${WWW}/far">
    DirectoryIndex ../closed/index.html /closed/index.html
</Directory>
<Directory "${WWW}/deep">
    DirectoryIndex sub/index.html
</Directory>
<Directory "${WWW}/deep/sub/*">
    Require all denied
</Directory>
<Directory "${WWW}/folder">
    DirectoryIndex sub
</Directory>
<Files named.html>
    Header always set X-File named
</Files>
<Directory "${WWW}/named">
    DirectoryIndex named.html
</Directory>
<Location "/located/index.html">
    Require all denied
</Location>
"""
)
FILES: dict[str, str | bytes] = {
    "index.html": "the first",
    "a/index.html": "a",
    "a/x.html": "x",
    "a/b/index.html": "b",
    "a/b/x.html": "bx",
    "a/b/.htaccess": "Header always append X-In htaccess\n",
    "a/b/c/x.txt": "c",
    "closed/index.html": "closed",
    "matched/index.html": "matched",
    "matched/page.shtml": '<!--#include virtual="index.html" -->',
    "matched/.htaccess": "<Files page.shtml>\nHeader set X-Page 1\n</Files>\n",
    "parts/page.shtml": '<!--#include virtual="../closed/index.html" -->',
    "far/x": "",
    "deep/sub/index.html": "deep",
    "folder/sub/x": "",
    "named/named.html": "named",
    "located/index.html": "located",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter."""
    return start_module_server(CONF, FILES, backend=request.param)


@pytest.mark.parametrize(
    ("path", "status", "held"),
    [
        ("/", 200, "W"),
        ("/index.html", 200, "W, W/*, ~x.html$, ~index"),
        ("/a", 301, "W, W/*, a"),
        ("/a/", 200, "W, W/*, a, ~/a/$"),
        ("/a/x.html", 200, "W, W/*, a, a/*, a/x.html, ~x.html$"),
        ("/a/index.html", 200, "W, W/*, a, a/*, ~x.html$, ~index"),
        ("/a/b", 301, "W, W/*, a, a/*, a/b, htaccess, ~/b$"),
        ("/a/b/", 200, "W, W/*, a, a/*, a/b, htaccess, ~/b/$, ~/a/b/"),
        ("/a/b/x.html", 200, "W, W/*, a, a/*, a/b, htaccess, ~x.html$, ~/a/b/., ~/a/b/"),
        ("/a/b/c/x.txt", 200, "W, W/*, a, a/*, a/b, htaccess, ~/a/b/., ~/a/b/"),
        ("/a/missing", 404, "W, W/*, a, ~missing"),
        ("/a/missing/more", 404, "W, W/*, a, ~missing"),
    ],
)
def test_sections_of_a_path(server: Server, path: str, status: int, held: str) -> None:
    for _ in range(2):  # (what was found once is remembered)
        reply = server.get(path)
        expected = sorted(held.split(", "))
        assert (reply.status, sorted((reply.header("X-In") or "").split(", "))) == (status, expected)


def test_their_order(server: Server) -> None:
    held = server.get("/a/b/").header("X-In")
    assert held == "W, W/*, a, a/*, a/b, htaccess, ~/b/$, ~/a/b/"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/closed/", 200, "closed"),
        ("/closed/index.html", 403, None),
        ("/matched/", 200, "matched"),
        ("/matched/index.html", 403, None),
        ("/far/", 403, None),
        ("/deep/", 403, None),
        ("/located/", 403, None),
        ("/closed/missing", 404, None),
        ("/parts/page.shtml", 200, "[an error occurred while processing this directive]"),
    ],
)
def test_an_index_is_no_directory(server: Server, path: str, status: int, body: str | None) -> None:
    reply = server.get(path)
    assert reply.status == status
    assert body is None or reply.text == body


def test_an_index_that_is_a_directory(server: Server) -> None:
    reply = server.get("/folder/")
    assert (reply.status, reply.header("Location")) == (301, f"http://127.0.0.1:{server.port}/folder/sub/")


def test_headers_of_an_index(server: Server) -> None:
    """Those that a Files section of its name asks for; and they don't go with what is remembered of the file."""
    for path in ("/named/", "/named/named.html", "/named/", "/named/named.html"):
        reply = server.get(path)
        assert (reply.status, reply.text, reply.header("X-File")) == (200, "named", "named")
