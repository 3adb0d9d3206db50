"""The usual way through the proxy says the same as the other one: what is asked, and what the client gets."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.backend import Asked, Talk, backend
from support.server import Server, receive_until

# Each request to /own/ has a connection of its own, so that it is none of the usual.
CONF = """
Timeout 20
LogFormat "%m %U%q %>s %B %{X-Two}o %{Content-Type}o" told
CustomLog ${ROOT}/logs/access.log told
LimitResponseFields 20
ProxyPass /kept/ http://127.0.0.1:${BACK}/own/
ProxyPassReverse /kept/ http://127.0.0.1:${BACK}/own/
ProxyPassReverseCookiePath /own /kept
ProxyPass /own/ http://localhost:${BACK}/own/ disablereuse=on
ProxyPassReverse /own/ http://127.0.0.1:${BACK}/own/
ProxyPassReverseCookiePath /own /kept
<LocationMatch "/errors-">
    ProxyErrorOverride On
</LocationMatch>
<LocationMatch "/changed">
    Header set X-Two changed
    RequestHeader set X-Asked changed
</LocationMatch>
"""

#: What the server behind says, by the name that it is asked for.
ANSWERS = {
    "usual": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nX-Two: 1\r\nX-Two: 2\r\n\r\nok",
    "changed": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Two: 1\r\n\r\nok",
    "theirs": b"HTTP/1.1 200 OK\r\nserver: T\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 2\r\n\r\nok",
    "named": b"HTTP/1.1 200 OK\r\nServer: Theirs/1\r\nContent-Length: 2\r\n\r\nok",
    "phrase": b"HTTP/1.1 200 So it is\r\nContent-Length: 2\r\n\r\nok",
    "no-phrase": b"HTTP/1.1 299\r\nContent-Length: 2\r\n\r\nok",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: a/b\r\n\r\n",
    "errors-404": b"HTTP/1.1 404 Not there\r\nContent-Length: 5\r\n\r\ntheir",
    "missing": b"HTTP/1.1 404 Not there\r\nContent-Length: 5\r\n\r\ntheir",
    "failed": b"HTTP/1.1 500 Failed\r\nContent-Length: 5\r\n\r\ntheir",
    "unknown": b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",
    "place": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:PORT/own/new\r\nContent-Length: 0\r\n\r\n",
    "cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; path=/own/x\r\nContent-Length: 0\r\n\r\n",
    "hop": b"HTTP/1.1 200 OK\r\nConnection: X-Hop, foo\r\nX-Hop: 1\r\nKeep-Alive: a\r\nContent-Length: 1\r\n\r\nx",
    "length-hop": b"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 1\r\n\r\nx",
    "closing": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "both": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "no-length": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "folded": b"HTTP/1.1 200 OK\r\nX-Two: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "bare": b"HTTP/1.1 200 OK\nX-Two: 1\nContent-Length: 2\n\nok",
    "mixed": b"HTTP/1.1 200 OK\nContent-Length: 10\n\nok\r\n\r\nokok",
    "blanks": b"HTTP/1.1 200 OK\r\nX-Two: \t a b \t \r\nContent-Length:2 \r\n\r\nok",
    "latin": b"HTTP/1.1 200 D\xe9j\xe0\r\nX-Two: \xe4\xff\r\nContent-Length: 2\r\n\r\nok",
    "control": b"HTTP/1.1 200 OK\r\nX-Two: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    "nul": b"HTTP/1.1 200 OK\r\nX-Two: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "no-field": b"HTTP/1.1 200 OK\r\nno field\r\nContent-Length: 2\r\n\r\nok",
    "no-name": b"HTTP/1.1 200 OK\r\nX Two: 1\r\nContent-Length: 2\r\n\r\nok",
    "unmodified": b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 9\r\n\r\n",
    "nothing": b"HTTP/1.1 204 No Content\r\nX-Two: 1\r\n\r\n",
    "continued": b"HTTP/1.1 100 Go on\r\nX-Two: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "garbage": b"what is this\r\n\r\n",
    "many": b"HTTP/1.1 200 OK\r\n" + b"X-Two: 1\r\n" * 25 + b"Content-Length: 2\r\n\r\nok",
    "long-line": b"HTTP/1.1 200 OK\r\nX-Two: " + b"x" * 9000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "long-head": b"HTTP/1.1 200 OK\r\nX-Two: " + b"x" * 4000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "long": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
    "behind": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
}


def answer(asked: Asked, talk: Talk) -> bytes | None:
    """Says what is asked for; ``again`` is in the end of the names."""
    name = asked.path.partition("?")[0].rpartition("/")[2]
    if name == "asked":
        return asked.told()
    if name == "interim":
        talk.send(b"HTTP/1.1 103 Early\r\nX-Two: 0\r\n\r\n")
        name = "usual"
    said = ANSWERS.get(name, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    said = said.replace(b"PORT", str(talk.sock.getsockname()[1]).encode())
    if name in ("closing", "old", "behind"):
        talk.send(said)
        return b""
    return said


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """One server for each MPM."""
    with backend(answer) as back:
        yield start_module_server(CONF, mpm=request.param, variables={"BACK": str(back.port)})


Told = tuple[int, str, list[tuple[str, str]], bytes]


def get(server: Server, path: str, headers: dict[str, str] | None = None) -> Told:
    """What a client gets that says nothing of its connection; without the dates of now."""
    sock = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        sock.request("GET", path, headers={"Host": "front.example", **(headers or {})})
        reply = sock.getresponse()
        fields = [pair for pair in reply.getheaders() if pair[0].lower() != "date" or "1994" in pair[1]]
        body = reply.read() if reply.status < 500 or reply.reason == "Failed" else b""
        return reply.status, reply.reason, fields, body
    finally:
        sock.close()


@pytest.mark.parametrize("name", ANSWERS)
def test_the_client_gets_the_same(server: Server, name: str) -> None:
    """On connections that are kept, the first time and again, as on new ones."""
    other = get(server, f"/own/{name}")
    get(server, "/kept/warm")
    for _ in range(3):
        assert get(server, f"/kept/{name}") == other
        get(server, "/kept/warm")
    status, _, fields, body = other
    sent = len(body) if status < 500 and status not in (204, 304) else None
    two = next((value for key, value in fields if key == "X-Two"), "-")
    if name not in ("errors-404", "latin", "long-head") and sent is not None:
        kind = next((value for key, value in fields if key == "Content-Type"), "-")
        text = f" {status} {sent} {two} {kind}\n"
        for place in ("own", "kept"):
            server.wait_for_log(f"GET /{place}/{name}{text}", "access.log")


def test_an_interim_answer_goes_on(server: Server) -> None:
    for place in ("own", "kept", "kept"):
        get(server, "/kept/warm")
        said = server.raw(f"GET /{place}/interim HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 103 Early\r\nX-Two: 0\r\n\r\nHTTP/1.1 200 OK\r\n") and said.endswith(b"ok")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Forwarded-For": "10.1.1.1", "X-Forwarded-Host": "first.example"},
        {"Proxy": "x", "TE": "x", "Upgrade": "y", "X-Own": "\xe4"},
        {"Max-Forwards": "3"},
        {"Cookie": "a=1", "Accept": "a/b", "User-Agent": "one"},
        {"X-Own": "x" * 4000},
        {"X-Own": "a;  b"},
    ],
)
@pytest.mark.parametrize("path", ["asked", "asked?q=1&r", "asked?", "a%20b/asked?%C3%A4", "changed/asked"])
def test_the_server_behind_is_asked_the_same(server: Server, path: str, headers: dict[str, str]) -> None:
    status, _, _, body = get(server, f"/own/{path}", headers)
    assert status == 200
    other = json.loads(body)
    get(server, "/kept/warm")
    for _ in range(2):
        found = json.loads(get(server, f"/kept/{path}", headers)[3])
        assert found["line"] == other["line"]
        assert found["fields"][1:] == other["fields"][1:]  # (the first is the host)


def test_clients_are_told_from_each_other(server: Server) -> None:
    """The same fields, of other hosts and addresses."""
    get(server, "/kept/warm")
    for host in ("front.example", "other.example", "front.example"):
        found = dict(json.loads(get(server, "/kept/asked", {"Host": host})[3])["fields"])
        assert found["X-Forwarded-Host"] == host
        assert found["X-Forwarded-For"] == "127.0.0.1"


def test_a_target_with_a_host(server: Server) -> None:
    """It counts, and not that of the fields, which another request had before (RFC 9112 3.2.2)."""
    for place in ("own", "kept"):
        with server.dial() as sock:
            for host in ("", "http://other.example"):
                sock.sendall(f"GET {host}/{place}/asked HTTP/1.1\r\nHost: front.example\r\n\r\n".encode())
                said = receive_until(sock, b'"body": ""}')
                found = dict(json.loads(said.partition(b"\r\n\r\n")[2])["fields"])
                assert found["X-Forwarded-Host"] == (host.removeprefix("http://") or "front.example")
