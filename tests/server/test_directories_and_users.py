"""What answers for directories and for what is not there, and users' directories; as Apache httpd 2.4 has it."""

from __future__ import annotations

import pwd

import pytest

from conftest import StartServer
from support.checking import refusal
from support.server import BACKENDS, Server

CONF = """
DirectoryIndex index.html nothing.html
LoadModule autoindex_module modules/mod_autoindex.so
UserDir ${WWW}/nowhere ${WWW}/users ${WWW}/homes/*/web
UserDir disabled eve
<Directory "${WWW}/back">
    FallbackResource /back/front.html
</Directory>
<Directory "${WWW}/back/off">
    FallbackResource disabled
</Directory>
<Directory "${WWW}/relative">
    FallbackResource front.html
</Directory>
<Directory "${WWW}/python">
    AddHandler mod_python .py
    PythonHandler front
    FallbackResource /python/front.py
</Directory>
<Directory "${WWW}/closed">
    Require all denied
</Directory>
<Directory "${WWW}/toclosed">
    FallbackResource /closed/front.html
</Directory>
<Directory "${WWW}/moved">
    DirectoryIndexRedirect on
</Directory>
<Directory "${WWW}/moved/for-good">
    DirectoryIndexRedirect permanent
</Directory>
<Directory "${WWW}/moved/303">
    DirectoryIndexRedirect seeother
</Directory>
<Directory "${WWW}/moved/307">
    DirectoryIndexRedirect 307
</Directory>
<Directory "${WWW}/moved/off">
    DirectoryIndexRedirect off
</Directory>
<VirtualHost *:${PORT}>
    ServerName main.test
    DocumentRoot "${WWW}"
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName elsewhere.test
    UserDir http://users.test/~*/lost
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName some.test
    UserDir disabled
    UserDir enabled bob
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName homes.test
    UserDir public_html
    ErrorLog logs/homes.log
    LogLevel debug
</VirtualHost>
"""

FRONT = """
from mod_python import apache

def handler(req):
    req.content_type = "text/plain"
    req.write(f"{req.uri} {req.path_info} {req.args}")
    return apache.OK
"""

FILES: dict[str, str | bytes] = {
    "index.html": "start",
    "back/front.html": "front",
    "back/real.txt": "real",
    "back/indexed/index.html": "index",
    "back/sub/x": "",
    "back/off/x": "",
    "relative/front.html": "near",
    "relative/sub/x": "",
    "python/front.py": FRONT,
    "closed/front.html": "",
    "toclosed/x": "",
    **{f"moved/{name}index.html": "moved" for name in ("", "for-good/", "303/", "307/", "off/")},
    "moved/none/x": "",
    "users/bob/x.txt": "bob",
    "users/bob/index.html": "bob's",
    "users/eve/x.txt": "eve",
    "homes/amy/web/x.txt": "amy",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter."""
    return start_module_server(CONF, FILES, backend=request.param)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/back/missing", 200, "front"),
        ("/back/missing/more?x=1", 200, "front"),
        ("/back/", 200, "front"),
        ("/back/sub/", 200, "front"),
        ("/back/indexed/", 200, "index"),
        ("/back/real.txt", 200, "real"),
        ("/back/real.txt/more", 404, None),
        ("/back/off/missing", 404, None),
        ("/relative/missing", 200, "near"),
        ("/relative/sub/missing", 500, None),  # looks for itself there, again and again
        ("/toclosed/missing", 403, None),
        ("/python/some/page?a=b", 200, "/python/front.py  a=b"),
        ("/python/", 200, "/python/front.py  None"),
        ("/nothing", 404, None),
    ],
)
def test_fallback_resource(server: Server, path: str, status: int, body: str | None) -> None:
    reply = server.get(path)
    assert reply.status == status
    assert body is None or reply.text == body


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/moved/?x=1", 302, "/moved/index.html"),
        ("/moved/for-good/", 301, "/moved/for-good/index.html"),
        ("/moved/303/", 303, "/moved/303/index.html"),
        ("/moved/307/", 307, "/moved/307/index.html"),
        ("/moved/off/", 200, None),
        ("/moved/none/", 403, None),
    ],
)
def test_an_index_that_is_led_to(server: Server, path: str, status: int, location: str | None) -> None:
    reply = server.get(path)
    there = location and f"http://127.0.0.1:{server.port}{location}"
    assert (reply.status, reply.header("Location")) == (status, there)


@pytest.mark.parametrize(
    ("host", "path", "status", "told"),
    [
        ("main.test", "/~bob", 301, "http://main.test/~bob/"),
        ("main.test", "/~bob/", 200, "bob's"),
        ("main.test", "/~bob/x.txt?q=1", 200, "bob"),
        ("main.test", "/~amy/x.txt", 200, "amy"),
        ("main.test", "/~eve/x.txt", 404, None),
        ("main.test", "/~", 404, None),
        ("main.test", "/~../x", 404, None),
        ("main.test", "/~%2e%2e/bob/x.txt", 404, None),
        ("main.test", "/~nobody/x", 404, None),
        # what follows the * is lost, and so is the query
        ("elsewhere.test", "/~bob/x y.txt".replace(" ", "%20") + "?q=1", 302, "http://users.test/~bob/x%20y.txt"),
        ("elsewhere.test", "/~eve/", 404, None),
        ("some.test", "/~bob/x.txt", 200, "bob"),
        ("some.test", "/~amy/x.txt", 404, None),
    ],
)
def test_users(server: Server, host: str, path: str, status: int, told: str | None) -> None:
    reply = server.get(path, host=host)
    assert reply.status == status
    if told is not None:
        location = (reply.header("Location") or "").replace(f":{server.port}", "")
        assert told == (location if 300 <= status < 400 else reply.text)


def test_home_directories(server: Server) -> None:
    home = pwd.getpwnam("root").pw_dir
    assert server.get("/~root/x", host="homes.test").status in (403, 404)
    assert f"{home}/public_html" in server.log("homes.log")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("UserDir enabled", 'UserDir "enabled" keyword requires a list of usernames'),
        ("UserDir www*", "has to be absolute"),
        ("UserDir ../x", "would lead out"),
        ("DirectoryIndexRedirect 404", "only accepts values between 300 and 399"),
        ("FallbackResource", "FallbackResource takes one argument"),
    ],
)
def test_faults(server: Server, line: str, error: str) -> None:
    assert error in refusal(server, "-c", line)
