"""``mpserver import-unit``: configurations of NGINX Unit, and servers with what is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from http.client import HTTPConnection
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mpserver.cli import import_unit
from mpserver.cli.unit_routes import Untaken, condition
from mpserver.testing import Server
from support.waiting import PATIENCE, wait_for

APP = """
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    words = [environ["SCRIPT_NAME"], environ["PATH_INFO"], os.environ.get("COLOUR", "none")]
    if environ["PATH_INFO"].startswith("/who"):
        words = [environ["wsgi.url_scheme"]]
    return [" ".join(words).encode()]


def make():
    return app
"""


def config(folder: Path) -> dict[str, Any]:
    """A configuration in Unit's form, with what its documentation shows."""
    return {
        "listeners": {
            "127.0.0.1:${PORT}": {
                "pass": "routes/main",
                "forwarded": {
                    "client_ip": "X-Forwarded-For", "protocol": "X-Forwarded-Proto",
                    "source": ["10.0.0.0/8", "127.0.0.1-127.0.0.2"],
                },
            },
        },
        "routes": {
            "main": [
                {"match": {"uri": ["/st/*", "!/st/secret*"]}, "action": {"share": f"{folder}/up$uri"}},
                {"match": {"uri": "/old"}, "action": {"return": 301, "location": "https://example.org/new"}},
                {"match": {"host": "api.example.org"}, "action": {"pass": "applications/blog/api"}},
                {"match": {"uri": "~^/[0-9]+$"}, "action": {"pass": "routes/numbers"}},
                {"match": {"arguments": {"x": "1*"}, "cookies": {"c": "v"}}, "action": {"return": 403}},
                {"match": {"headers": {"X-A": ["a*", "!ab"]}}, "action": {"return": 410}},
                {"match": {"source": ["10.0.0.0/8", "192.0.2.1-192.0.2.9"]}, "action": {"return": 402}},
                {"match": {"uri": "/php/*"}, "action": {"pass": "applications/php"}},
                {"match": {"uri": "/who/s", "scheme": "https"}, "action": {"return": 409}},
                {"match": {"uri": "/who/p", "scheme": "http"}, "action": {"return": 409}},
                {"match": {"uri": "/only"}, "action": {"share": [f"{folder}/none$uri", f"{folder}/static/a.txt"]}},
                {
                    "action": {
                        "share": f"{folder}/static$uri",
                        "response_headers": {"X-Static": "yes"},
                        "fallback": {"pass": "applications/blog"},
                    }
                },
            ],
            "numbers": [{"match": {"uri": "/1*"}, "action": {"pass": "applications/blog"}}],
        },
        "applications": {
            "blog": {
                "type": "python 3", "path": f"{folder}/app", "module": "wsgi", "callable": "app", "threads": 2,
                "processes": {"max": 1}, "environment": {"COLOUR": "red"}, "limits": {"timeout": 10, "requests": 500},
                "targets": {"api": {"module": "wsgi", "callable": "make", "factory": True, "prefix": "/v1"}},
            },
            "php": {"type": "php", "root": "/srv"},
        },
        "access_log": {"path": f"{folder}/access.log", "format": '$remote_addr "$request_line" $status $header_from'},
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a site."""
    made = tmp_path_factory.mktemp("unit")
    for name, text in {
        "app/wsgi.py": APP, "static/a.txt": "a", "static/index.html": "index", "up/st/b.txt": "b",
        "up/st/secret.txt": "secret", "static/dir/index.html": "dir",
    }.items():  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made


def conf_of(text: str, folder: Path) -> Path:
    """What was printed, as a test can start it."""
    text = text.replace("/etc/mpserver", str(folder)).replace("/run/mpserver.pid", str(folder / "pid"))
    text = text.replace("/var/log/mpserver", str(folder)).replace("User www-data", "User root")
    file = folder / "made.conf"
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A server with the configuration that was made."""
    importer = import_unit.Importer(config(folder))
    conf = conf_of(importer.text(), folder)
    assert [note.partition(":")[0] for note in importer.notes] == ["applications/php"]
    with Server(conf) as found:
        yield found


#: A path, the request's headers, the status, and what the body is (None: whatever).
ASKED: list[tuple[str, dict[str, str], int, str | None]] = [
    ("/st/b.txt", {}, 200, "b"),
    ("/st/none.txt", {}, 404, None),
    ("/st/secret.txt", {}, 200, " /st/secret.txt red"),
    ("/old", {}, 301, None),
    ("/v1/x", {"Host": "API.example.org:80"}, 200, "/v1 /x red"),
    ("/123", {}, 200, " /123 red"),
    ("/234", {}, 404, None),
    ("/?y=2&x=12", {"Cookie": "a=b; c=v"}, 403, None),
    ("/?y=2&x=12", {"Cookie": "a=b; c=vv"}, 200, "index"),
    ("/?x=2", {"Cookie": "c=v"}, 200, "index"),
    ("/x", {"X-A": "aa"}, 410, None),
    ("/x", {"X-A": "ab"}, 200, " /x red"),
    ("/php/x", {}, 503, None),
    ("/only", {}, 200, "a"),
    ("/a.txt", {}, 200, "a"),
    ("/dir/", {}, 200, "dir"),
    ("/a.txt/none", {}, 200, " /a.txt/none red"),
    ("/no%20where", {}, 200, " /no where red"),
]


@pytest.mark.parametrize(("path", "headers", "status", "body"), ASKED)
def test_requests_go_where_they_went(
    server: Server, path: str, headers: dict[str, str], status: int, body: str | None
) -> None:
    reply = server.get(path, headers)
    assert (reply.status, reply.text if body is not None else None) == (status, body), server.log()


def test_headers_redirects_and_the_log(server: Server, folder: Path) -> None:
    assert server.get("/a.txt").header("X-Static") == "yes"
    assert server.get("/nothing").header("X-Static") is None
    assert server.get("/old").header("Location") == "https://example.org/new"
    line = '127.0.0.1 "GET /a.txt HTTP/1.1" 200 -\n'
    wait_for(lambda: line in (folder / "access.log").read_text(), "its line in the log")


def said_by(peer: str, server: Server, path: str, **headers: str) -> tuple[int, str]:
    """The answer to a request with headers, from an address of this machine."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE, source_address=(peer, 0))
    with closing(connection):
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()


def test_proxies_are_believed_and_nobody_else(server: Server, folder: Path) -> None:
    for peer in ("127.0.0.1", "127.0.0.2"):
        for scheme, found in (("https", "https"), ("HTTPS", "https"), ("on", "https"), ("http", "http")):
            assert said_by(peer, server, "/who", X_Forwarded_Proto=scheme) == (200, found)
    assert said_by("127.0.0.3", server, "/who", X_Forwarded_Proto="https") == (200, "http")
    assert said_by("127.0.0.2", server, "/who/s", X_Forwarded_Proto="https")[0] == 409
    assert said_by("127.0.0.3", server, "/who/s", X_Forwarded_Proto="https") == (200, "http")
    assert said_by("127.0.0.2", server, "/who/p", X_Forwarded_Proto="https") == (200, "https")
    assert said_by("127.0.0.3", server, "/who/p", X_Forwarded_Proto="https")[0] == 409
    # a client that says of itself, through no proxy, that it comes through one
    told = {"X_Forwarded_For": "127.0.0.1", "X_Forwarded_Proto": "https"}
    assert said_by("127.0.0.3", server, "/who", **told) == (200, "http")
    # and one whose proxy is there: what it said before does not count
    told = {"X_Forwarded_For": "127.0.0.1, 203.0.113.7", "X_Forwarded_Proto": "https"}
    assert said_by("127.0.0.2", server, "/who?proxied", **told) == (200, "https")
    assert said_by("127.0.0.3", server, "/who?alone", **told) == (200, "http")
    log = folder / "access.log"
    wait_for(lambda: "?alone" in log.read_text() and "?proxied" in log.read_text(), "the log to have both")
    assert '203.0.113.7 "GET /who?proxied HTTP/1.1" 200' in log.read_text()
    assert '127.0.0.3 "GET /who?alone HTTP/1.1" 200' in log.read_text()


#: What a listener says of proxies, and what is told of it.
TRUSTING = {
    "nobody": ({"protocol": "X-Forwarded-Proto"}, "forwarded/source: it trusts nobody: write the addresses"),
    "all but one": (
        {"protocol": "X-P", "client_ip": "X-F", "source": ["10.0.0.0/8", "!10.0.0.1"]},
        "forwarded/source: !10.0.0.1 can't be said of a proxy: list the addresses of those that are trusted",
    ),
    "no header": ({"protocol": "X P", "source": "10.0.0.1"}, "forwarded/source: it has no names of headers"),
    "no address": ({"client_ip": "X-F", "source": "a.example"}, "a.example is no address or network"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUSTING)
def test_where_it_is_open_who_is_trusted_nobody_is(folder: Path, name: str) -> None:
    forwarded, why = TRUSTING[name]
    found = {**config(folder), "listeners": {"*:80": {"pass": "routes/main", "forwarded": forwarded}}}
    importer = import_unit.Importer(found)
    made = importer.text()
    assert any(note.startswith("listeners/*:80/") and why in note for note in importer.notes), importer.notes
    assert "HTTPS=on" not in made
    assert "RemoteIPHeader" not in made


def test_the_former_way_to_say_it_and_everybody(folder: Path) -> None:
    listener = {"pass": "routes/main", "client_ip": {"header": "X-F", "source": "*"}}
    importer = import_unit.Importer({**config(folder), "listeners": {"*:80": listener}})
    made = importer.text()
    assert "# Believed from these alone, as Unit does: X-F. Whoever else" in made
    assert "RemoteIPInternalProxy 0.0.0.0/0 ::/0" in made


def test_one_application_alone(folder: Path, tmp_path: Path) -> None:
    found = config(folder)
    made = import_unit.Importer({**found, "listeners": {"*:8000": {"pass": "applications/blog"}}}).text()
    assert "<If" not in made
    assert "<Location />" in made
    assert {"Listen 8000", "ThreadsPerChild 2", "ServerLimit 1", "LimitRequestBody 8388608"} <= set(made.splitlines())


NOTED = {
    "unix:/x": ({"pass": "routes/main"}, "sockets in the file system have no counterpart"),
    "*:1": ({"pass": "applications/none"}, "there is no applications/none"),
    "*:2": ({"pass": "routes/main", "tls": {"certificate": "bundle"}}, "put its PEM file at /etc/mpserver/bundle.pem"),
}


def test_a_step_that_refuses_and_can_not_be_taken_stays_closed(folder: Path, tmp_path: Path) -> None:
    made = config(folder)
    made["routes"]["main"].insert(0, {"match": {"uri": "/priv/*", "weird": "x"}, "action": {"return": 403}})
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"config": made}))
    with redirect_stdout(StringIO()) as printed:
        import_unit.main([str(file)])
    assert "RedirectMatch 503 ^" in printed.getvalue()


@pytest.mark.parametrize("address", NOTED)
def test_what_has_no_counterpart_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    listener, why = NOTED[address]
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"config": {**config(folder), "listeners": {address: listener}}}))
    assert import_unit.main([str(file)]) == 1
    assert any(line.startswith(f"mpserver import-unit: listeners/{address}") and why in line
               for line in capsys.readouterr().err.splitlines())  # fmt: skip


def test_other_applications_and_options(folder: Path) -> None:
    found = config(folder)
    found["applications"]["blog"].update(protocol="asgi", working_directory="/srv")
    importer = import_unit.Importer(found)
    made = importer.text()
    assert "applications/blog: ASGI is not spoken here: run it by uvicorn" in "\n".join(importer.notes)
    assert made.count("RedirectMatch 503 ^") > 1
    del found["applications"]["blog"]["protocol"]
    importer = import_unit.Importer(found)
    importer.text()
    assert "applications/blog/working_directory: applications run in /: give them absolute paths" in importer.notes


def test_conditions_that_can_not_be_said() -> None:
    for match in ({"uri_x": "a"}, {"cookies": {"a": "~x"}}, {"source": "10.0.0.1:80"}):
        with pytest.raises(Untaken):
            condition(match)


def test_what_is_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("nonsense", "[1]", '{"listeners": {"*:1": {}}}'):
        file = tmp_path / "config.json"
        file.write_text(text)
        assert import_unit.main([str(file)]) == 1
        out, error = capsys.readouterr()
        assert out == ""
        assert f"{file} is no configuration of NGINX Unit" in error
