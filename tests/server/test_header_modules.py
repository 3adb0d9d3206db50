"""mod_env, mod_setenvif, mod_headers and mod_expires around applications, in every kind of interpreter."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server

CONF = """
PythonPath "['${WWW}'] + sys.path"
LogFormat "%{VIA_NAME}e %{X-Plain}o %{Cache-Control}o" told
CustomLog logs/told.log told env=VIA_NAME
SetEnvIf X-Name (.+) VIA_NAME=$1
SetEnv VIA_SET always
BrowserMatch ^Old nokeepalive downgrade-1.0
<Location /app>
    SetHandler mod_python
    PythonHandler app
    PythonFixupHandler app
    Header set X-Plain config
    Header always set X-Config "%{VIA_NAME}e"
    Header edit Set-Cookie ^(.*)$ "$1; Secure"
    Header unset X-Secret
    RequestHeader set X-Request "for %{VIA_NAME}e" env=VIA_NAME
    ExpiresActive On
    ExpiresByType text/plain "access plus 1 minute"
</Location>
<Location /app/inner>
    <If "reqenv('VIA_NAME') == 'inner'">
        PythonOption inner yes
        PythonInterpreter inner
    </If>
</Location>
<Location /early>
    SetHandler mod_python
    PythonHandler app
</Location>
"""

APP = """
from mod_python import apache

def fixuphandler(req):
    req.subprocess_env["VIA_FIXUP"] = "fixup"
    return apache.OK

def handler(req):
    req.content_type = "text/plain"
    req.headers_out["X-Plain"] = "app"
    req.headers_out["X-Secret"] = "app"
    req.headers_out["Set-Cookie"] = "a=1"
    req.err_headers_out["X-Always"] = "app"
    if req.args == "flush":
        req.write("first ")
        req.flush()
        req.headers_out["X-Late"] = "late"
        req.write("second")
        return apache.OK
    if req.args == "split":
        req.subprocess_env["VIA_NAME"] = "a\\r\\nX-Split: 1"
        return apache.OK
    if req.args:
        return int(req.args)
    env = " ".join(f"{name}={value}" for name, value in sorted(req.subprocess_env.items()) if name[:3] == "VIA")
    req.write(f"{env} {req.headers_in.get('X-Request')} {req.get_options().get('inner')}")
    return apache.OK
"""


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    return start_module_server(CONF, {"app.py": APP}, backend=backend, mpm=mpm)


def test_an_application_and_its_response(server: Server) -> None:
    reply = server.get("/app/x", {"X-Name": "Bob"})
    assert reply.text == "VIA_FIXUP=fixup VIA_NAME=Bob VIA_SET=always for Bob None"
    told = {name: reply.header(name) for name in ("X-Plain", "X-Config", "X-Always", "X-Secret", "Set-Cookie")}
    assert told == {
        "X-Plain": "config", "X-Config": "Bob", "X-Always": "app", "X-Secret": None, "Set-Cookie": "a=1; Secure",
    }  # fmt: skip
    assert reply.header("Cache-Control") == "max-age=60"
    server.wait_for_log("Bob config max-age=60", "told.log")


def test_without_the_variable(server: Server) -> None:
    reply = server.get("/app/x")
    assert reply.text == "VIA_FIXUP=fixup VIA_SET=always None None"
    assert reply.header("X-Config") == "(null)"


@pytest.mark.parametrize("status", [404, 500, 302, 403])
def test_an_error_has_the_table_of_always(server: Server, status: int) -> None:
    reply = server.get(f"/app/x?{status}")
    assert reply.status == status
    assert (reply.header("X-Config"), reply.header("X-Always")) == ("(null)", "app")
    assert (reply.header("X-Plain"), reply.header("Set-Cookie")) == (None, None)


def test_a_flushed_response_is_changed_before_its_head_leaves(server: Server) -> None:
    reply = server.get("/app/x?flush", {"X-Name": "Bob"})
    assert reply.text == "first second"
    assert (reply.header("X-Plain"), reply.header("X-Config"), reply.header("X-Late")) == ("config", "Bob", None)


def test_variables_choose_the_interpreter(server: Server) -> None:
    assert server.get("/app/inner/x", {"X-Name": "inner"}).text.endswith("for inner yes")
    assert server.get("/app/inner/x", {"X-Name": "outer"}).text.endswith("for outer None")


def test_a_variable_splits_no_response(server: Server) -> None:
    reply = server.get("/app/x?split")
    assert reply.status == 200
    assert (reply.header("X-Config"), reply.header("X-Split")) == ("a X-Split: 1", None)


def test_connections_of_old_browsers_end(server: Server) -> None:
    with server.connection() as connection:
        for agent, closes in (("New", None), ("Older", "close")):
            connection.request("GET", "/app/x?flush", headers={"User-Agent": agent})
            response = connection.getresponse()
            assert response.read() == b"first second"
            chunked = response.getheader("Transfer-Encoding")
            assert (response.getheader("Connection"), chunked) == (closes, None if closes else "chunked")


@pytest.mark.parametrize("line", ["GET / HTTP/1.1\r\nBad Header\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_what_is_no_request_gets_an_answer_all_the_same(server: Server, line: str) -> None:
    assert server.raw(line.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode())[:12] == b"HTTP/1.1 400"
