"""What came with a request, as text: UTF-8, or else latin-1, wherever applications look; and the same bytes again."""

from __future__ import annotations

import ast
import base64
from typing import Any

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

CONF = """
LogFormat "%r|%U|%q|%{X-Name}i|%{X-Name}e" bytes
CustomLog logs/bytes.log bytes
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
    AuthType Basic
    AuthName zone
</Directory>
<Directory "${WWW}/early">
    SetHandler mod_python
    PythonFixupHandler app::look
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app::application
    PythonOption mod_python.wsgi.base_uri /early/x
</Directory>
<Directory "${WWW}/cgi">
    Options +ExecCGI
    SetHandler cgi-script
</Directory>
<Directory "${WWW}/form">
    SetHandler mod_python
    PythonHandler app::form
    PythonPath "sys.path + ['${WWW}/app']"
</Directory>
"""
APP = """
from mod_python import apache, util

NAMES = ("the_request", "unparsed_uri", "args", "uri", "path_info", "parsed_uri")


def handler(req):
    password = req.get_basic_auth_pw()
    found = {name: getattr(req, name) for name in NAMES}
    found["name"], found["cookie"] = req.headers_in.get("X-Name"), req.headers_in.get("Cookie")
    req.add_cgi_vars()
    for name in ("HTTP_X_NAME", "QUERY_STRING", "REQUEST_URI", "PATH_INFO", "SCRIPT_NAME"):
        found[name] = req.subprocess_env.get(name)
    found["user"], found["password"] = req.user, password
    req.write(repr(found))
    return apache.OK


def form(req):
    if req.args == "set":
        found = []
        for value in ("q=é€", "é€=é", b"\\xe9=\\xe9"):
            req.args = value
            assert req.args == (value if isinstance(value, str) else "é=é")
            found += [(field.name, str(field)) for field in util.FieldStorage(req).list]
        req.write(repr(found))
        return apache.OK
    req.write(repr([(field.name, str(field)) for field in util.FieldStorage(req).list]))
    return apache.OK


def look(req):
    req.headers_in["X-Seen"] = req.headers_in["X-Name"]
    return apache.OK


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("PATH_INFO", "QUERY_STRING", "HTTP_X_NAME", "HTTP_X_SEEN", "REQUEST_URI")
    return [repr({name: environ.get(name) for name in names}).encode()]
"""
SCRIPT = """#!/usr/bin/env python3
import os
names = (b"PATH_INFO", b"QUERY_STRING", b"HTTP_X_NAME", b"REQUEST_URI")
print("Content-Type: text/plain\\n")
print({name.decode(): os.environb.get(name).decode("latin-1") for name in names})
"""
FILES: dict[str, str | bytes] = {
    "app/app.py": APP, "app/x": "", "early/app.py": APP, "early/x": "", "form/x": "", "cgi/facts": SCRIPT,
}  # fmt: skip


@pytest.fixture(scope="module", params=[*((backend, "prefork") for backend in BACKENDS), ("process", "worker")])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


def ask(server: Server, target: bytes, *headers: bytes) -> Any:
    """What an application found."""
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: h", b"Connection: close", *headers, b"", b""]
    answer = server.raw(b"\r\n".join(lines))
    assert answer.startswith(b"HTTP/1.1 200 "), answer.decode(errors="replace") + server.said()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" in head:
        size, _, body = body.partition(b"\r\n")
        body = body[: int(size, 16)]
    return ast.literal_eval(body.decode())


#: The path of /app/x/é€ as it is sent: bytes beyond ASCII are refused there.
RAW = "/app/x/%C3%A9%E2%82%AC"


def test_utf8(server: Server) -> None:
    found = ask(server, (RAW + "?q=é%C3%A9").encode(), "X-Name: é €".encode(), "Cookie: a=€".encode())
    assert found == {
        "the_request": f"GET {RAW}?q=é%C3%A9 HTTP/1.1", "unparsed_uri": f"{RAW}?q=é%C3%A9",
        "args": "q=é%C3%A9", "uri": "/app/x/é€", "path_info": "/é€",
        "parsed_uri": (None, None, None, None, None, None, "/app/x/é€", "q=é%C3%A9", None),
        "name": "é €", "cookie": "a=€", "HTTP_X_NAME": "é €", "QUERY_STRING": "q=é%C3%A9",
        "REQUEST_URI": f"{RAW}?q=é%C3%A9", "PATH_INFO": "/é€", "SCRIPT_NAME": "/app/x",
        "user": None, "password": None,
    }  # fmt: skip


def test_other_bytes_are_latin1(server: Server) -> None:
    found = ask(server, b"/app/x/%E9?q=\xe9", b"X-Name: \xc3\xa9\xe9", b"Cookie: a=\xe9")
    assert found == {
        "the_request": "GET /app/x/%E9?q=é HTTP/1.1", "unparsed_uri": "/app/x/%E9?q=é", "args": "q=é",
        "uri": "/app/x/é", "path_info": "/é",
        "parsed_uri": (None, None, None, None, None, None, "/app/x/é", "q=é", None),
        "name": "\xc3\xa9é", "cookie": "a=é", "HTTP_X_NAME": "\xc3\xa9é", "QUERY_STRING": "q=é",
        "REQUEST_URI": "/app/x/%E9?q=é", "PATH_INFO": "/é", "SCRIPT_NAME": "/app/x", "user": None, "password": None,
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_credentials(server: Server, encoding: str) -> None:
    credentials = base64.b64encode("jé:pé".encode(encoding))
    found = ask(server, b"/app/x", b"Authorization: Basic " + credentials)
    assert (found["user"], found["password"]) == ("jé", "pé")


@pytest.mark.parametrize("path", [b"/early/x", b"/cgi/facts"])
@pytest.mark.parametrize(
    "data", [b"\xc3\xa9", b"\xe9", b"\xc3\x83\xc2\xa9", b"\xe9\xc3\xa9", b"\xe2\x82\xac", b"\xff\xe2\x82\xac"]
)
def test_wsgi_and_programs_have_the_bytes_that_came(server: Server, path: bytes, data: bytes) -> None:
    text = data.decode("latin-1")
    target = path + b"/" + b"".join(b"%%%02X" % byte for byte in data) + b"?q=" + data
    found = ask(server, target, b"X-Name: " + data)
    assert found.pop("HTTP_X_SEEN", text) == text
    assert found == {
        "PATH_INFO": f"/{text}", "QUERY_STRING": f"q={text}", "HTTP_X_NAME": text,
        "REQUEST_URI": target.decode("latin-1"),
    }  # fmt: skip


def test_fields_of_a_query_are_decoded_one_by_one(server: Server) -> None:
    found = ask(server, b"/form/x?a=\xc3\xa9&b=\xe9&c=%E9&d=%C3%A9&e=\xc3\x83\xc2\xa9")
    assert found == [("a", "é"), ("b", "é"), ("c", "é"), ("d", "é"), ("e", "\xc3\xa9")]


def test_the_log_has_the_bytes(server: Server) -> None:
    ask(server, b"/app/x/%C3%A9?log=\xc3\xa9\xe2\x82\xac", b"X-Name: \xc3\xa9")
    ask(server, b"/app/x/%E9?log=\xe9", b"X-Name: \xe9")
    server.wait_for_log(
        r"GET /app/x/%C3%A9?log=\xc3\xa9\xe2\x82\xac HTTP/1.1|/app/x/\xc3\xa9|?log=\xc3\xa9\xe2\x82\xac|\xc3\xa9|-",
        "bytes.log",
    )
    server.wait_for_log(r"GET /app/x/%E9?log=\xe9 HTTP/1.1|/app/x/\xe9|?log=\xe9|\xe9|-", "bytes.log")


def test_what_an_application_sets_itself(server: Server) -> None:
    assert ask(server, b"/form/x?set") == [("q", "é€"), ("é€", "é"), ("é", "é")]
