"""The request object on a real server, for every kind of interpreter: what the published one does, and its limits."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server, receive_all

CONF = """
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/basic">
    SetHandler mod_python
    PythonHandler app
    AuthType Basic
    AuthName zone
</Directory>
<VirtualHost *:${PORT}>
    ServerName first.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName second.test:8443
    UseCanonicalName On
    MaxKeepAliveRequests 2
    ErrorLog logs/second.log
</VirtualHost>
"""

#: Runs the code that comes with the request; answers with ``r``, or with the exception, unless it says otherwise.
APP = """
import json
from urllib.parse import unquote
from mod_python import apache


def handler(req):
    scope = {"req": req, "apache": apache, "r": None, "result": apache.OK, "quiet": False}
    try:
        exec(unquote(req.headers_in["X-Code"]), scope)
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
        scope["r"] = f"{type(error).__name__}: {error}"
    if scope["r"] is not None:
        req.write(json.dumps(scope["r"]))
    return scope["result"]
"""
FILES: dict[str, str | bytes] = {
    "app/app.py": APP, "app/x": "", "basic/app.py": APP, "basic/x": "", "page.txt": "the page",
}  # fmt: skip


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    return start_module_server(CONF, FILES, backend=request.param)


def code(text: str, **more: str) -> dict[str, str]:
    """The headers that bring code along."""
    return {"X-Code": quote(text), **more}


def run(server: Server, text: str, path: str = "/app/x", host: str | None = None, **headers: str) -> Any:
    """What the code gave."""
    reply = server.get(path, code(text, **headers), host=host)
    assert reply.status == 200, server.said()
    return json.loads(reply.text)


@pytest.mark.parametrize(
    ("member", "value"),
    [(name, "None") for name in ("content_type", "user", "ap_auth_type", "filename", "path_info", "uri", "status_line")]
    + [("user", "5"), ("handler", "5"), ("args", "[]")],
)
def test_what_members_refuse(server: Server, member: str, value: str) -> None:
    assert run(server, f"req.{member} = {value}") == "TypeError: not an ISO-8859-1 string"


@pytest.mark.parametrize("member", ["args", "handler"])
def test_members_that_take_none(server: Server, member: str) -> None:
    assert run(server, f"req.{member} = None\nr = [req.{member}]") == [None]


@pytest.mark.parametrize("member", ["method", "hostname", "headers_out", "connection", "mtime", "unparsed_uri"])
def test_members_for_reading_only(server: Server, member: str) -> None:
    text = run(server, f"req.{member} = 1")
    assert text.startswith("AttributeError: attribute")
    assert text.endswith("is not writable")


@pytest.mark.parametrize(
    "call",
    [
        "req.read('x')", "req.readline(None)", "req.status = 'x'", "req.set_content_length('x')",
        "req.log_error('x', 'y')", "req.get_remote_host('x')", "req.sendfile(req.filename, 'x')",
    ],
)  # fmt: skip
def test_numbers_have_to_be_numbers(server: Server, call: str) -> None:
    assert run(server, call).endswith("object cannot be interpreted as an integer")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("req.construct_url(b'/x')", "argument 1 must be str, not bytes"),
        ("req.construct_url(None)", "argument 1 must be str, not None"),
        ("req.add_handler('PythonHandler', 5)", "argument 2 must be str, not int"),
        ("req.log_error(5)", "argument 1 must be str or None, not int"),
        ("req.server.log_error(5)", "argument 1 must be str or None, not int"),
        ("req.connection.log_error(5)", "argument 1 must be str or None, not int"),
        ("req.write(5)", "a bytes-like object is required, not 'int'"),
        ("apache.stat(5, 1)", "argument 1 must be str, not int"),
        ("apache.mpm_query('x')", "The argument must be an integer"),
        ("apache.log_error('x', 3, 5)", "argument 3 must be a server object, not int"),
    ],
)
def test_words_of_refusals(server: Server, call: str, text: str) -> None:
    assert run(server, call) == f"TypeError: {text}"


def test_files_that_cant_be_sent(server: Server) -> None:
    assert run(server, "req.sendfile('/no/such/file')") == "OSError: Could not stat file for reading"


def test_repeated_headers_are_one(server: Server) -> None:
    with server.dial() as sock:
        ask = quote("r = [req.headers_in['x-a'], [n for n in req.headers_in if n.lower() == 'x-a']]")
        head = f"GET /app/x HTTP/1.1\r\nHost: h\r\nX-Code: {ask}\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"
        sock.sendall(head.encode())
        assert b'["1, 2", ["X-A"]]' in receive_all(sock)


def test_modification_times(server: Server) -> None:
    assert run(server, "req.update_mtime(1000.5)\nreq.update_mtime(10)\nr = req.mtime") == 1000.0
    assert run(server, "req.set_last_modified()\nr = req.headers_out['Last-Modified']").endswith("1970 00:00:00 GMT")
    assert run(server, "req.update_mtime('x')").startswith("TypeError: must be real number")


@pytest.mark.parametrize("status", [0, 1, 99, 299, 600, 1000])
def test_a_status_without_a_name_is_500(server: Server, status: int) -> None:
    reply = server.get("/app/x", code(f"req.status = {status}\nr = 1"))
    assert (reply.status, reply.reason, reply.text) == (500, "Internal Server Error", "1")


def test_a_status_line_names_a_status(server: Server) -> None:
    reply = server.get("/app/x", code("req.status = 299\nreq.status_line = '299 Mine'\nr = 1"))
    assert (reply.status, reply.reason) == (299, "Mine")


@pytest.mark.parametrize("status", [204, 304])
def test_no_type_without_a_body(server: Server, status: int) -> None:
    reply = server.get("/app/x", code(f"req.content_type = 'text/x'\nreq.status = {status}"))
    assert (reply.status, reply.header("Content-Type"), reply.body) == (status, None, b"")


def test_no_type_if_it_is_empty(server: Server) -> None:
    assert server.get("/app/x", code("req.content_type = ''\nr = 1")).header("Content-Type") is None


@pytest.mark.parametrize("status", [200, 202, 206, 404, 500])
def test_a_returned_status_has_a_page(server: Server, status: int) -> None:
    reply = server.get("/app/x", code(f"result = {status}"))
    assert reply.status == status
    assert f"<title>{status} " in reply.text


def test_the_page_follows_what_was_sent(server: Server) -> None:
    reply = server.get("/app/x", code("req.write('begun;')\nresult = 404"))
    assert reply.status == 200
    assert reply.text.startswith("begun;<!DOCTYPE")
    assert "<h1>Not Found</h1>" in reply.text


def test_the_page_stays_within_a_told_length(server: Server) -> None:
    reply = server.get("/app/x", code("req.set_content_length(9)\nreq.write('begun;')\nresult = 404"))
    assert reply.text == "begun;<!D"


def test_head_tells_no_length_that_nobody_told(server: Server) -> None:
    for text, length in (
        ("req.write('x', 0)", None),
        ("req.set_content_length(5)", "5"),
        ("result = 404", None),
    ):
        reply = server.request("HEAD", "/app/x", headers=code(text))
        assert (reply.header("Content-Length"), reply.header("Transfer-Encoding")) == (length, None)
    assert server.request("HEAD", "/page.txt").header("Content-Length") == "8"


def test_credentials_that_are_rubbish(server: Server) -> None:
    see = "r = [req.get_basic_auth_pw(), req.user, req.ap_auth_type]"
    for sent, seen in {
        "Basic am9lOnA6dw==": ["p:w", "joe", "Basic"],
        "basic am9l": ["", "joe", "Basic"],
        "Basic ###": ["", "", "Basic"],
        "Basic a": ["", "", "Basic"],
        "Bearer am9l": [None, None, None],
    }.items():
        assert run(server, see, "/basic/x", Authorization=sent) == seen
    assert run(server, see, "/app/x", Authorization="Basic am9lOng=") == [None, None, None]


# ---- the connection


def test_the_connection_object_ends_keep_alive(server: Server) -> None:
    with server.connection() as connection:
        connection.request("GET", "/app/x", headers=code("req.connection.keepalive = apache.AP_CONN_CLOSE\nr = 1"))
        response = connection.getresponse()
        assert (response.read(), response.getheader("Connection")) == (b"1", "close")


def test_keepalives_and_their_limit(server: Server) -> None:
    with server.connection() as connection:
        for number in range(3):  # httpd's limit counts the requests after the first
            look = "r = [req.connection.keepalives]\nreq.flush()\nr.append(req.connection.keepalives)"
            connection.request("GET", "/app/x", headers=code(look, Host="second.test"))
            response = connection.getresponse()
            assert json.loads(response.read()) == [number, number + 1]
            assert response.getheader("Connection") == ("close" if number == 2 else None)


# ---- servers


def test_the_chain_of_servers(server: Server) -> None:
    chain = (
        "s, r = apache.main_server, []\n"
        "while s:\n    r.append([s.server_hostname, s.port, s.is_virtual])\n    s = s.next"
    )
    names = [["localhost", 0, 0], ["second.test", 8443, 1], ["first.test", 0, 1]]
    assert run(server, chain, host="first.test") == names


def test_facts_of_servers(server: Server) -> None:
    see = "s = req.server\nr = [s.my_generation, s.error_fname, s.defn_name is None]"
    assert run(server, see, host="first.test") == [0, None, False]
    assert run(server, see, host="second.test")[1].endswith("second.log")
    assert run(server, "r = apache.main_server.defn_name, apache.main_server.error_fname is None") == [
        None,
        False,
    ]


def test_urls_of_a_canonical_name(server: Server) -> None:
    assert run(server, "r = req.construct_url('/x')", host="second.test:99") == "http://second.test:8443/x"
    assert run(server, "r = req.construct_url('/x')", host="first.test:99") == "http://first.test:99/x"
    assert run(server, "r = req.construct_url('/x')", host="first.test") == "http://first.test/x"


def test_cleanups_of_servers_want_a_request(server: Server) -> None:
    assert "first argument must be a request" in run(server, "req.server.register_cleanup(5, print)")
    assert "second argument must be a callable" in run(server, "req.server.register_cleanup(req, 5)")


# ---- internal redirects

SEEN = (
    "if req.prev is None:\n    req.mine = [5]\n    req.subprocess_env['E'] = 'f'\n"
    "    req.user = 'joe'\n    req.status = 202\n"
    "    req.internal_redirect('/app/x?second')\n"
    "else:\n    e = req.subprocess_env\n    r = [req.args, req.unparsed_uri, req.user, req.status, req.prev.mine, "
    "e.get('REDIRECT_E'), e.get('REDIRECT_STATUS'), e.get('REDIRECT_URL'), req.prev.next is req]"
)


def test_what_a_redirected_request_is(server: Server) -> None:
    reply = server.get("/app/x?first", code(SEEN))
    assert reply.status == 202
    assert json.loads(reply.text) == ["second", "/app/x?second", None, 202, [5], "f", "202", None, True]


def test_redirects_without_end(server: Server) -> None:
    reply = server.get("/app/x", code("req.internal_redirect('/app/x')"))
    assert (reply.status, "<h1>Internal Server Error</h1>" in reply.text) == (500, True)


def test_a_redirect_goes_on_with_what_was_sent(server: Server) -> None:
    reply = server.get("/app/x", code("req.write('begun;')\nreq.internal_redirect('/page.txt')"))
    assert (reply.status, reply.text) == (200, "begun;the page")


def test_nothing_follows_a_redirect(server: Server) -> None:
    redirect = "req.internal_redirect('/page.txt')"
    ask = "GET /app/x HTTP/1.1\r\nHost: h\r\nX-Code: "
    first = ask + quote(redirect + "\nreq.write('later')\nresult = 404") + "\r\n\r\n"
    with server.dial() as sock:
        sock.sendall(f"{first}{ask}{quote(redirect)}\r\nConnection: close\r\n\r\n".encode())
        data = receive_all(sock)
    assert data.count(b"HTTP/1.1 200 OK") == 2
    assert b"later" not in data
    assert b"Not Found" not in data


def test_redirects_to_urls_and_their_cleanups(server: Server) -> None:
    assert server.get("/app/x", code("req.internal_redirect('http://other.test/page.txt')")).text == "the page"
    server.get(
        "/app/x",
        code(
            "name = 'inner' if req.prev else 'outer'\n"
            "req.register_cleanup(lambda name: apache.log_error('cleaned ' + name), name)\n"
            "if not req.prev:\n    req.internal_redirect('/app/x')\n    apache.log_error('cleaned nothing yet')"
        ),
    )
    log = server.wait_for_log("cleaned outer")
    assert log.index("cleaned nothing yet") < log.index("cleaned inner") < log.index("cleaned outer")


# ---- who asks


def test_the_user_agent(server: Server) -> None:
    see = "r = [req.useragent_ip, req.useragent_addr == req.connection.client_addr, req.connection.client_ip]"
    assert run(server, see) == ["127.0.0.1", True, "127.0.0.1"]
