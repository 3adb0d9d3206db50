"""Statuses that come when the head is gone: the answer ends, its connection is kept or closed as the head said.

For every kind of interpreter and both MPMs.
"""

from __future__ import annotations

import http.client
from urllib.parse import quote

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server

CONF = """
AddHandler cgi-script .cgi
<Directory "${WWW}">
    Options +ExecCGI
</Directory>
<Location /app>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler late
</Location>
<Location /filtered>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler late
    PythonOutputFilter late::upper UPPER
    SetOutputFilter UPPER
</Location>
<Directory "${WWW}/pub">
    SetHandler mod_python
    PythonHandler mod_python.publisher
</Directory>
<Directory "${WWW}/psp">
    SetHandler mod_python
    PythonHandler mod_python.psp
</Directory>
<Location /wsgi>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application late
</Location>
"""
#: Runs the code that comes with the request.
LATE = """
from urllib.parse import unquote
from mod_python import apache


def handler(req):
    scope = {"req": req, "apache": apache, "result": apache.OK}
    exec(unquote(req.headers_in["X-Code"]), scope)
    return scope["result"]


def upper(filter):
    data = filter.read()
    while data:
        filter.write(data.upper())
        data = filter.read()
    if data is None:
        filter.close()


def application(environ, start_response):
    write = start_response(environ["PATH_INFO"].strip("/") + " Status", [("Content-Type", "text/plain")])
    write(b"one")
    write(b"two")
    return [b"three"]
"""
PUBLISHED = """
from mod_python import apache

def returned(req, status):
    req.write("one")
    req.write("two")
    raise apache.SERVER_RETURN(int(status))

def told(req, status):
    req.write("one")
    req.write("two")
    req.status = int(status)
    return ""
"""
PAGE = """<%
from mod_python import apache
req.write("one")
req.write("two")
if req.args.startswith("raise"):
    raise apache.SERVER_RETURN(int(req.args[6:]))
req.status = int(req.args[5:])
%>"""
SCRIPT = "#!/bin/sh\nprintf 'Status: %s\\r\\nContent-Type: text/plain\\r\\n\\r\\nonetwo' \"$QUERY_STRING\"\n"
FILES: dict[str, str | bytes] = {
    "late.py": LATE, "pub/m.py": PUBLISHED, "psp/p.psp": PAGE, "status.cgi": SCRIPT, "page.txt": "the page",
}  # fmt: skip

#: The ways in which a handler gives its status.
WAYS = {
    "returned": "result = {}",
    "raised": "raise apache.SERVER_RETURN({})",
    "set": "req.status = {}",
    "set and done": "req.status = {}; result = apache.DONE",
}
#: What it wrote before, and the body that this is.
WRITTEN = {
    "one": ("req.write('one;')", "one;"),
    "two": ("req.write('one;'); req.write('two;')", "one;two;"),
    "long": (f"req.write('x' * {100_000})", "x" * 100_000),
    "nothing": ("req.flush()", ""),
    "a part that waits": ("req.write('one;'); req.write('two;', 0)", "one;two;"),
    "a file": ("req.write('one;'); req.sendfile(req.document_root() + '/page.txt')", "one;the page"),
}
#: Statuses without a page of their own, and those that have one: of status 500 where they are none.
BODILESS = (204, 304)
WITH_PAGE = (102, 205, 302, 404, 500, 999)


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind and MPM."""
    kind, mpm = request.param
    return start_module_server(CONF, FILES, backend=kind, mpm=mpm)


def ask(
    connection: http.client.HTTPConnection, path: str, code: str = "", method: str = "GET"
) -> tuple[http.client.HTTPResponse, str]:
    """A response and its text; raises where the response or its end can't be made out."""
    connection.request(method, path, headers={"X-Code": quote(code)})
    response = connection.getresponse()
    return response, response.read().decode()


def is_kept(connection: http.client.HTTPConnection) -> bool:
    """Whether another request can follow on the same connection, and is understood."""
    sock = connection.sock
    response, text = ask(connection, "/page.txt")
    return sock is not None and (response.status, text, connection.sock) == (200, "the page", sock)


@pytest.mark.parametrize("path", ["/app", "/filtered"])
def test_nothing_follows_for_statuses_without_a_body(server: Server, path: str) -> None:
    """204 and 304, as with httpd: what was written is all of the answer."""
    with server.connection() as connection:
        for status in BODILESS:
            for way, end in WAYS.items():
                for name, (write, body) in WRITTEN.items():
                    response, text = ask(connection, path, f"{write}; {end.format(status)}")
                    case = status, way, name
                    assert (response.status, text) == (200, body if path == "/app" else body.upper()), case
                    assert is_kept(connection), case


@pytest.mark.parametrize("status", WITH_PAGE)
def test_the_page_of_others_follows_and_ends(server: Server, status: int) -> None:
    shown = 500 if status in (102, 999) else status
    with server.connection() as connection:
        for way in ("returned", "raised"):
            for name, (write, body) in WRITTEN.items():
                response, text = ask(connection, "/app", f"{write}; {WAYS[way].format(status)}")
                assert response.status == 200, (way, name)
                assert text.startswith(f"{body}<!DOCTYPE"), (way, name)
                assert f"<title>{shown} " in text
                assert text.endswith("</html>\n")
                assert is_kept(connection), (way, name)
        for name, (write, body) in WRITTEN.items():
            response, text = ask(connection, "/app", f"{write}; req.status = {status}")
            assert (response.status, text) == (200, body), name
            assert is_kept(connection), name


@pytest.mark.parametrize("status", [*BODILESS, 404])
def test_heads_and_old_clients(server: Server, status: int) -> None:
    write = "req.write('one'); req.write('two')"
    for end in WAYS.values():
        code = f"{write}; {end.format(status)}"
        with server.connection() as connection:
            response, text = ask(connection, "/app", code, "HEAD")
            assert (response.status, text) == (200, "")
            assert is_kept(connection)
        for kept in ("", "Connection: Keep-Alive\r\n"):
            answer = server.raw(f"GET /app HTTP/1.0\r\nX-Code: {quote(code)}\r\n{kept}\r\n".encode())
            head, _, body = answer.partition(b"\r\n\r\n")
            assert b"Connection: close" in head
            assert b"Transfer-Encoding" not in head
            assert body.startswith(b"onetwo")
            assert (b"<title>" in body) == (status == 404 and "status" not in end)


def test_a_length_that_was_told(server: Server) -> None:
    """Reached or passed, the connection is kept; where bytes are missing it ends."""
    for status in BODILESS:
        for end in WAYS.values():
            code = f"req.set_content_length(6); req.write('one'); req.write('two!'); {end.format(status)}"
            with server.connection() as connection:
                assert ask(connection, "/app", code)[1] == "onetwo"
                assert is_kept(connection)
            code = f"req.set_content_length(9); req.write('one'); req.write('two'); {end.format(status)}"
            answer = server.raw(f"GET /app HTTP/1.1\r\nHost: h\r\nX-Code: {quote(code)}\r\n\r\n".encode())
            assert answer.partition(b"\r\n\r\n")[2] == b"onetwo"


def test_statuses_without_a_body_have_none(server: Server) -> None:
    """Set in time: whatever is written or returned after that."""
    with server.connection() as connection:
        for status in BODILESS:
            for write, _body in WRITTEN.values():
                for more in ("", "; result = 404", "; req.status = 200", "; req.status = 404"):
                    response, text = ask(connection, "/app", f"req.status = {status}; {write}{more}")
                    assert (response.status, text) == (status, ""), (write, more)
                    assert response.getheader("Transfer-Encoding") is None
                    assert is_kept(connection), (write, more)


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_an_interim_status_is_no_answer(server: Server, status: int) -> None:
    """A client would go on waiting for the final one: it gets 500 (RFC 9110 15.2)."""
    for code in ("result = {}", "req.status = {}", "req.status = {}; req.write('one'); req.write('two')"):
        answer = server.raw(f"GET /app HTTP/1.1\r\nHost: h\r\nX-Code: {quote(code.format(status))}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n"), code
        assert b"Connection: close" in answer


@pytest.mark.parametrize("status", BODILESS)
def test_publisher_psp_wsgi_and_cgi(server: Server, status: int) -> None:
    with server.connection() as connection:
        for path in (
            "pub/m/returned?status={}",
            "pub/m/told?status={}",
            "psp/p.psp?raise={}",
            "psp/p.psp?told={}",
        ):
            response, text = ask(connection, f"/{path.format(status)}")
            assert (response.status, text) == (200, "onetwo"), path
            assert is_kept(connection), path
        for path in (f"/wsgi/{status}", f"/status.cgi?{status}"):
            response, text = ask(connection, path)
            assert (response.status, text) == (status, ""), path
            assert is_kept(connection), path
