"""mod_proxy on a real server, with real servers behind it (httpd's mod_proxy and mod_proxy_http)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import StartServer
from support.backend import Asked, Backend, Talk, backend
from support.server import Port, Reply, Server

CONF = """
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
ProxyRequests Off
Timeout 20
ProxyPass /app/not !
ProxyPass /app http://127.0.0.1:${BACK}/back
ProxyPass /raw http://127.0.0.1:${BACK}/back nocanon
ProxyPass /short http://127.0.0.1:${BACK}/short timeout=1
ProxyPass /dead http://127.0.0.1:${DEAD}/
ProxyPass /again http://127.0.0.1:${DEAD}/again retry=0
ProxyPass /bare http://127.0.0.1:${BACK}/bare disablereuse=on noquery
ProxyPass /hanging http://127.0.0.1:${BACK}
ProxyPassMatch "^/m/(.*)\\.old$" http://127.0.0.1:${BACK}/new/$1?by=match
ProxyPassMatch "^/host(.*)" http://127.0.0.1:${BACK}$1
ProxyPassMatch "^/whole(bare)?/" http://127.0.0.1:${BACK}
<LocationMatch "^/matched/[0-9]+/(.*)$">
    ProxyPass http://127.0.0.1:${BACK}/of/$1
    ProxyPassReverse http://127.0.0.1:${BACK}/of/
</LocationMatch>
<LocationMatch "^/(?!not)other/">
    ProxyPass http://127.0.0.1:${BACK}/all
</LocationMatch>
<Location /located>
    ProxyPassMatch http://127.0.0.1:${BACK}/base/
</Location>
ProxyPass /sock unix:${ROOT}/back.sock|http://localhost/sock
ProxyPassReverse /app http://127.0.0.1:${BACK}/back
ProxyPassReverseCookiePath /back /app
ProxyPassReverseCookieDomain back.example front.example
Alias /app ${WWW}/alias
<Location /loc>
    ProxyPass http://127.0.0.1:${BACK}/loc
    ProxyPassReverse http://127.0.0.1:${BACK}/loc
    ProxyPreserveHost On
    ProxyAddHeaders Off
</Location>
<Location /app/own>
    ProxyErrorOverride On
    ErrorDocument 404 "our own page"
</Location>
<Location /app/some>
    ProxyErrorOverride On 404
</Location>
<Location /app/replaced>
    ProxyErrorOverride On
    ErrorDocument 500 /app/sorry
</Location>
<Location /app/suppressed>
    SetEnv proxy-interim-response Suppress
</Location>
<Location /app/suppressed/not>
    SetEnv proxy-interim-response RFC
</Location>
<Location /missing>
    ErrorDocument 404 /app/sorry
</Location>
<Location /sorry>
    ErrorDocument 404 /app/status503
</Location>
<Proxy http://127.0.0.1:${BACK}/back/denied>
    Require all denied
</Proxy>
<ProxyMatch "/back/for(bidden)$">
    Require all denied
</ProxyMatch>
<Directory "${WWW}/handled">
    SetHandler proxy:http://127.0.0.1:${BACK}
</Directory>
"""


def answer(asked: Asked, talk: Talk) -> bytes | None:
    """What the server behind says, by the path."""
    path = asked.path.partition("?")[0]
    name = path.rpartition("/")[2]
    if name.startswith("status"):
        return (
            b"HTTP/1.1 %b It is so\r\nContent-Length: 5\r\nX-Theirs: 1\r\n"
            b'WWW-Authenticate: Basic realm="x"\r\n\r\ntheir' % name.removeprefix("status").encode()
        )
    if name == "place":
        port = talk.sock.getsockname()[1]
        return (
            f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/back/new?x=1\r\n"
            f"Content-Location: /back/rel\r\nContent-Length: 0\r\n\r\n"
        ).encode()
    if name == "cookies":
        return (
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; path=/back/deep; Domain=back.example; HttpOnly\r\n"
            b"Set-Cookie: b=2; Path=/other\r\nContent-Length: 0\r\n\r\n"
        )
    if name == "hop":
        return (
            b"HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=3\r\n"
            b"Server: Theirs/1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Two: 1\r\nX-Two: 2\r\n"
            b"Content-Type: text/x-own\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
    if name == "until-close":
        talk.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        return b""
    if name == "interim":
        return (
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        )
    if name == "continue":
        return b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    if name == "garbage":
        return b"this is no answer\r\n\r\n"
    if name == "split":
        return b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 0\r\n\r\n"
    if name == "lengths":
        return b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
    if name == "nothing":
        return b""
    if name == "silent":
        talk.read(1)
        return b""
    if name == "cut":
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
        return b""
    if name == "cut-chunks":
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        return b""
    if name == "upgrades":
        return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    return asked.told()


@pytest.fixture(scope="module")
def behind() -> Iterator[Backend]:
    """The server behind."""
    with backend(answer) as made:
        yield made


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer, behind: Backend) -> Iterator[Server]:
    """One server for each MPM."""
    dead = Port()  # (nobody listens there)
    files: dict[str, str | bytes] = {
        "alias/not/page.txt": "here", "handled/it.txt": "x", "page.txt": "static", "alias/x": "alias",
    }  # fmt: skip
    variables = {"BACK": str(behind.port), "DEAD": str(dead.number)}
    made = start_module_server(CONF, files, mpm=request.param, variables=variables)
    with backend(answer, path=made.root / "back.sock"):
        yield made
    dead.release()


def told(reply: Reply) -> Any:
    """What the server behind was asked, as it says."""
    assert reply.status == 200, reply
    return json.loads(reply.body)


def fields(reply: Reply) -> dict[str, str]:
    """The fields that came to the server behind."""
    return {name.lower(): value for name, value in told(reply)["fields"]}


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/app/x", "/back/x"),
        ("/app", "/back"),
        ("/app/", "/back/"),
        ("/app/a%20b%3Fc?q=%20+1", "/back/a%20b%3Fc?q=%20+1"),
        ("/app//x/../y", "/back/y"),
        ("/app/%c3%a4%ff", "/back/%C3%A4%FF"),
        ("/raw/a%2db?x", "/back/a%2db?x"),
        ("/m/deep/er.old?q=2", "/new/deep/er?by=match&q=2"),
        ("/whole/a%20b?q", "/whole/a%20b?q"),
        ("/wholebare/", "/wholebare/"),
        ("/matched/17/ab/c?q", "/of/ab/c?q"),
        ("/other/x", "/all/other/x"),
        ("/located/x", "/base//located/x"),
        ("/bare/x?q=1", "/bare/x"),
        ("/loc/x", "/loc/x"),
        ("/sock/x", "/sock/x"),
        ("/host/x", "/x"),
    ],
)
def test_where_it_goes(server: Server, path: str, target: str) -> None:
    assert told(server.get(path))["line"] == f"GET {target} HTTP/1.1"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/app/not/page.txt", 200, "here"), ("/application", 404, None), ("/page.txt", 200, "static")],
)
def test_what_stays_here(server: Server, path: str, status: int, text: str | None) -> None:
    reply = server.get(path)
    assert reply.status == status
    assert text is None or reply.text == text


@pytest.mark.parametrize(
    "target",
    ["/host@evil.example/", "/host.evil.example/", "/host:1/x", "/hanging%40evil.example/", "/host%3A1/x"],
)
def test_nobody_chooses_the_server_behind(server: Server, behind: Backend, target: str) -> None:
    before = len(behind.asked)
    assert server.get(target).status in (400, 404)
    assert len(behind.asked) == before


@pytest.mark.parametrize("line", ["GET http://127.0.0.1:{port}/x HTTP/1.1", "CONNECT 127.0.0.1:{port} HTTP/1.1"])
def test_a_request_does_not_name_the_server_behind(server: Server, behind: Backend, line: str) -> None:
    before = len(behind.asked)
    said = server.raw(f"{line.format(port=behind.port)}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert said.split(b" ")[1] in (b"404", b"400", b"501"), said
    assert len(behind.asked) == before


def test_the_fields_that_go_on(server: Server, behind: Backend) -> None:
    sent = {
        "Connection": "close, X-Hop", "X-Hop": "1", "Keep-Alive": "3", "TE": "x", "Upgrade": "y", "Proxy": "bad",
        "X-Forwarded-For": "10.1.1.1", "X-Own": "2", "Host": "front.example", "Authorization": "Basic eDp5",
    }  # fmt: skip
    found = fields(server.get("/app/x", sent))
    assert found == {
        "host": f"127.0.0.1:{behind.port}", "x-own": "2", "accept-encoding": "identity", "connection": "Keep-Alive",
        "authorization": "Basic eDp5", "x-forwarded-for": "10.1.1.1, 127.0.0.1", "x-forwarded-host": "front.example",
        "x-forwarded-server": "localhost",
    }  # fmt: skip
    found = fields(server.get("/loc/x", {"Host": "front.example"}))
    assert found["host"] == "front.example"
    assert not [name for name in found if name.startswith("x-forwarded")]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_methods(server: Server, method: str) -> None:
    assert told(server.request(method, "/app/x"))["line"] == f"{method} /back/x HTTP/1.1"


def test_trace_and_head(server: Server) -> None:
    assert told(server.request("TRACE", "/app/x"))["line"] == "TRACE /back/x HTTP/1.1"
    reply = server.request("HEAD", "/app/hop")
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies(server: Server, size: int) -> None:
    body = b"x" * size
    found = told(server.request("POST", "/app/x", body))
    assert found["body"] == body.decode()
    assert ["Content-Length", str(size)] in found["fields"]


def test_a_body_in_chunks(server: Server) -> None:
    head = b"POST /app/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    said = server.raw(head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    found = json.loads(said.partition(b"\r\n\r\n")[2])
    assert found["body"] == "abcde"
    assert ["Transfer-Encoding", "chunked"] in found["fields"]


def test_an_answer_as_the_client_gets_it(server: Server) -> None:
    reply = server.get("/app/hop")
    names = [name.lower() for name, _ in reply.headers]
    assert (reply.status, reply.body) == (200, b"abc")
    assert "x-secret" not in names and "keep-alive" not in names
    assert names.count("server") == names.count("date") == 1
    assert reply.header("Server") == "Theirs/1"
    assert reply.header("Date") == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert reply.header("Content-Type") == "text/x-own"
    assert [value for name, value in reply.headers if name == "X-Two"] == ["1", "2"]
    assert server.get("/app/until-close").body == b"all of it"


def test_an_interim_answer_goes_on(server: Server) -> None:
    """To clients of HTTP/1.1, but for that of 100, which this server says itself (as httpd does)."""
    asked = "GET {} HTTP/1.{}\r\nHost: a\r\nConnection: close\r\n\r\n"
    said = server.raw(asked.format("/app/interim", 1).encode())
    assert said.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n") and said.endswith(
        b"\r\n\r\nok"
    )
    for path, minor in (("/app/interim", 0), ("/app/continue", 1), ("/app/suppressed/interim", 1)):
        said = server.raw(asked.format(path, minor).encode())
        assert said.startswith(b"HTTP/1.1 200 OK\r\n") and said.endswith(b"\r\n\r\nok")
    said = server.raw(asked.format("/app/suppressed/not/continue", 1).encode())
    assert said.startswith(b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_via(start_server: StartServer, behind: Backend) -> None:
    conf = "ProxyVia On\nProxyPass / http://127.0.0.1:${BACK}/"
    server = start_server(conf, variables={"BACK": str(behind.port)}, mode="foreground")
    here = f"localhost:{server.port}"
    for _ in range(2):
        reply = server.get("/x", {"Via": "1.0 theirs"})
        assert (fields(reply)["via"], reply.header("Via")) == (f"1.0 theirs, 1.1 {here}", f"1.1 {here}")
    assert server.get("/until-close").header("Via") == f"1.0 {here}"


def test_max_forwards(server: Server) -> None:
    """What has been passed on often enough is not passed on, nor what does not say how often (RFC 9110 7.6.2)."""
    assert [server.get("/app/x", {"Max-Forwards": word}).status for word in ("0", "x", "-1", "9" * 30)] == [400] * 4
    assert fields(server.get("/app/x", {"Max-Forwards": "3"}))["max-forwards"] == "2"
    reply = server.request("OPTIONS", "/dead/x", headers={"Max-Forwards": "0"})
    assert (reply.status, reply.body, "TRACE" in str(reply.header("Allow"))) == (200, b"", True)


def test_what_hides_the_server_behind(server: Server) -> None:
    reply = server.get("/app/place", host="front.example")
    assert reply.header("Location") == "http://front.example/app/new?x=1"
    assert reply.header("Content-Location") == "/back/rel"
    assert [value for name, value in server.get("/app/cookies").headers if name == "Set-Cookie"] == [
        "a=1; path=/app; Domain=front.example; HttpOnly",
        "b=2; Path=/other",
    ]


@pytest.mark.parametrize(
    ("path", "reason", "theirs", "text"),
    [
        ("/app/status404", "It is so", "1", "their"),
        ("/app/own/status404", "It is so", None, "our own page"),
        ("/app/own/status302", "It is so", "1", "their"),
        ("/app/some/status404", "It is so", None, None),
        ("/app/some/status503", "It is so", "1", "their"),
    ],
)
def test_errors_of_the_server_behind(
    server: Server, path: str, reason: str, theirs: str | None, text: str | None
) -> None:
    reply = server.get(path)
    assert (reply.status, reply.reason, reply.header("X-Theirs")) == (int(path[-3:]), reason, theirs)
    assert text is None or reply.text == text


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/app/replaced/status500", "/missing/x"])
@pytest.mark.parametrize("size", [3, 100_000])
def test_an_error_document_of_the_server_behind(
    server: Server, behind: Backend, path: str, size: int, chunked: bool
) -> None:
    """It is asked for by GET, without the body: that was for what failed. Its status counts, as with httpd."""
    if chunked:
        with server.connection() as connection:
            connection.request("POST", path, iter([b"x" * size]), {"Connection": "close"}, encode_chunked=True)
            asked = json.loads(connection.getresponse().read())
    else:
        asked = told(server.request("POST", path, b"x" * size))
    assert (asked["line"], asked["body"]) == ("GET /back/sorry HTTP/1.1", "")
    assert ["Content-Length", "0"] in asked["fields"]
    reply = server.get("/sorry/x")
    assert (reply.status, reply.reason, reply.text) == (503, "It is so", "their")


def test_who_may_come_in(server: Server, behind: Backend) -> None:
    before = len(behind.asked)
    assert server.get("/app/denied/x").status == 403
    assert server.get("/app/forbidden").status == 403
    assert len(behind.asked) == before
    assert server.get("/app/own/status401").header("WWW-Authenticate") == 'Basic realm="x"'


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/app/garbage", 502, "a status line that is none"),
        ("/app/split", 502, "a header field that is none"),
        ("/app/lengths", 502, "a Content-Length that is none"),
        ("/app/nothing", 502, "error reading from remote server"),
        ("/app/upgrades", 502, "nobody asked for"),
        ("/short/silent", 504, "said nothing for 1 s"),
        ("/dead/x", 503, "failed: Connection refused"),
        ("/again/x", 503, "failed: Connection refused"),
    ],
)
def test_servers_that_fail(server: Server, path: str, status: int, why: str) -> None:
    assert server.get(path).status == status
    server.wait_for_log(why)
    assert server.get("/page.txt").text == "static"


def test_a_server_that_failed_is_left_alone(server: Server) -> None:
    for _ in range(2):
        assert server.get("/dead/x").status == 503
    server.wait_for_log("disabled connection for")


@pytest.mark.parametrize("path", ["/app/cut", "/app/cut-chunks"])
def test_an_answer_without_its_end_is_cut(server: Server, path: str) -> None:
    said = server.raw(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"first" in said and not said.endswith(b"0\r\n\r\n")
    server.wait_for_log("closed the connection within its answer")


def test_connections_are_used_again(server: Server, behind: Backend) -> None:
    server.get("/app/warm")
    before = behind.connections
    for number in range(5):
        assert told(server.get(f"/app/{number}"))
    assert behind.connections == before
    assert told(server.get("/bare/x"))
    assert told(server.get("/bare/y"))
    assert behind.connections == before + 2


def test_the_file_of_a_handler(server: Server) -> None:
    assert told(server.get("/handled/it.txt?q"))["line"] == f"GET {server.www}/handled/it.txt?q HTTP/1.1"
