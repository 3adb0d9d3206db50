"""Redirect and its kin on a real server; expected answers are those of httpd 2.4 to the same configuration.

Deliberate: escapes that the server makes have upper-case digits (RFC 3986 2.1), httpd's lower-case ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import refused
from support.server import BACKENDS, Server

CONF = r"""
ServerName main.example
Redirect /1 http://o.example/t
Redirect permanent /2 /local
Redirect 307 /3 http://o.example/
Redirect /4 http://o.example/t?fixed=1
Redirect gone /5
Redirect 403 /5b
RedirectTemp /6 http://o.example/six
RedirectPermanent /7 http://o.example/seven
Redirect seeother /8 http://o.example/e#frag
RedirectMatch ^/m1/(.*)$ http://o.example/$1
RedirectMatch 301 ^/m2/(.*)$ http://o.example/q?x=$1
RedirectMatch gone ^/m3
RedirectMatch ^/m4(.*) /loc$0
RedirectMatch "^/m5/(.*)$" "http://o.example/a b/$1"
RedirectMatch 404 ^/m6
RedirectMatch ^/m7/(.*)$ http://o.example/$1#frag
Redirect /9/ http://o.example/nine/
Redirect /10/x http://o.example/tenx
Redirect /10 http://o.example/ten
Redirect /over http://o.example/server
<Location /loc1>
    Redirect http://o.example/L1
</Location>
<Location /loc2>
    Redirect 308 http://o.example/L2
</Location>
<Location /loc3>
    Redirect gone
</Location>
<Location /lv>
    Redirect http://o.example/%{REQUEST_METHOD}/%{QUERY_STRING}
</Location>
<Location /loc4>
    Redirect /loc4 http://o.example/L4
</Location>
<Location /guard>
    Require all denied
    Redirect http://o.example/guarded
</Location>
<Location /python>
    SetHandler mod_python
    PythonHandler nothing
    PythonLogHandler app::log
    PythonPath "['${WWW}'] + sys.path"
    Redirect http://o.example/python
</Location>
<Directory "${WWW}">
    AllowOverride All
    Redirect /d1 http://o.example/d1
    RedirectMatch ^/d2/(.*)$ http://o.example/d2/$1
</Directory>
<Directory "${WWW}/inner">
    Redirect /inner/b http://o.example/innerb
    Redirect /inner http://o.example/inner
</Directory>
Alias /1 "${WWW}"
<VirtualHost *>
    ServerName main.example
</VirtualHost>
<VirtualHost *>
    ServerName v.example
    Redirect permanent / http://secure.example/
</VirtualHost>
"""

HTACCESS = "Redirect /ht/a http://o.example/hta\nRedirectMatch 301 /ht/b(.*) /there$1\n"

APP = """
from mod_python import apache

def log(req):
    req.log_error(f"logged {req.uri} {req.status}", apache.APLOG_NOTICE)
    return apache.OK
"""

ELSEWHERE = "http://o.example"
HERE = "http://127.0.0.1:PORT"


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One that redirects."""
    files = {"ht/.htaccess": HTACCESS, "inner/x": "", "app.py": APP}
    backend = BACKENDS[0] if request.param == "prefork" else "process"
    return start_module_server(CONF, files, mpm=request.param, backend=backend)


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/1", 302, f"{ELSEWHERE}/t"),
        ("/1/x", 302, f"{ELSEWHERE}/t/x"),
        ("/1/x%20y%3Fz?q=1", 302, f"{ELSEWHERE}/t/x%20y%3Fz?q=1"),
        ("/1x", 404, None),
        ("/2/a?b=c", 301, f"{HERE}/local/a?b=c"),
        ("/3/x", 307, f"{ELSEWHERE}//x"),
        ("/4/x?q=1", 302, f"{ELSEWHERE}/t?fixed=1/x"),
        ("/4?q=1", 302, f"{ELSEWHERE}/t?fixed=1"),
        ("/5", 410, None),
        ("/5/x", 410, None),
        ("/5b", 403, None),
        ("/6/a", 302, f"{ELSEWHERE}/six/a"),
        ("/7/b", 301, f"{ELSEWHERE}/seven/b"),
        ("/8", 303, f"{ELSEWHERE}/e#frag"),
        ("/m1/a%20b?q=2", 302, f"{ELSEWHERE}/a%20b?q=2"),
        ("/m1/%C3%A9", 302, f"{ELSEWHERE}/%C3%A9"),
        ("/m1/%0d%0aX:y", 302, f"{ELSEWHERE}/%0D%0AX:y"),
        ("/m2/v?q=2", 301, f"{ELSEWHERE}/q?x=v"),
        ("/m2/%0d%0aX:y", 301, f"{ELSEWHERE}/q?x=%0D%0AX:y"),
        ("/m3", 410, None),
        ("/m4/x", 302, f"{HERE}/loc/m4/x"),
        ("/m5/c", 302, f"{ELSEWHERE}/a%20b/c"),
        ("/m6", 404, None),
        ("/m7/z?q=1", 302, f"{ELSEWHERE}/z#frag?q=1"),
        ("/9/a", 302, f"{ELSEWHERE}/nine/a"),
        ("/9", 404, None),
        ("/10/x/y", 302, f"{ELSEWHERE}/tenx/y"),
        ("/10/z", 302, f"{ELSEWHERE}/ten/z"),
        ("/over/b/c", 302, f"{ELSEWHERE}/server/b/c"),
        ("/loc1/x?q=1", 302, f"{ELSEWHERE}/L1?q=1"),
        ("/loc2", 308, f"{ELSEWHERE}/L2"),
        ("/loc3", 410, None),
        ("/lv/x", 302, f"{ELSEWHERE}/GET/"),
        ("/loc4/x", 302, f"{ELSEWHERE}/L4/x"),
        ("/guard/x", 302, f"{ELSEWHERE}/guarded"),
        ("/python/x", 302, f"{ELSEWHERE}/python"),
        ("/d1/a", 302, f"{ELSEWHERE}/d1/a"),
        ("/d2/b", 302, f"{ELSEWHERE}/d2/b"),
        ("/inner/b/c", 302, f"{ELSEWHERE}/innerb/c"),
        ("/inner/x", 302, f"{ELSEWHERE}/inner/x"),
        ("/ht/a/x?q", 302, f"{ELSEWHERE}/hta/x?q"),
        ("/ht/b/z", 301, f"{HERE}/there/z"),
    ],
)
def test_where_it_leads(server: Server, path: str, status: int, location: str | None) -> None:
    for _ in range(2):  # (what a path stands for is kept)
        reply = server.get(path)
        found = reply.header("Location")
        assert (reply.status, found and found.replace(str(server.port), "PORT")) == (status, location)
        assert (location is None) or "href" in reply.text or status == 304


def test_each_query_is_its_own(server: Server) -> None:
    assert [server.get(f"/1?{n}").header("Location") for n in "ab"] == [f"{ELSEWHERE}/t?a", f"{ELSEWHERE}/t?b"]
    assert [server.get(f"/lv?{n}").header("Location") for n in "ab"] == [f"{ELSEWHERE}/GET/a?a", f"{ELSEWHERE}/GET/b?b"]


def test_a_host_that_only_redirects(server: Server) -> None:
    reply = server.get("/a/b?c=d", host="v.example")
    assert (reply.status, reply.header("Location")) == (301, "http://secure.example/a/b?c=d")
    assert server.request("POST", "/x", "body", host="v.example").status == 301


def test_log_handlers_see_it(server: Server) -> None:
    server.get("/python/seen")
    server.wait_for_log("logged /python/seen 302")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Redirect 410", "the path is missing: write it"),
        ("<Directory /x>\nRedirect gone\n</Directory>", "the path is missing: write it"),
        ("Redirect /a", "URL to redirect to is missing"),
        ("Redirect 301 /a", "URL to redirect to is missing"),
        ("Redirect gone /a http://x", "Redirect URL not valid for this status"),
        ("Redirect foo /a http://x", "invalid first argument (of three): write a status"),
        ("Redirect /a b", "to non-URL 'b': write http://host/path"),
        ("RedirectMatch ( http://x", "Regular expression could not be compiled"),
        (
            "RedirectMatch /a",
            "RedirectMatch takes two or three arguments",
        ),
        ("<Location /x>\nRedirect http://%{NO_SUCH}/\n</Location>", "Cannot parse expression in Redirect"),
    ],
)
def test_faults(tmp_path: Path, line: str, fault: str) -> None:
    assert fault in refused(tmp_path, line)
