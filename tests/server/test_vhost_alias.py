"""VirtualDocumentRoot and its kin: sites by the names that are asked for, as Apache httpd 2.4 has them."""

from __future__ import annotations

import pytest

from conftest import StartServer
from mpserver.modules.vhost_alias import interpolated
from support.checking import refusal
from support.server import BACKENDS, Server

CONF = """
LoadModule vhost_alias_module modules/mod_vhost_alias.so
VirtualDocumentRoot "${WWW}/sites/%0/htdocs"
VirtualScriptAlias "${WWW}/sites/%0/scripts"
<Directory "${WWW}/sites">
    AddHandler mod_python .py
    PythonHandler app
    PythonPath "sys.path + ['${WWW}']"
</Directory>
<VirtualHost *:${PORT}>
    ServerName parts.test
    ServerAlias *.parts.test
    VirtualDocumentRoot "${WWW}/parts/%-3.1/%1"
    VirtualScriptAlias none
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName address.test
    VirtualDocumentRootIP "${WWW}/addresses/%0"
    VirtualScriptAlias none
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName one.test
    ServerAlias *.test
    VirtualDocumentRoot "${WWW}/sites/%0/htdocs"
</VirtualHost>
"""
APP = """
from mod_python import apache
count = 0

def handler(req):
    global count
    count += 1
    req.write(f"{req.interpreter} {count} {req.document_root()}")
    return apache.OK
"""
FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "index.html": "the server's own",
    "sites/a.test/htdocs/index.html": "a",
    "sites/a.test/htdocs/x.py": "",
    "sites/b.test/htdocs/index.html": "b",
    "sites/b.test/htdocs/x.py": "",
    "sites/b.test/scripts/s.cgi": "#!/bin/sh\necho Content-Type: text/plain\necho\necho $SCRIPT_NAME $DOCUMENT_ROOT",
    "parts/w/www/index.html": "parts",
    "addresses/127.0.0.1/index.html": "address",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter."""
    return start_module_server(CONF, FILES, backend=request.param)


@pytest.mark.parametrize(
    ("host", "status", "text"),
    [
        ("a.test", 200, "a"),
        ("A.TEST.", 200, "a"),
        ("b.test", 200, "b"),
        ("nobody.test", 404, None),
        ("..test", 400, None),
        ("www.parts.test", 200, "parts"),
        ("address.test", 200, "address"),
    ],
)
def test_documents(server: Server, host: str, status: int, text: str | None) -> None:
    reply = server.get("/index.html", host=host)
    assert reply.status == status
    assert text is None or reply.text == text


def test_each_name_is_an_interpreter(server: Server) -> None:
    seen = {}
    for host in ("a.test", "b.test", "A.test", "b.test"):
        seen[host.lower()] = server.get("/x.py", host=host).text.split()
    for name, (interpreter, count, root) in seen.items():
        assert root == f"{server.www}/sites/{name}/htdocs"
        if server.backend != "main":  # (there is one main interpreter)
            assert (interpreter, count) == (name, "2")


def test_scripts(server: Server) -> None:
    reply = server.get("/cgi-bin/s.cgi", host="b.test")
    assert reply.text == f"/cgi-bin/s.cgi {server.www}/sites/b.test/htdocs\n"
    assert server.get("/cgi-bin/s.cgi", host="a.test").status == 404


def test_a_site_that_comes_later(server: Server) -> None:
    assert server.get("/index.html", host="late.test").status == 404
    server.write("sites/late.test/htdocs/index.html", "late")
    assert server.get("/index.html", host="late.test").text == "late"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/w/%0", "/w/www.example.com"),
        ("/w/%1/%2/%3/%4", "/w/www/example/com/_"),
        ("/w/%-1/%-2", "/w/com/example"),
        ("/w/%2+", "/w/example.com"),
        ("/w/%-2+", "/w/www.example"),
        ("/w/%2.1/%2.2/%2.3+", "/w/e/x/ample"),
        ("/w/%2.-1/%2.-2+/%1.4", "/w/e/exampl/_"),
        ("/w/%p/%%", "/w/8080/%"),
    ],
)
def test_interpolation(template: str, path: str) -> None:
    assert interpolated(template, "www.example.com", 8080)[0] == path


@pytest.mark.parametrize("template", ["www/%0", "/w/%x", "/w/%", "/w/%1.x%"])
def test_faults(server: Server, template: str) -> None:
    assert "VirtualDocumentRoot: " in refusal(server, "-c", f"VirtualDocumentRoot {template}")
