"""What applications call beside the usual: WSGI and CGI by hand, methods by number, names of interpreters and hosts."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

CONF = """
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
    PythonOption mod_python.wsgi.application wsgiapp
    PythonOption mod_python.wsgi.base_uri /app
    PythonInterpreter named
</Directory>
<Directory "${WWW}/perdir">
    SetHandler mod_python
    PythonHandler app
    PythonInterpPerDirectory On
</Directory>
<Directory "${WWW}/broken">
    SetHandler mod_python
    PythonHandler app
    PythonInterpreter broken
</Directory>
<Directory "${WWW}/shown">
    SetHandler mod_python
    PythonHandler mod_python.testhandler
</Directory>
"""

#: Runs the code that comes with the request; answers with ``r``, unless it says otherwise.
APP = """
import json
from urllib.parse import unquote
from mod_python import apache


def handler(req):
    scope = {"req": req, "apache": apache, "r": None, "result": apache.OK}
    exec(unquote(req.headers_in["X-Code"]), scope)
    if scope["r"] is not None:
        req.write(json.dumps(scope["r"]))
    return scope["result"]
"""
FILES: dict[str, str | bytes] = {
    "app/app.py": APP,
    "perdir/app.py": APP,
    "shown/x": "",
    "broken/x": "",
    "app/wsgiapp.py": "def application(environ, start_response):\n    raise AssertionError('not called')\n",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    return start_module_server(CONF, FILES, backend=request.param, variables={"KIND": request.param})


def run(server: Server, text: str, path: str = "/app/x") -> Any:
    """What the code gave."""
    reply = server.get(path, {"X-Code": quote(text)})
    assert reply.status == 200, server.said()
    return json.loads(reply.text)


def test_an_application_called_by_hand(server: Server) -> None:
    """As handlers did that adapt WSGI by themselves: build_wsgi_env, then wsgi_start_response."""
    text = (
        "env = req.build_wsgi_env()\n"
        "body = env['wsgi.input'].read()\n"
        "write = req.wsgi_start_response('202 Fine', [('Content-Type', 'text/x'), ('X-A', 'b')])\n"
        "write(env['SCRIPT_NAME'].encode() + b' ' + env['PATH_INFO'].encode() + b' ' + body)"
    )
    reply = server.request("POST", "/app/x/y", b"sent", {"X-Code": quote(text)})
    assert (reply.status, reply.reason, reply.text) == (202, "Fine", "/app /x/y sent")
    assert reply.header("Content-Type") == "text/x"
    assert reply.header("X-A") == "b"


def test_an_environ_outside_of_the_base(server: Server) -> None:
    text = "req.get_options()['mod_python.wsgi.base_uri'] = '/other'\nr = [req.build_wsgi_env()]"
    assert run(server, text) == [None]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("req.wsgi_start_response('999 X', [])", "ValueError"),
        ("req.wsgi_start_response('200 OK', {})", "TypeError"),
        ("req.wsgi_start_response('200 OK', [('A', 'b\\r\\nc')])", "ValueError"),
        (
            "req.wsgi_start_response('200 OK', [])\n    req.wsgi_start_response('200 OK', [])",
            "AssertionError",
        ),
        ("apache.allow_methods(99)", "ValueError"),
        ("apache.allow_methods('GET')", "TypeError"),
    ],
)
def test_wrong_calls(server: Server, call: str, error: str) -> None:
    assert run(server, f"try:\n    {call}\nexcept Exception as e: r = type(e).__name__") == error


def test_methods_by_number(server: Server) -> None:
    """`apache.allow_methods` knows the request without being given it."""
    text = "apache.allow_methods(apache.M_GET, apache.M_PUT)\nresult = apache.HTTP_METHOD_NOT_ALLOWED"
    reply = server.get("/app/x", {"X-Code": quote(text)})
    assert reply.status == 405
    assert set((reply.header("Allow") or "").replace(" ", "").split(",")) >= {"GET", "PUT"}
    assert run(server, "apache.allow_methods(apache.M_POST)\nr = [req.allowed, req.allowed_methods]") == [
        4,
        ["POST"],
    ]


def test_cgi_by_hand(server: Server) -> None:
    """As handlers did that run CGI programs by themselves."""
    text = (
        "import os, sys\n"
        "before = os.environ, sys.stdin, sys.stdout\n"
        "saved = apache.setup_cgi(req)\n"
        "try:\n"
        "    print('Status: 201 Made\\nX-A: b\\n')\n"
        "    print(os.environ['REQUEST_METHOD'], sys.stdin.readline(), sys.stdin.read(2), sys.stdin.readlines())\n"
        "    sys.stdout.writelines(['1', '2'])\n"
        "    print(sys.stdout.isatty(), sys.stdin.isatty())\n"
        "finally:\n"
        "    apache.restore_nocgi(*saved)\n"
        "assert before == (os.environ, sys.stdin, sys.stdout)"
    )
    reply = server.request("POST", "/app/x", "a\u00e9\nbcd\ne".encode(), {"X-Code": quote(text)})
    assert (reply.status, reply.text) == (201, "POST a\u00e9\n bc ['d\\n', 'e']\n120 0\n"), server.said()
    assert reply.header("X-A") == "b"


def test_the_interpreter_has_one_name(server: Server) -> None:
    """`req.interpreter` and `apache.interpreter` agree, whatever kind of interpreter it is."""
    assert run(server, "r = req.interpreter == apache.interpreter") is True
    assert run(server, "r = req.interpreter == apache.interpreter", "/perdir/x") is True


def test_the_targets_host_is_the_host(server: Server) -> None:
    """RFC 9112 3.2.2: a Host field beside an absolute target is ignored."""
    text = quote("r = [req.headers_in['Host'], req.hostname]")
    fields = f"Host: host.test\r\nX-Code: {text}\r\nConnection: close\r\n\r\n"
    answer = server.raw(f"GET http://Other.test:8080/app/x HTTP/1.1\r\n{fields}".encode())
    assert b'["Other.test:8080", "other.test"]' in answer


def test_several_cookie_fields(server: Server) -> None:
    text = quote(
        "from mod_python import Cookie\n"
        "r = [req.headers_in['Cookie'], sorted(str(c) for c in Cookie.get_cookies(req).values())]"
    )
    fields = f"Host: h\r\nCookie: a=1; b=2\r\nX-Code: {text}\r\nCookie: c=3\r\nConnection: close\r\n\r\n"
    answer = server.raw(f"GET /app/x HTTP/1.1\r\n{fields}".encode())
    assert b'["a=1; b=2; c=3", ["a=1", "b=2", "c=3"]]' in answer


def test_a_client_that_left_is_no_error_of_the_handler(server: Server) -> None:
    text = quote("while 1: req.write('x' * 100000)")
    with server.dial() as sock:
        sock.sendall(f"GET /app/x HTTP/1.1\r\nHost: h\r\nX-Code: {text}\r\n\r\n".encode())
        sock.recv(10)
    log = server.wait_for_log("PythonHandler app: Write failed, client closed connection.")
    assert "Traceback" not in log


def test_a_syntax_error_is_reported_once_per_change(server: Server) -> None:
    for number, fault in enumerate(("x = = 1\n", "y = = 2\n")):
        server.write("broken/app.py", fault)
        before = len(server.log())
        for _ in range(3):
            assert server.get("/broken/x").status == 500
        log = server.log()[before:]
        assert log.count(fault.strip()) == 1, number
        assert log.count("SyntaxError: invalid syntax") == 3
        assert log.count("(as before: the file has not changed)") == 2
    server.write("broken/app.py", APP)
    assert run(server, "r = 5", "/broken/x") == 5


def test_the_test_page(server: Server) -> None:
    """`mod_python.testhandler`, on a server."""
    reply = server.get("/shown/x?asked=1")
    assert (reply.status, reply.header("Content-Type")) == (200, "text/html; charset=utf-8"), server.said()
    assert "asked=1" in reply.text
