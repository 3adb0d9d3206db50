"""If, ElseIf and Else, and httpd's expressions in texts, on a real server."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server

CONF = """
PythonPath "['${WWW}'] + sys.path"
ErrorDocument 404 "no %{REQUEST_URI} for %{HTTP:X-Name}: %{tolower:ABC} 50%% $1"
<Location /gone>
    ErrorDocument 404 "%{REQUEST_METHOD}/%{REQUEST_STATUS}"
</Location>
<Location /elsewhere>
    ErrorDocument 404 /found/%{toupper:by}.txt
</Location>
<If "req('X-Type') == 'csv'">
    ForceType text/csv
</If>
<ElseIf "-n req('X-Type')">
    ForceType text/x-other
    <If "req('X-Deep') == 'yes'">
        ForceType text/x-deep
    </If>
    <Else>
        ForceType text/x-not-deep
    </Else>
</ElseIf>
<Else>
    <If "%{QUERY_STRING} =~ /^type=(.*)$/ && $1 == 'json'">
        ForceType application/json
    </If>
</Else>
<Location /late>
    ForceType text/x-location
    <If "%{REQUEST_METHOD} == 'POST'">
        Require all denied
    </If>
</Location>
<Directory "${WWW}/closed">
    <If "! -R '127.0.0.0/8'">
        Require all granted
    </If>
    <Else>
        Require all denied
    </Else>
</Directory>
<Files "guarded.txt">
    <If "%{QUERY_STRING} != 'key=1'">
        Require all denied
    </If>
</Files>
<Directory "${WWW}/allowed">
    AllowOverride All
</Directory>
<Location /app>
    <If "%{REQUEST_URI} =~ m#^/app/py# || req('X-App') == 'py'">
        SetHandler mod_python
        PythonHandler app
        PythonInterpreter conditional
        PythonOption name %{REQUEST_URI}
    </If>
    <If "%{QUERY_STRING} == 'other'">
        PythonInterpreter another
    </If>
</Location>
<LocationMatch "^/named/(?<part>[a-z]+)$">
    Redirect "/page.txt?%{env:MATCH_PART}"
</LocationMatch>
<FilesMatch "^(?<word>[a-z]+)\\.named$">
    <If "reqenv('MATCH_WORD') == 'one'">
        ForceType text/x-one
    </If>
    <Else>
        ForceType text/x-not-one
    </Else>
</FilesMatch>
ErrorDocument 405 "no %{REQUEST_METHOD}"
<Directory "${WWW}/index">
    DirectoryIndex page.txt
    <If "%{REQUEST_URI} == '/index/page.txt'">
        ForceType text/x-index
    </If>
</Directory>
"""

APP = """
from mod_python import apache

def handler(req):
    body = req.read() if req.method == "POST" else b""
    req.content_type = "text/plain"
    req.write(f"{req.interpreter} {req.get_options()['name']} {body.decode()}")
    return apache.OK
"""

HTACCESS = """
<If "%{HTTP_COOKIE} == 'a=1'">
    ForceType text/x-cookie
</If>
<Else>
    ForceType text/x-none
</Else>
"""

FILES = {
    "app.py": APP, "page.txt": "the page", "late/x.txt": "late", "closed/x.txt": "closed", "guarded.txt": "guarded",
    "allowed/x.txt": "allowed", "allowed/.htaccess": HTACCESS, "app/x.txt": "static", "index/page.txt": "index",
    "found/BY.txt": "found by name", "one.named": "1", "two.named": "2",
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


@pytest.mark.parametrize(
    ("path", "headers", "told"),
    [
        ("/page.txt", {}, ("text/plain", "X-Type")),
        ("/page.txt", {"X-Type": "csv"}, ("text/csv", "X-Type")),
        ("/page.txt", {"X-Type": "b"}, ("text/x-not-deep", "X-Type,X-Deep")),
        ("/page.txt", {"X-Type": "b", "X-Deep": "yes"}, ("text/x-deep", "X-Type,X-Deep")),
        ("/page.txt?type=json", {}, ("application/json", "X-Type")),
        ("/page.txt?type=xml", {}, ("text/plain", "X-Type")),
        # an If comes after a Location, and holds over it
        ("/late/x.txt", {}, ("text/x-location", "X-Type")),
        ("/late/x.txt", {"X-Type": "csv"}, ("text/csv", "X-Type")),
        ("/allowed/x.txt", {}, ("text/x-none", "X-Type,Cookie")),
        ("/allowed/x.txt", {"Cookie": "a=1"}, ("text/x-cookie", "X-Type,Cookie")),
        # the index is a request for its own name
        ("/index/", {}, ("text/x-index", "X-Type")),
    ],
)
def test_what_holds(server: Server, path: str, headers: dict[str, str], told: tuple[str, str]) -> None:
    for _ in range(2):  # (what was found for a path is kept)
        reply = server.get(path, headers)
        assert reply.status == 200
        assert (reply.header("Content-Type"), reply.header("Vary")) == told


def test_one_connection_meets_all_branches(server: Server) -> None:
    with server.connection() as connection:
        found = []
        for kind in ("csv", "", "b", "csv"):
            connection.request("GET", "/page.txt", headers={"X-Type": kind} if kind else {})
            response = connection.getresponse()
            response.read()
            found.append(response.getheader("Content-Type"))
    assert found == ["text/csv", "text/plain", "text/x-not-deep", "text/csv"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/late/x.txt", 200), ("POST", "/late/x.txt", 403), ("GET", "/closed/x.txt", 403),
        ("GET", "/guarded.txt", 403), ("GET", "/guarded.txt?key=1", 200),
    ],
)  # fmt: skip
def test_who_may(server: Server, method: str, path: str, status: int) -> None:
    reply = server.request(method, path)
    assert reply.status == status
    assert reply.header("Vary") == ("X-Type" if status == 200 else None)


@pytest.mark.parametrize(
    ("path", "headers", "text"),
    [
        ("/app/x.txt", {}, "static"),
        ("/app/x.txt", {"X-App": "py"}, "conditional %{REQUEST_URI} "),
        ("/app/python", {}, "conditional %{REQUEST_URI} "),
        ("/app/python?other", {}, "another %{REQUEST_URI} "),
    ],
)
def test_an_application(server: Server, path: str, headers: dict[str, str], text: str) -> None:
    assert server.get(path, headers).text == text


def test_a_body_comes_along(server: Server) -> None:
    reply = server.request("POST", "/app/python", "the body" * 1000)
    assert reply.text.endswith("%{REQUEST_URI} " + "the body" * 1000)


@pytest.mark.parametrize(
    ("path", "headers", "text"),
    [
        ("/nothing%20here?q", {"X-Name": "Bob"}, "no /nothing here for Bob: abc 50%% "),
        ("/nothing", {}, "no /nothing for : abc 50%% "),
        ("/gone/x", {}, "GET/404"),
        ("/elsewhere/x", {}, "found by name"),
    ],
)
def test_error_documents(server: Server, path: str, headers: dict[str, str], text: str) -> None:
    reply = server.get(path, headers)
    assert (reply.status, reply.text, reply.header("Vary")) == (404, text, "X-Type" if text[:1] == "f" else None)


def test_named_groups_of_sections(server: Server) -> None:
    assert (server.get("/named/abc").header("Location") or "").endswith("/page.txt?abc")
    found = [server.get(f"/{name}.named").header("Content-Type") for name in ("one", "two")]
    assert found == ["text/x-one", "text/x-not-one"]


def test_methods_are_told_beside_a_text_of_ones_own(server: Server) -> None:
    reply = server.request("PUT", "/page.txt")
    assert (reply.status, reply.text) == (405, "no PUT")
    assert "GET" in (reply.header("Allow") or "")
