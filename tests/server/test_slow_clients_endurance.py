"""200 slow clients of each sort beside normal ones: these are answered as if they were alone."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conftest import StartServer
from support.certificates import Authority
from support.server import EACH_IN_BOTH, Server
from support.tls import HTTPS, Client, at_port
from support.waiting import wait_for

CONF = """
Timeout 600
RequestReadTimeout header=600 body=600 handshake=600
KeepAliveTimeout 600
CustomLog logs/access.log "%U"
PythonPath "['${WWW}'] + sys.path"
<Location /app>
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /streaming>
    SetHandler mod_python
    PythonHandler app
    RequestBodyStreaming On
</Location>
<Location /large>
    SetHandler mod_python
    PythonHandler app::large
</Location>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
</Location>
"""
APP = """
from mod_python import apache

def handler(req):
    req.write("%d bytes" % len(req.read()), 0)
    return apache.OK

def large(req):
    for _ in range(100):
        req.write(b"x" * 60_000)
    return apache.OK

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (b"x" * 60_000 for _ in range(100))
"""
FILES: dict[str, str | bytes] = {"app.py": APP, "page.txt": "the page", "large.bin": bytes(30_000_000)}

CLIENTS = 200
#: How many requests the normal clients ask, and how long 99 of 100 may take, in seconds.
NORMAL = 300
ALLOWED = 0.1

POST = "POST {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n"
#: What each sort of slow client says before it falls silent; whether to the port for TLS.
SORTS: dict[str, tuple[bytes, bool]] = {
    "head": (b"GET /app HTTP/1.1\r\nHost:", False),
    "short body": (POST.format(path="/app", fields="Content-Length: 100").encode() + b"x", False),
    "long body": (POST.format(path="/app", fields="Content-Length: 100000").encode() + b"x", False),
    "most of a body": (POST.format(path="/app", fields="Content-Length: 100000").encode() + b"x" * 99_000, False),
    "chunks": (POST.format(path="/app", fields="Transfer-Encoding: chunked").encode() + b"11170\r\nx", False),
    "expect": (POST.format(path="/app", fields="Content-Length: 9\r\nExpect: 100-continue").encode(), False),
    "streaming": (POST.format(path="/streaming", fields="Content-Length: 100000").encode() + b"x", False),
    "reading": (b"GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n", False),
    "reading a handler's answer": (b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n", False),
    "reading an application's": (b"GET /wsgi HTTP/1.1\r\nHost: h\r\n\r\n", False),
    "handshake": (b"\x16\x03\x01\x02\x00\x01", True),
}
#: What is written by handlers, and read slowly.
WRITTEN = ("/large\n", "/wsgi\n")


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def served(
    request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority
) -> Iterator[tuple[Server, Client]]:
    """One server for each kind and MPM."""
    kind, mpm = request.param
    with at_port(authority) as (client, variables):
        server = start_module_server(
            CONF + HTTPS, FILES, backend=kind, mpm=mpm, workers=4 if mpm == "prefork" else 2, mode="foreground",
            variables=variables,
        )  # fmt: skip
        yield server, client


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("sort", SORTS)
def test_normal_clients_do_not_notice(served: tuple[Server, Client], sort: str) -> None:
    server, client = served
    said, over_tls = SORTS[sort]
    for path in ("/app", "/page.txt"):
        assert server.get(path).status == 200
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            if over_tls:
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", client.port)))
            else:
                sock = stack.enter_context(server.dial())
            sock.sendall(said)
        for path in WRITTEN:
            if path.strip().encode() + b" " in said:  # (to write 200 of them takes its time, however they are read)
                wait_for(lambda path=path: server.log("access.log").count(path) == CLIENTS, "the handlers to be over")  # type: ignore[misc]
        took = []
        for number in range(NORMAL):
            begun = time.monotonic()
            if number % 3:
                assert server.get("/app" if number % 3 == 1 else "/page.txt").status == 200
            else:
                assert server.request("POST", "/app", body=b"y" * 1000).text == "1000 bytes"
            took.append(time.monotonic() - begun)
        took.sort()
        assert took[NORMAL * 99 // 100] < ALLOWED, [round(one, 3) for one in took[-20:]]
