"""Balancers, TLS and other protocols with the servers behind (httpd's mod_proxy_balancer, _wstunnel and mod_ssl)."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.backend import Asked, Backend, Talk, backend
from support.certificates import Authority
from support.server import Port, Server
from support.waiting import PATIENCE, wait_for

CONF = """
Timeout 20
SSLProxyEngine On
<Proxy balancer://two>
    BalancerMember http://127.0.0.1:${ONE}/app route=a loadfactor=3
    BalancerMember http://127.0.0.1:${TWO}/app route=b
    BalancerMember http://127.0.0.1:${TWO}/spare status=+H
    ProxySet stickysession=SESSION|session lbmethod=byrequests
</Proxy>
<Proxy balancer://half>
    BalancerMember http://127.0.0.1:${DEAD}
    BalancerMember http://127.0.0.1:${ONE}
</Proxy>
<Proxy balancer://standby>
    BalancerMember http://127.0.0.1:${DEAD}
    BalancerMember http://127.0.0.1:${TWO}/standby status=+H
</Proxy>
<Proxy balancer://lost>
    BalancerMember unix:${ROOT}/lost.sock|http://localhost/lost retry=0
    BalancerMember http://127.0.0.1:${TWO}/lost status=+H
</Proxy>
<Proxy balancer://none>
    BalancerMember http://127.0.0.1:${DEAD}
</Proxy>
<Proxy balancer://judged>
    BalancerMember http://127.0.0.1:${ONE}/judged
    BalancerMember http://127.0.0.1:${TWO}/judged
    ProxySet failonstatus=500 lbmethod=bybusyness
</Proxy>
ProxyPass /two balancer://two/x
ProxyPassReverse /two balancer://two/x
ProxyPass /half balancer://half
ProxyPass /standby balancer://standby
ProxyPass /lost balancer://lost
ProxyPass /none balancer://none
ProxyPass /judged balancer://judged
ProxyPass /ws ws://127.0.0.1:${ONE}/ws
ProxyPass /upgrade http://127.0.0.1:${ONE}/ws upgrade=websocket
ProxyPass /plain http://127.0.0.1:${ONE}/noway
ProxyPass /tls https://localhost:${TLS}
ProxyPass /othername https://127.0.0.1:${TLS}
<Location /trusted>
    ProxyPass https://localhost:${TLS}/trusted
</Location>
<Location /strange>
    ProxyPass https://localhost:${TLS}/strange
</Location>
<Proxy https://localhost:${TLS}/trusted>
    SSLProxyVerify require
    SSLProxyCACertificateFile ${CA}
</Proxy>
<Proxy https://localhost:${TLS}/strange>
    SSLProxyVerify require
</Proxy>
<Proxy https://127.0.0.1:${TLS}/anyname>
    SSLProxyCheckPeerName off
</Proxy>
ProxyPass /anyname https://127.0.0.1:${TLS}/anyname
"""


def talking(asked: Asked, talk: Talk) -> bytes | None:
    """Says who it is; gives connections another protocol, which repeats what it gets in capitals."""
    if asked.field("upgrade"):
        talk.send(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Key: k\r\n\r\nhello")
        while data := talk.some():
            talk.send(data.upper())
        return b""
    if asked.path.startswith("/judged/bad"):
        return b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n"
    if asked.path.endswith("/place"):
        port = talk.sock.getsockname()[1]
        return f"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:{port}/app/x/n\r\nContent-Length: 0\r\n\r\n".encode()
    return asked.told()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Backend, Backend]]:
    """Two servers behind."""
    with backend(talking) as one, backend(talking) as two:
        yield one, two


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the server behind that speaks TLS."""
    return Authority(tmp_path_factory.mktemp("behind") / "authority")


@pytest.fixture(scope="module")
def encrypted(authority: Authority) -> Iterator[Backend]:
    """The one that speaks TLS."""
    issued = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with backend(talking, tls=context) as made:
        yield made


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(
    request: pytest.FixtureRequest,
    start_module_server: StartServer,
    pair: tuple[Backend, Backend],
    encrypted: Backend,
    authority: Authority,
) -> Iterator[Server]:
    """One server for each MPM."""
    dead = Port()  # (nobody listens there)
    one, two = pair
    told = {"ONE": one.port, "TWO": two.port, "DEAD": dead.number, "TLS": encrypted.port, "CA": authority.file}
    yield start_module_server(CONF, mpm=request.param, variables={key: str(value) for key, value in told.items()})
    dead.release()


def line(server: Server, path: str, headers: dict[str, str] | None = None) -> str:
    """The request line that came to a server behind."""
    reply = server.get(path, headers)
    assert reply.status == 200, (reply, server.log())
    return str(json.loads(reply.body)["line"])


def test_a_balancer_spreads_requests(server: Server, pair: tuple[Backend, Backend]) -> None:
    before = [len(each.asked) for each in pair]
    for number in range(8):
        assert line(server, f"/two/{number}") == f"GET /app/x/{number} HTTP/1.1"
    assert [len(each.asked) - was for each, was in zip(pair, before, strict=True)] == [6, 2]
    assert server.get("/two/place", host="front").header("Location") == "http://front/two/n"


@pytest.mark.parametrize(
    ("path", "cookie"), [("/two/c", "a=1; SESSION=xyz.b"), ("/two/c;session=xyz.b", ""), ("/two/c?session=xyz.b", "")]
)
def test_a_session_stays_with_its_member(server: Server, pair: tuple[Backend, Backend], path: str, cookie: str) -> None:
    before = len(pair[1].asked)
    for _ in range(3):
        line(server, path, {"Cookie": cookie} if cookie else None)
    assert len(pair[1].asked) == before + 3


def test_members_that_fail(server: Server) -> None:
    for number in range(3):
        assert line(server, f"/half/{number}") == f"GET /{number} HTTP/1.1"
    assert line(server, "/standby/x") == "GET /standby/x HTTP/1.1"
    assert server.get("/none/x").status == 503
    server.wait_for_log("failed: Connection refused")


@pytest.mark.parametrize(("method", "body", "status"), [("GET", None, 200), ("PUT", b"", 200), ("PUT", b"body", 503)])
def test_no_other_member_is_asked_without_the_body(
    server: Server, pair: tuple[Backend, Backend], method: str, body: bytes | None, status: int
) -> None:
    """A member ends a connection that was kept, with the body that went there, and can't be reached any more."""
    socket_file = server.root / "lost.sock"
    heard: list[Asked] = []

    def leaving(asked: Asked, _talk: Talk) -> bytes:
        heard.append(asked)
        if asked.path == "/lost/warm":
            return asked.told()
        socket_file.unlink()
        return b""

    before = len(pair[1].asked)
    with backend(leaving, path=socket_file), server.connection() as client:
        client.request("GET", "/lost/warm")
        assert client.getresponse().read()
        client.request(method, "/lost/x", body)
        reply = client.getresponse()
        reply.read()
    assert [asked.path for asked in heard] == ["/lost/warm", "/lost/x"]
    assert len({asked.connection for asked in heard}) == 1
    assert (reply.status, len(pair[1].asked) - before) == (status, int(status == 200))


def test_a_member_is_judged_by_its_status(server: Server, pair: tuple[Backend, Backend]) -> None:
    assert server.get("/judged/bad").status == 500
    server.wait_for_log("(failonstatus)")
    before = [len(each.asked) for each in pair]
    for number in range(3):
        line(server, f"/judged/{number}")
    assert sorted(len(each.asked) - was for each, was in zip(pair, before, strict=True)) == [0, 3]


@pytest.mark.parametrize("path", ["/ws", "/upgrade"])
def test_another_protocol(server: Server, path: str) -> None:
    head = f"GET {path}/x HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"
    with server.dial() as sock:
        sock.sendall(head.encode() + b"early")
        said = b""
        while not said.endswith(b"EARLY"):
            part = sock.recv(1000)
            assert part, said
            said += part
        assert said.startswith(b"HTTP/1.1 101 Switching\r\n")
        assert b"\r\nX-Key: k\r\n" in said and b"\r\n\r\nhelloEARLY" in said
        sock.sendall(b"x" * 200_000)
        left = 200_000
        while left:
            part = sock.recv(65536)
            assert part == b"X" * len(part) and part
            left -= len(part)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(PATIENCE)
        assert sock.recv(1) == b""


def test_no_other_protocol_where_it_is_not_configured(server: Server) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert line(server, "/plain/x", headers) == "GET /noway/x HTTP/1.1"
    assert line(server, "/ws/x") == "GET /ws/x HTTP/1.1"
    assert line(server, "/upgrade/x", {"Upgrade": "other", "Connection": "Upgrade"}) == "GET /ws/x HTTP/1.1"


def test_tls_with_the_server_behind(server: Server, encrypted: Backend) -> None:
    assert line(server, "/tls/x") == "GET /x HTTP/1.1"
    before = encrypted.connections
    assert line(server, "/tls/y") == "GET /y HTTP/1.1"
    assert encrypted.connections == before
    assert line(server, "/trusted/x") == "GET /trusted/x HTTP/1.1"
    assert line(server, "/anyname/x") == "GET /anyname/x HTTP/1.1"


@pytest.mark.parametrize(
    ("path", "why"), [("/strange/x", "CERTIFICATE_VERIFY_FAILED"), ("/othername/x", "is for another name")]
)
def test_a_server_behind_that_is_another(server: Server, encrypted: Backend, path: str, why: str) -> None:
    before = len(encrypted.asked)
    assert server.get(path).status == 502
    server.wait_for_log(why)
    assert len(encrypted.asked) == before


def test_a_slow_server_holds_up_nobody(server: Server, start_server: StartServer) -> None:
    held: list[Talk] = []

    def hold(talk: Talk) -> None:
        talk.request()
        held.append(talk)
        talk.read(1)

    with backend(serve=hold) as slow:
        one = start_server(f"ProxyPass /slow http://127.0.0.1:{slow.port}/", {"page.txt": "static"})
        with one.connection() as waiting:
            waiting.request("GET", "/slow/x")
            wait_for(lambda: held, "the request to come")
            assert one.get("/page.txt").text == "static"
            with one.connection() as second:
                second.request("GET", "/slow/y")
                wait_for(lambda: len(held) == 2, "the second request to come")
                for talk in held:
                    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                assert [each.getresponse().read() for each in (waiting, second)] == [b"ok", b"ok"]
