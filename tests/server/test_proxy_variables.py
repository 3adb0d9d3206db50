"""Variables that say how requests go on to the servers behind (httpd's documentation of mod_proxy_http)."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import StartServer
from support.backend import Backend, backend
from support.server import Server

CONF = """
ProxyPass / http://127.0.0.1:${BACK}/
<Location /old>
    SetEnv force-proxy-request-1.0 1
</Location>
<Location /closed>
    SetEnv proxy-nokeepalive 1
</Location>
<Location /length>
    SetEnv proxy-sendcl 1
</Location>
<Location /both>
    SetEnv proxy-sendcl 1
    SetEnv proxy-sendchunked 1
</Location>
<Location /fresh>
    SetEnv proxy-initial-not-pooled 1
</Location>
SetEnvIf X-Closed 1 proxy-nokeepalive
<Location /user>
    AuthType Basic
    AuthName a
    AuthUserFile ${WWW}/users
    Require valid-user
</Location>
<Location /user/chain>
    SetEnv proxy-chain-auth 1
</Location>
"""
BASIC = "Basic am9lOnB3"


@pytest.fixture(scope="module")
def behind() -> Iterator[Backend]:
    """The server behind."""
    with backend() as made:
        yield made


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer, behind: Backend) -> Server:
    """One server for each MPM."""
    files: dict[str, str | bytes] = {"users": "joe:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n"}
    return start_module_server(CONF, files, mpm=request.param, variables={"BACK": str(behind.port)})


def told(connection: http.client.HTTPConnection) -> Any:
    """What the server behind was asked: its line, and the fields by their names."""
    reply = connection.getresponse()
    found = json.loads(reply.read())
    assert reply.status == 200
    return found["line"], {name.lower(): value for name, value in found["fields"]}, found["body"]


@pytest.mark.parametrize(
    ("path", "version", "connection"),
    [("/x", "1.1", "Keep-Alive"), ("/old", "1.0", None), ("/closed", "1.1", "close"), ("/length", "1.1", "Keep-Alive")],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_versions_and_connections(server: Server, method: str, path: str, version: str, connection: str | None) -> None:
    with server.connection() as client:
        for _ in range(2):  # (the second time there may be a connection that is kept)
            client.request(method, path, b"body" if method == "POST" else None)
            line, fields, body = told(client)
            assert line == f"{method} {path} HTTP/{version}"
            assert fields.get("connection") == connection
            assert body == ("body" if method == "POST" else "")


@pytest.mark.parametrize(("path", "is_measured"), [("/x", False), ("/length", True), ("/old", True), ("/both", False)])
@pytest.mark.parametrize("size", [3, 1_000_000])
def test_bodies_in_chunks(server: Server, path: str, is_measured: bool, size: int) -> None:
    with server.connection() as client:
        for headers in ({}, {"Expect": "100-continue"}):
            client.request("POST", path, iter([b"x" * size]), headers, encode_chunked=True)
            _, fields, body = told(client)
            assert body == "x" * size
            assert fields.get("transfer-encoding") == (None if is_measured else "chunked")
            assert fields.get("content-length") == (str(size) if is_measured else None)


@pytest.mark.parametrize(
    ("path", "headers", "opened"),
    [("/x", {}, 0), ("/closed", {}, 2), ("/old", {}, 2), ("/fresh", {}, 1), ("/x", {"X-Closed": "1"}, 2)],
)
def test_connections(server: Server, behind: Backend, path: str, headers: dict[str, str], opened: int) -> None:
    """How many new ones two requests of a client need where one is there."""
    server.get("/x")
    before = behind.connections
    with server.connection() as client:
        for _ in range(2):
            client.request("GET", path, headers=headers)
            told(client)
    assert behind.connections == before + opened


@pytest.mark.parametrize(
    ("path", "headers", "goes_on"),
    [
        ("/x", {}, True),
        ("/x", {"Connection": "Proxy-Authorization"}, False),
        ("/user", {"Authorization": BASIC}, False),
        ("/user/chain", {"Authorization": BASIC}, True),
    ],
)
def test_words_for_proxies(server: Server, path: str, headers: dict[str, str], goes_on: bool) -> None:
    """As long as nobody here has asked who it is, Proxy-Authorization may be for the server behind."""
    with server.connection() as client:
        for _ in range(2):
            client.request("GET", path, headers={**headers, "Proxy-Authorization": "Basic x"})
            assert ("proxy-authorization" in told(client)[1]) is goes_on
