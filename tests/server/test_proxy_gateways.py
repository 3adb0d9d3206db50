"""FastCGI and uwsgi with the servers behind (httpd's mod_proxy_fcgi and mod_proxy_uwsgi)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from support.backend import Backend, Talk, backend
from support.checking import untold
from support.server import Reply, Server

CONF = """
Timeout 20
ProxyPass /fcgi fcgi://127.0.0.1:${FCGI}/srv
ProxyPass /kept fcgi://127.0.0.1:${FCGI}/kept enablereuse=on
ProxyPass /uwsgi uwsgi://127.0.0.1:${UWSGI}
<Location /fcgi/generic>
    ProxyFCGIBackendType GENERIC
</Location>
<FilesMatch "\\.php$">
    SetHandler "proxy:fcgi://127.0.0.1:${FCGI}"
</FilesMatch>
<Location /fcgi/set>
    ProxyFCGISetEnvIf "reqenv('SCRIPT_FILENAME') =~ m#^(/srv)(/.*)$#" MADE "$2 of $1"
    ProxyFCGISetEnvIf "reqenv('MADE') == '/set/x of /srv'" AGAIN "%{REQUEST_METHOD}"
    ProxyFCGISetEnvIf "%{REQUEST_METHOD} == 'POST'" POSTED
    ProxyFCGISetEnvIf true !QUERY_STRING
    ProxyFCGISetEnvIf false NEVER 1
</Location>
<Location /kept>
    ProxyErrorOverride On
</Location>
<LocationMatch "/short/">
    LimitRequestBody 10
</LocationMatch>
<Location /fcgi/filtered>
    SetInputFilter DEFLATE
</Location>
<Location /missing/fcgi>
    ErrorDocument 404 /kept/document
</Location>
<Location /closed/fcgi>
    Require all denied
    ErrorDocument 403 /kept/document
</Location>
<Location /missing/uwsgi>
    ErrorDocument 404 /uwsgi/document
</Location>
<Location /closed/uwsgi>
    Require all denied
    ErrorDocument 403 /uwsgi/document
</Location>
<Directory "${WWW}/sock">
    SetHandler "proxy:unix:${ROOT}/Fcgi.sock|fcgi://localhost"
</Directory>
"""


def fcgi(talk: Talk) -> None:
    """A FastCGI server that tells what it got, or what the last part of the path says."""
    while True:
        kept, env, body = False, b"", b""
        while True:
            head = talk.read(8)
            if len(head) < 8:
                return
            _version, kind, number, length, padding = struct.unpack(">BBHHBx", head)
            content = talk.read(length)
            talk.read(padding)
            if kind == 1:
                kept = bool(content[2] & 1)
            elif kind == 4:
                env += content
            elif kind == 5:
                body += content
                if not content:
                    break

        def record(kind: int, content: bytes, number: int = number) -> bytes:
            pad = -len(content) % 8
            return struct.pack(">BBHHBx", 1, kind, number, len(content), pad) + content + b"\0" * pad

        told = variables(env)
        name = told.get("REQUEST_URI", "").partition("?")[0].rpartition("/")[2]
        text = json.dumps({"env": told, "body": body.decode("latin-1"), "connection": talk.number}).encode()
        says = {
            "status": b"Status: 404 Nowhere\r\nX-A: 1\r\nContent-Type: text/plain\r\n\r\nnot here",
            "away": b"Location: http://example.com/\n\n",
            "long": b"Content-Length: 9\r\nContent-Type: text/plain\r\n\r\nshort",
            "inside": b"Location: /page.txt\r\n\r\n",
            "broken": b"no header at all\r\n\r\n",
            "nothing": b"",
        }.get(name, b"Content-Type: application/json\r\n\r\n" + text)
        if name == "says":
            talk.send(record(7, b"one line\nand ano") + record(7, b"ther"))
        if name == "gone":
            return
        for at in range(0, len(says), 1000):
            talk.send(record(6, says[at : at + 1000]))
        talk.send(record(6, b"") + record(3, b"\0" * 8))
        if not kept:
            return


def variables(data: bytes) -> dict[str, str]:
    """FastCGI's pairs of names and values."""
    found, at = {}, 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            if data[at] < 128:
                sizes.append(data[at])
                at += 1
            else:
                sizes.append(struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF)
                at += 4
        name, value = data[at : at + sizes[0]], data[at + sizes[0] : at + sum(sizes)]
        found[name.decode()] = value.decode()
        at += sum(sizes)
    return found


def uwsgi(talk: Talk) -> None:
    """A uwsgi server that tells what it got."""
    modifier, size, _ = struct.unpack("<BHB", talk.read(4))
    data, env, at = talk.read(size), {}, 0
    while at < size:
        pair = []
        for _ in range(2):
            (length,) = struct.unpack_from("<H", data, at)
            pair.append(data[at + 2 : at + 2 + length].decode())
            at += 2 + length
        env[pair[0]] = pair[1]
    body = talk.read(int(env.get("CONTENT_LENGTH") or 0))
    text = json.dumps({"env": env, "body": body.decode(), "modifier": modifier}).encode()
    talk.send(b"HTTP/1.1 201 Made\r\nContent-Type: application/json\r\nX-B: 2\r\n\r\n" + text)


@pytest.fixture(scope="module")
def behind() -> Iterator[tuple[Backend, Backend]]:
    """The servers behind."""
    with backend(serve=fcgi) as one, backend(serve=uwsgi) as two:
        yield one, two


@pytest.fixture(scope="module")
def server(start_module_server: StartServer, behind: tuple[Backend, Backend]) -> Iterator[Server]:
    """The server."""
    files: dict[str, str | bytes] = {"app/x.php": "source", "sock/it": "source", "page.txt": "page"}
    told = {"FCGI": str(behind[0].port), "UWSGI": str(behind[1].port)}
    made = start_module_server(CONF, files, variables=told)
    with backend(serve=fcgi, path=made.root / "Fcgi.sock"):
        yield made


def env(reply: Reply) -> Any:
    """The variables that came."""
    return json.loads(reply.body)["env"]


def test_fcgi_by_path(server: Server) -> None:
    reply = server.request("POST", "/fcgi/a%20b?q=1&r", b"x" * 100_000, {"X-Own": "1", "Content-Type": "t/x"})
    found = env(reply)
    assert (reply.status, reply.header("Content-Type")) == (200, "application/json")
    assert json.loads(reply.body)["body"] == "x" * 100_000
    wanted = {
        "SCRIPT_FILENAME": "/srv/a b", "SCRIPT_NAME": "/fcgi/a b", "QUERY_STRING": "q=1&r", "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/fcgi/a%20b?q=1&r", "CONTENT_LENGTH": "100000", "CONTENT_TYPE": "t/x", "HTTP_X_OWN": "1",
        "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
    }  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted
    assert env(server.get("/fcgi/generic"))["SCRIPT_FILENAME"] == "/srv/generic"


def test_variables_for_fcgi(server: Server) -> None:
    found = env(server.request("POST", "/fcgi/set/x?query", b""))
    wanted = {"MADE": "/set/x of /srv", "AGAIN": "POST", "POSTED": "", "QUERY_STRING": None, "NEVER": None}
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["SCRIPT_FILENAME"] == "/srv/set/x"
    assert "POSTED" not in env(server.get("/fcgi/set/x"))


def test_wrong_variables_for_fcgi(tmp_path: Path) -> None:
    faults = {
        "ProxyFCGISetEnvIf true !A b": "ProxyFCGISetEnvIf !A: a variable that is taken away has no value",
        "ProxyFCGISetEnvIf true !": "ProxyFCGISetEnvIf '!' names no variable: write NAME or !NAME",
        'ProxyFCGISetEnvIf "%{NONE" A': "ProxyFCGISetEnvIf: Could not parse expression",
        'ProxyFCGISetEnvIf true A "%{NONE}"': "Cannot parse expression in ProxyFCGISetEnvIf",
        "ProxyFCGISetEnvIf true": "ProxyFCGISetEnvIf takes two or three arguments",
    }
    assert untold(tmp_path, faults) == []


def test_fcgi_by_handler(server: Server) -> None:
    found = env(server.get("/app/x.php/more/of?it"))
    assert found["SCRIPT_FILENAME"] == f"{server.www}/app/x.php"
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/app/x.php", "/more/of")
    assert env(server.get("/sock/it"))["SCRIPT_FILENAME"] == f"{server.www}/sock/it"


@pytest.mark.parametrize(
    ("path", "status", "reason", "body"),
    [
        ("/fcgi/status", 404, "Nowhere", b"not here"),
        ("/fcgi/long", 200, "OK", b"short"),
        ("/fcgi/away", 302, "Found", b""),
        ("/fcgi/inside", 200, "OK", b"page"),
        ("/fcgi/broken", 502, "Bad Gateway", None),
        ("/fcgi/nothing", 502, "Bad Gateway", None),
        ("/fcgi/gone", 502, "Bad Gateway", None),
    ],
)
def test_answers_of_fcgi(server: Server, path: str, status: int, reason: str, body: bytes | None) -> None:
    reply = server.get(path)
    assert (reply.status, reply.reason) == (status, reason)
    assert body is None or reply.body == body


def test_what_fcgi_says_beside(server: Server) -> None:
    assert server.get("/fcgi/says").status == 200
    server.wait_for_log("Got error 'one line'")
    server.wait_for_log("Got error 'and another'")


def test_fcgi_is_used_again_where_that_is_asked(server: Server) -> None:
    numbers = [json.loads(server.get(path).body)["connection"] for path in ("/fcgi/1", "/fcgi/2", "/kept/1", "/kept/2")]
    assert numbers[0] != numbers[1] and numbers[2] == numbers[3]


def test_uwsgi(server: Server) -> None:
    reply = server.request("POST", "/uwsgi/a%20b/c?q", b"body")
    told = json.loads(reply.body)
    assert (reply.status, reply.reason, reply.header("X-B"), told["body"]) == (201, "Made", "2", "body")
    assert (told["env"]["SCRIPT_NAME"], told["env"]["PATH_INFO"]) == ("/uwsgi", "/a b/c")


@pytest.mark.parametrize("size", [0, 3, 100_000])
@pytest.mark.parametrize(("place", "gets_it"), [("missing", False), ("closed", True)])
@pytest.mark.parametrize("kind", ["fcgi", "uwsgi"])
def test_an_error_document_gets_what_is_left_of_the_body(
    server: Server, kind: str, place: str, gets_it: bool, size: int
) -> None:
    """Who looked for a file has thrown it away; who was turned away before has not, as with httpd."""
    body = b"x" * size
    with server.connection() as connection:
        for _ in range(2):
            connection.request("POST", f"/{place}/{kind}/x", body)
            reply = connection.getresponse()
            told = json.loads(reply.read())
            # (by FastCGI a script that says nothing of a status leaves that of the error)
            assert reply.status == (201 if kind == "uwsgi" else 403 if gets_it else 404)
            left = body if gets_it else b""
            assert (told["env"]["REQUEST_METHOD"], told["body"]) == ("GET", left.decode())
            assert told["env"]["CONTENT_LENGTH"] == str(len(left))
        connection.request("GET", "/kept/after")  # (what the server behind is told too much is taken for another one)
        assert json.loads(connection.getresponse().read())["env"]["REQUEST_URI"] == "/kept/after"


@pytest.mark.parametrize("sizes", [(), (3,), (3, 100_000), (1_000_000, 1, 1_000_000)], ids=str)
@pytest.mark.parametrize("path", ["/fcgi/x", "/kept/x", "/uwsgi/x"])
def test_a_body_in_chunks_has_its_length(server: Server, path: str, sizes: tuple[int, ...]) -> None:
    """It is taken in before, whether its client waits to be asked for it or not, and the connection goes on."""
    with server.connection() as connection:
        for headers in ({}, {"Expect": "100-continue"}):
            connection.request("POST", path, iter([b"x" * size for size in sizes]), headers, encode_chunked=True)
            told = json.loads(connection.getresponse().read())
            assert (told["env"]["CONTENT_LENGTH"], told["body"]) == (str(sum(sizes)), "x" * sum(sizes))


@pytest.mark.parametrize(
    ("path", "head", "body", "status"),
    [
        ("/fcgi/short/x", "", b"a" * 11, 413),
        ("/uwsgi/short/x", "", b"a" * 11, 413),
        ("/fcgi/filtered/x", "Content-Encoding: gzip\r\n", b"a" * 11, 411),
    ],
)
def test_a_body_whose_length_can_t_be_told(server: Server, path: str, head: str, body: bytes, status: int) -> None:
    asked = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}Transfer-Encoding: chunked\r\n\r\n"
    said = server.raw(asked.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert int(said.split(b" ")[1]) == status
