"""Rules that lead to applications: the interpreter that serves them is found before, whatever the request was for."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server
from support.waiting import wait_for

CONF = """
RewriteEngine On
RewriteMap upper int:toupper
RewriteMap program "prg:/bin/sh ${WWW}/map.sh"
RewriteMap pages txt:${WWW}/pages.txt
RewriteMap numbers dbm:${ROOT}/numbers
RewriteRule ^/to/one/(.*)$ /one/app.py/$1 [E=LED:$1,L]
RewriteRule ^/to/two/(.*)$ /two/app.py/$1 [QSA,L]
RewriteRule ^/to/passed/(.*)$ /located/$1?by=pt [PT]
RewriteRule ^/to/page$ /page.txt [L]
RewriteRule ^/kept/plain$ /kept.txt [PT]
RewriteRule ^/kept/typed$ /kept.txt [PT,T=text/x-typed]
RewriteRule ^/kept/cookie$ /kept.txt [PT,CO=one:two:localhost]
RewriteCond %{HTTP:X-To} ^(one|two)$
RewriteRule ^/by-header$ /%1/app.py [L]
RewriteRule ^/program/(.*)$ /one/app.py/${program:$1|nothing} [L]
RewriteRule ^/text/(.*)$ /one/app.py/${pages:$1|nothing} [L]
RewriteRule ^/dbm/(.*)$ /one/app.py/${numbers:$1|nothing} [L]
RewriteRule ^/closed/way$ /shut/page.txt [L]
RewriteRule ^/asked/app$ /judged/app [PT]
RewriteRule ^/asked/ /judged/page.txt [PT]
RewriteRule ^/upper/(.*)$ /page.txt?${upper:$1} [R,L]
RewriteCond %{REQUEST_URI} =/kelvin/K [NC]
RewriteRule . /page.txt [L]
SetEnvIf Request_URI ^/asked/ ASKED
SetEnvIf Request_URI ^/judged/ THERE
SetEnvIf Request_URI ^/asked/closed$ CLOSED
<Location /judged>
    Header set X-Variables "%{ASKED}e %{THERE}e"
    Order deny,allow
    Deny from env=CLOSED
</Location>
<Location /judged/app>
    SetHandler mod_python
    PythonInterpreter one
    PythonPath "sys.path + ['${WWW}/one']"
    PythonHandler app
</Location>
<Location /located>
    SetHandler mod_python
    PythonInterpreter one
    PythonPath "sys.path + ['${WWW}/one']"
    PythonHandler app
</Location>
<Directory "${WWW}/one">
    AddHandler mod_python .py
    PythonInterpreter one
    PythonHandler app
</Directory>
<Directory "${WWW}/two">
    AddHandler mod_python .py
    PythonInterpreter two
    PythonHandler app
</Directory>
<Directory "${WWW}/front">
    AllowOverride FileInfo
</Directory>
<Directory "${WWW}/first">
    RewriteEngine On
    RewriteRule .* /one/app.py/${program:self}?first [L]
</Directory>
<Directory "${WWW}/second">
    RewriteEngine On
    RewriteRule .* /one/app.py/${program:self}?second [L]
</Directory>
<Directory "${WWW}/shut">
    Require all denied
</Directory>
<Directory "${WWW}/guarded">
    AllowOverride FileInfo
    Require all denied
</Directory>
<VirtualHost *>
    ServerName localhost
    RewriteOptions Inherit
</VirtualHost>
<VirtualHost *>
    ServerName early.example
    RewriteEngine On
    RewriteOptions Inherit
    PythonInterpreter early
    PythonPath "sys.path + ['${WWW}/early']"
    PythonPostReadRequestHandler early::first
    PythonTransHandler early::translate
    RewriteRule ^/by-handler/(.*)$ /one/app.py/$1 [E=LED:early,L]
</VirtualHost>
"""

APP = """
import json
from mod_python import apache

def handler(req):
    req.content_type = "application/json"
    names = ("LED", "REDIRECT_LED", "REDIRECT_STATUS")
    req.write(json.dumps({
        "in": req.interpreter, "uri": req.uri, "info": req.path_info, "args": req.args,
        "target": req.unparsed_uri, "body": req.read().decode(),
        "redirected": req.prev is not None,
        "env": {name: req.subprocess_env[name] for name in names if name in req.subprocess_env},
    }))
    return apache.OK
"""

EARLY = """
from mod_python import apache

def first(req):
    req.headers_in["X-Early"] = "yes"
    return apache.OK

def translate(req):
    if req.uri == "/translated":
        req.filename = req.document_root() + "/page.txt"
        return apache.OK
    return apache.DECLINED
"""

HTACCESS = """
RewriteEngine On
RewriteRule .* - [E=LED:%{HTTP:Authorization}]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule ^(one|two)/(.*)$ /$1/app.py/$2 [L]
RewriteRule ^far/(.*)$ two/$1 [L]
"""

MAP = """#!/bin/sh
while read key; do
    case $key in
        unknown) echo NULL;;
        dies) exit 1;;
        self) echo $$;;
        *) echo "mapped-$key";;
    esac
done
"""

FILES = {
    "judged/page.txt": "judged",
    "page.txt": "the page", "one/app.py": APP, "two/app.py": APP, "front/.htaccess": HTACCESS, "front/real.txt": "real",
    "early/early.py": EARLY, "map.sh": MAP, "pages.txt": "# pages\nstart first\n", "shut/page.txt": "shut",
    "first/x": "", "first/y": "", "second/x": "",
    "guarded/.htaccess": "RewriteEngine On\nRewriteRule .* /one/app.py\n", "guarded/page.txt": "guarded",
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One of each kind of interpreters."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


def told(server: Server, path: str, **headers: str) -> dict[str, object]:
    reply = server.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert reply.status == 200, (path, reply)
    found: dict[str, object] = json.loads(reply.body)
    return found


def test_rules_of_the_server(server: Server) -> None:
    found = told(server, "/to/one/a%20b?q=1")
    assert found == {
        "in": "one", "uri": "/to/one/a b", "info": "/a b", "args": "q=1",
        "target": "/to/one/a%20b?q=1", "body": "", "redirected": False, "env": {"LED": "a b"},
    }  # fmt: skip
    found = told(server, "/to/two/x?q=1")
    assert (found["in"], found["info"], found["args"]) == ("two", "/x", "q=1")
    found = told(server, "/to/passed/y?q=1")
    assert (found["in"], found["uri"], found["args"]) == ("one", "/located/y", "by=pt")


def test_what_a_header_decides(server: Server) -> None:
    for to in ("one", "two", "one"):
        reply = server.get("/by-header", headers={"X-To": to})
        assert json.loads(reply.body)["in"] == to
        assert reply.header("Vary") == "X-To"
    assert server.get("/by-header").status == 404


def test_files_that_rules_lead_to(server: Server) -> None:
    """They are kept ready, each with what its rule says; and read again when they have changed."""
    file = server.www / "kept.txt"
    file.write_text("first")
    # (one that has just changed is not kept: it may change again with the same time stamp)
    wait_for(lambda: time.time() - file.stat().st_ctime > 1.1, "the file is settled")
    for _ in range(3):
        plain = server.get("/kept/plain")
        assert (plain.text, plain.header("Content-Type"), plain.header("Set-Cookie")) == ("first", "text/plain", None)
        typed = server.get("/kept/typed")
        assert (typed.text, typed.header("Content-Type")) == ("first", "text/x-typed")
        cookie = server.get("/kept/cookie")
        assert (cookie.text, cookie.header("Set-Cookie")) == ("first", "one=two; path=/; domain=localhost")
        assert plain.header("ETag") == typed.header("ETag") == cookie.header("ETag")
        assert server.get("/kept/plain", {"If-None-Match": plain.header("ETag") or ""}).status == 304
        assert server.get("/kept/plain", {"Range": "bytes=0-1"}).text == "fi"
        assert server.request("HEAD", "/kept/typed").header("Content-Length") == "5"
    fresh = server.www / "fresh.txt"
    fresh.write_text("the second")
    fresh.rename(file)
    for path in ("/kept/plain", "/kept/typed", "/kept/cookie"):
        assert server.get(path).text == "the second"
    file.unlink()
    assert server.get("/kept/plain").status == 404


def test_rules_of_a_directory(server: Server) -> None:
    found = told(server, "/front/one/x/y?q=1", Authorization="Bearer t")
    assert found == {
        "in": "one", "uri": "/one/app.py/x/y", "info": "/x/y", "args": "q=1",
        "target": "/one/app.py/x/y?q=1", "body": "", "redirected": True,
        "env": {"REDIRECT_LED": "Bearer t", "REDIRECT_STATUS": "200"},
    }  # fmt: skip
    assert told(server, "/front/two/z")["in"] == "two"
    assert told(server, "/front/far/z")["in"] == "two"
    assert server.get("/front/real.txt").text == "real"
    assert server.get("/front/nothing").status == 404


def test_handlers_before_the_resource_is_known(server: Server) -> None:
    reply = server.get("/by-handler/x?q=1", host="early.example")
    found = json.loads(reply.body)
    assert (found["in"], found["info"], found["args"]) == ("one", "/x", "q=1")
    assert found["env"] == {"LED": "early"}
    assert server.get("/to/page", host="early.example").text == "the page"
    assert server.get("/translated", host="early.example").text == "the page"
    assert server.get("/front/real.txt", host="early.example").text == "real"
    assert server.get("/none", host="early.example").status == 404


def test_bodies_go_along(server: Server) -> None:
    for path in ("/to/one/x", "/front/two/x"):
        reply = server.request("POST", path, "the body")
        assert json.loads(reply.body)["body"] == "the body"


def test_a_connection_goes_from_one_to_the_other(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        for path, where in [
            ("/front/real.txt", ""), ("/to/one/x", "one"), ("/front/two/x", "two"), ("/to/page", ""),
            ("/to/two/x", "two"),
        ] * 2:  # fmt: skip
            connection.request("GET", path)
            reply = connection.getresponse()
            body = reply.read()
            assert reply.status == 200
            if where:
                assert json.loads(body)["in"] == where
    finally:
        connection.close()


def test_access_is_decided_where_rules_lead(server: Server) -> None:
    assert server.get("/closed/way").status == 403
    assert server.get("/guarded/page.txt").status == 403


def test_a_program_answers(server: Server) -> None:
    assert told(server, "/program/key")["info"] == "/mapped-key"
    assert told(server, "/program/unknown")["info"] == "/nothing"
    assert told(server, "/program/dies")["info"] == "/nothing"
    server.wait_for_log("can't look in the map program: the program has ended")
    assert told(server, "/program/again")["info"] == "/mapped-again"


def test_a_program_runs_once_for_all_directories(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    found = []
    try:
        for path in ("/first/x", "/second/x", "/first/y"):
            connection.request("GET", path)
            found.append(json.loads(connection.getresponse().read()))
    finally:
        connection.close()
    assert [its["args"] for its in found] == ["first", "second", "first"]
    assert len({its["info"] for its in found}) == 1, found


def test_a_text_is_read_again_when_it_changes(server: Server) -> None:
    assert told(server, "/text/start")["info"] == "/first"
    (server.www / "pages.txt").write_text("start second-thing\nother o\n")
    assert told(server, "/text/start")["info"] == "/second-thing"
    assert told(server, "/text/none")["info"] == "/nothing"


def test_a_database_is_asked(server: Server) -> None:
    import dbm

    with dbm.open(str(server.root / "numbers"), "c") as file:
        file["one"] = "1"
    assert told(server, "/dbm/one")["info"] == "/1"
    assert told(server, "/dbm/two")["info"] == "/nothing"


def test_variables_go_by_the_path_that_was_asked_for(server: Server) -> None:
    """SetEnvIf comes before the rules, as in httpd: so does what access control makes of it."""
    found = [server.get(path) for path in ("/asked/page", "/asked/app", "/judged/page.txt", "/asked/closed")]
    assert [(reply.status, reply.header("X-Variables")) for reply in found] == [
        (200, "1 (null)"), (200, "1 (null)"), (200, "(null) 1"), (403, None),
    ]  # fmt: skip


def test_letters_beyond_ascii_have_no_case(server: Server) -> None:
    """As for httpd: in Unicode the sign for Kelvin would be a k."""
    assert (server.get("/upper/a%C3%A9%C3%9F").header("Location") or "").endswith("/page.txt?A%C3%A9%C3%9F")
    assert [server.get(f"/KELVIN/{sign}").status for sign in ("k", "%E2%84%AA")] == [200, 404]
