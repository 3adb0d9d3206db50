"""Changes of heads that are the same for all responses: nobody can tell them from such as are made each time."""

from __future__ import annotations

import os
import time

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server
from support.waiting import wait_for

CHANGES = """
    Header always set Strict-Transport-Security "max-age=63072000"{each}
    Header set X-Fixed one
    Header add X-Fixed two
    Header append Vary Accept-Language
    Header merge Vary Cookie
    Header setifempty X-Of-Application config
    Header unset X-Secret
    Header unset ETag
    RequestHeader set X-Forwarded-Proto https
"""

CONF = """
PythonPath "['${WWW}'] + sys.path"
LogFormat "%U%q %>s %{X-Fixed}o %{Vary}o %{X-Of-Application}o" told
CustomLog logs/told.log told
<Directory ${WWW}/fixed>
{fixed}
</Directory>
<Directory ${WWW}/each>
{each}
</Directory>
<Files app>
    SetHandler mod_python
    PythonHandler app
    PythonLogHandler app
</Files>
""".replace("{fixed}", CHANGES.format(each="")).replace("{each}", CHANGES.format(each=' "expr=true"'))

APP = """
import os

from mod_python import apache

def handler(req):
    req.content_type = "text/plain"
    if "headers" in (req.args or ""):
        req.headers_out["X-Of-Application"] = "application"
        req.headers_out["Vary"] = "Origin"
        req.headers_out["X-Secret"] = "a"
        req.err_headers_out["X-Always"] = "b"
    if "connection" in (req.args or ""):
        req.connection.notes["a"] = "b"
    if "fails" in (req.args or ""):
        return apache.HTTP_FORBIDDEN
    if "empty" in (req.args or ""):
        return apache.OK
    req.write(req.headers_in["X-Forwarded-Proto"], 0)
    if "flush" in (req.args or ""):
        req.flush()
        req.headers_out["X-Late"] = "late"
        req.write(" second")
    if "after" in (req.args or ""):
        req.flush()
        req.write(f" {sorted(req.headers_out.items())}".replace("chunked", "").replace("Transfer-Encoding", ""))
    return apache.OK

def loghandler(req):
    with open(os.path.join(os.path.dirname(__file__), "seen"), "a") as file:
        framing = ("Content-Length", "Transfer-Encoding")
        told = sorted(pair for pair in req.headers_out.items() if pair[0] not in framing)
        file.write(f"{req.uri}?{req.args} {req.status_line} {told}\\n")
    return apache.OK
"""

FILES = {f"{folder}/{name}": "a page" for folder in ("fixed", "each") for name in ("page.txt", "index.html")}

#: Headers that are not the same each time, and how long the body is: a response that was flushed early may be chunked.
CHANGING = frozenset({"date", "content-length", "transfer-encoding"})


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads; its files are old enough to keep."""
    backend, mpm = request.param
    started = start_module_server(CONF, {"app.py": APP, **FILES}, backend=backend, mpm=mpm)
    last = 0.0
    for name in FILES:
        os.utime(started.www / name, (1_700_000_000, 1_700_000_000))
        last = max(last, (started.www / name).stat().st_ctime)
    wait_for(lambda: time.time() > last + 1.1, "the files to be old enough")
    return started


def _asked(server: Server, folder: str, path: str, method: str, headers: dict[str, str]) -> tuple[object, ...]:
    reply = server.request(method, f"/{folder}/{path}", headers=headers)
    fields = sorted((name.lower(), value) for name, value in reply.headers if name.lower() not in CHANGING)
    return reply.status, fields, reply.text.replace(f"/{folder}/", "/")


@pytest.mark.parametrize("headers", [
    {}, {"Connection": "close"}, {"Connection": "keep-alive"}, {"If-None-Match": "*"}, {"Range": "bytes=2-3"},
    {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"},
], ids=lambda headers: next(iter(headers), "none"))  # fmt: skip
@pytest.mark.parametrize("path", [
    "app", "app?headers", "app?connection", "app?flush", "app?flush&headers", "app?fails", "app?fails&headers",
    "app?empty", "app?after", "page.txt", "", "none.txt",
])  # fmt: skip
def test_it_is_the_same(server: Server, path: str, headers: dict[str, str]) -> None:
    for method in ("GET", "HEAD"):
        for _ in range(2):  # (what was answered once may be kept)
            answers = [_asked(server, folder, path, method, headers) for folder in ("fixed", "each")]
            assert answers[0] == answers[1]


def test_what_it_is(server: Server) -> None:
    """The two are not alike because both have nothing."""
    for path in ("app", "page.txt", "page.txt", "", ""):
        reply = server.get(f"/fixed/{path}")
        assert reply.status == 200, path
        names = ("Strict-Transport-Security", "Vary", "X-Of-Application", "ETag")
        assert [reply.header(name) for name in names] == ["max-age=63072000", "Accept-Language, Cookie", "config", None]
        assert [value for name, value in reply.headers if name == "X-Fixed"] == ["one", "two"]
    reply = server.get("/fixed/app?headers")
    assert (reply.header("Vary"), reply.header("X-Of-Application")) == (
        "Origin, Accept-Language, Cookie",
        "application",
    )
    reply = server.get("/fixed/app?fails")
    assert (reply.status, reply.header("Strict-Transport-Security")) == (403, "max-age=63072000")
    assert reply.header("X-Fixed") is None


def test_logs_tell_of_it(server: Server) -> None:
    for folder in ("fixed", "each"):
        for path in ("app?logged", "app?flush&logged", "app?headers&logged", "page.txt?logged"):
            assert server.get(f"/{folder}/{path}").status == 200

    def told(folder: str) -> list[set[str]]:
        lines = server.log("told.log").splitlines(), (server.www / "seen").read_text().splitlines()
        wanted = [[line for line in its if line.startswith(f"/{folder}/") and "logged" in line] for its in lines]
        return [{line.replace(folder, "x") for line in its} for its in wanted]

    wait_for((server.www / "seen").exists, "a log handler to have run")
    wait_for(
        lambda: told("fixed") == told("each") and [len(lines) for lines in told("fixed")] == [4, 3],
        f"both to be told of alike: {server.log('told.log')}",
    )
    lines, _ = told("fixed")
    assert "/x/page.txt?logged 200 one Accept-Language, Cookie config" in lines
