"""Static files on a real server: what is kept of them between requests is never older than the file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import Reply, Server

CONF = """
LogFormat "%r %>s %b %{ETag}o %O" facts
CustomLog logs/access.log facts
AddEncoding x-gzip .gz
AddLanguage fr .fr
<Directory "${WWW}/open">
    AllowOverride All
</Directory>
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
"""

APP = """
from mod_python import apache

def handler(req):
    req.content_type = "text/plain"
    req.write(f"{req.path_info} {req.finfo.size}")
    return apache.OK
"""

FILES: dict[str, str | bytes] = {
    "a.txt": "one", "b.fr.gz": b"packed", "open/in/c.txt": "one", "app/app.py": APP, "app/x": "12345",
    "big.bin": b"x" * 40000,
}  # fmt: skip

#: A file that changed within the last second is not kept; these are old.
OLD = int(time.time()) - 1000


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> Server:
    """A server that keeps what it can: the files' time stamps are old, and so are those of their inodes."""
    server = start_module_server(CONF, FILES)
    age(server)
    return server


def age(server: Server) -> None:
    """Wait until the change of every file was more than a second ago, by the file system's own stamps."""
    files = [path for path in server.www.rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, (OLD, OLD))
    newest = max(path.stat().st_ctime for path in files)
    while time.time() < newest + 1.1:
        time.sleep(0.05)


@pytest.fixture
def client(server: Server) -> Iterator[HTTPConnection]:
    """A connection that is kept, so that one interpreter answers all."""
    with server.connection() as connection:
        yield connection


def ask(client: HTTPConnection, path: str, method: str = "GET", **headers: str) -> Reply:
    """A request on the connection."""
    client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    return Reply(response.status, response.reason, response.getheaders(), response.read())


def seen(client: HTTPConnection, path: str, times: int = 3) -> Reply:
    """The same file some times: all answers are equal."""
    replies = [ask(client, path) for _ in range(times)]
    without_date = [[pair for pair in sorted(reply.headers) if pair[0] != "Date"] for reply in replies]
    assert all(reply.body == replies[0].body for reply in replies)
    assert all(headers == without_date[0] for headers in without_date)
    return replies[0]


def test_the_same_answer_again(client: HTTPConnection) -> None:
    reply = seen(client, "/a.txt")
    assert (reply.status, reply.body) == (200, b"one")
    assert reply.header("Content-Type") == "text/plain"
    assert reply.header("Content-Length") == "3"
    assert reply.header("Accept-Ranges") == "bytes"
    assert reply.header("ETag") == f'"3-{OLD * 10**6:x}"'
    assert reply.header("Last-Modified") == formatdate(OLD, usegmt=True)


def test_requests_that_want_something_else(client: HTTPConnection) -> None:
    reply = seen(client, "/a.txt")
    etag = reply.header("ETag") or ""
    assert ask(client, "/a.txt", If_None_Match=etag).status == 304
    assert ask(client, "/a.txt", Range="bytes=1-").body == b"ne"
    head = ask(client, "/a.txt", "HEAD")
    assert (head.body, head.header("Content-Length"), head.header("ETag")) == (b"", "3", etag)
    assert ask(client, "/a.txt", "OPTIONS").header("Allow")
    assert ask(client, "/a.txt", "DELETE").status == 405
    assert ask(client, "/a.txt/more").status == 404
    assert ask(client, "/a.txt", "POST").body == b"one"
    assert seen(client, "/a.txt").body == b"one"


LATER, EARLIER = formatdate(OLD + 10, usegmt=True), formatdate(OLD - 10, usegmt=True)
ETAG = {"/a.txt": f'"3-{OLD * 10**6:x}"', "/big.bin": f'"9c40-{OLD * 10**6:x}"'}


@pytest.mark.parametrize("path", ["/a.txt", "/big.bin"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": "W/{etag}"}, 304),
        ({"If-None-Match": '"x", W/"y" , {etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": "broken"}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": LATER}, 200),
        ({"If-None-Match": "{etag}", "If-Modified-Since": EARLIER}, 304),
        ({"If-Modified-Since": formatdate(OLD, usegmt=True)}, 304),
        ({"If-Modified-Since": LATER}, 304),
        ({"If-Modified-Since": EARLIER}, 200),
        ({"If-Modified-Since": "Sun, 06 Nov 2094 08:49:37 GMT"}, 200),
        ({"If-Modified-Since": "yesterday, or was it later?!?"}, 200),
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": "W/{etag}"}, 412),
        ({"If-Match": '"x"', "If-None-Match": "{etag}"}, 412),
        ({"If-Unmodified-Since": EARLIER}, 412),
        ({"If-Unmodified-Since": LATER, "If-None-Match": "{etag}"}, 304),
        ({"Range": "bytes=0-1", "If-None-Match": "{etag}"}, 304),
        ({"Range": "bytes=0-1", "If-None-Match": '"x"'}, 206),
        ({"Range": "bytes=0-1", "If-Range": "{etag}"}, 206),
        ({"Range": "bytes=0-1", "If-Range": '"x"'}, 200),
        ({"Range": "bytes=90000-"}, 416),
        ({"Range": "nonsense"}, 200),
    ],
)
def test_conditions_of_a_file_that_is_kept(
    client: HTTPConnection, path: str, headers: dict[str, str], status: int
) -> None:
    """They decide as for one that isn't, whatever is kept of it by then."""
    etag = ETAG[path]
    wanted = {name.replace("-", "_"): text.format(etag=etag) for name, text in headers.items()}
    for _ in range(2):
        reply = ask(client, path, **wanted)
        assert reply.status == status
        assert status >= 400 or reply.header("ETag") == etag
        if status == 304:
            names = {name for name, _value in reply.headers}
            assert names == {"Date", "Server", "Last-Modified", "ETag", "Accept-Ranges"}
            assert reply.body == b""
        elif status == 200:
            assert len(reply.body) == int(reply.header("Content-Length") or 0)
            assert reply.header("Content-Type") is not None or path == "/big.bin"
        assert ask(client, path).status == 200


def test_the_access_log_knows_what_was_not_modified(server: Server, client: HTTPConnection) -> None:
    etag = ETAG["/a.txt"]
    for _ in range(3):
        assert ask(client, "/a.txt?unmodified", If_None_Match=etag).status == 304
    line = "GET /a.txt?unmodified HTTP/1.1 304 - {} ".format(etag.replace('"', '\\"'))
    server.wait_for_log(line, "access.log")
    lines = {text for text in server.log("access.log").splitlines() if "?unmodified" in text}
    assert len(lines) == 1, lines
    assert int(lines.pop().removeprefix(line)) > 100


def test_a_file_that_clients_have_is_kept_for_those_that_have_it_not(server: Server, client: HTTPConnection) -> None:
    server.write("had.txt", "had")
    age(server)
    for _ in range(2):
        assert ask(client, "/had.txt", If_None_Match="*").status == 304
    assert seen(client, "/had.txt").body == b"had"
    assert ask(client, "/had.txt", If_None_Match="*").status == 304


def test_a_connection_that_ends(server: Server, client: HTTPConnection) -> None:
    seen(client, "/a.txt")
    reply = server.raw(b"GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert reply.endswith(b"\r\n\r\none")
    assert b"Connection: close\r\n" in reply
    assert server.raw(b"GET /a.txt HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\none")


def change(path: Path, content: bytes) -> None:
    """Write a file in place, with its old modification time: only the inode's change tells."""
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))


def test_a_change_of_the_same_size_and_time(server: Server, client: HTTPConnection) -> None:
    path = server.write("changing.txt", "one")
    age(server)
    assert seen(client, "/changing.txt").body == b"one"
    change(path, b"two")
    assert seen(client, "/changing.txt").body == b"two"


def test_a_file_that_goes_and_comes_back(server: Server, client: HTTPConnection) -> None:
    path = server.write("going.txt", "here")
    age(server)
    assert seen(client, "/going.txt").body == b"here"
    path.unlink()
    assert ask(client, "/going.txt").status == 404
    path.mkdir()
    assert ask(client, "/going.txt").status == 301
    path.rmdir()
    path.write_text("again")
    assert seen(client, "/going.txt").body == b"again"


def test_changes_of_htaccess(server: Server, client: HTTPConnection) -> None:
    assert seen(client, "/open/in/c.txt").header("Content-Type") == "text/plain"
    outer = server.write("open/.htaccess", "ForceType text/x-outer\n")
    assert seen(client, "/open/in/c.txt").header("Content-Type") == "text/x-outer"
    inner = server.write("open/in/.htaccess", "ForceType text/x-inner\n")
    assert seen(client, "/open/in/c.txt").header("Content-Type") == "text/x-inner"
    inner.write_text("ForceType text/x-other\n")
    assert seen(client, "/open/in/c.txt").header("Content-Type") == "text/x-other"
    inner.write_text("Nonsense\n")
    assert ask(client, "/open/in/c.txt").status == 500
    inner.unlink()
    outer.unlink()
    assert seen(client, "/open/in/c.txt").header("Content-Type") == "text/plain"


def test_codings_and_languages_are_told(client: HTTPConnection) -> None:
    reply = seen(client, "/b.fr.gz")
    assert (reply.header("Content-Encoding"), reply.header("Content-Language")) == ("x-gzip", "fr")
    assert reply.body == b"packed"


def test_what_follows_a_file(server: Server, client: HTTPConnection) -> None:
    assert seen(client, "/app/x/more/and").body == b"/more/and 5"
    server.write("app/x", "123456789")
    assert seen(client, "/app/x/more/and").body == b"/more/and 9"


def test_files_that_are_too_long_to_keep(client: HTTPConnection) -> None:
    assert seen(client, "/big.bin").body == b"x" * 40000


def test_the_access_log_knows_all(server: Server, client: HTTPConnection) -> None:
    etag = seen(client, "/a.txt?logged").header("ETag")
    line = "GET /a.txt?logged HTTP/1.1 200 3 {} ".format((etag or "").replace('"', '\\"'))
    server.wait_for_log(line, "access.log")
    lines = {text for text in server.log("access.log").splitlines() if "?logged" in text}
    assert len(lines) == 1, lines
    assert int(lines.pop().removeprefix(line)) > 200


def test_more_files_than_are_kept(server: Server, client: HTTPConnection) -> None:
    body = os.urandom(30000)
    for number in range(80):
        server.write(f"many/{number}.bin", body + bytes([number]))
    age(server)
    for _ in range(2):
        for number in range(80):
            assert ask(client, f"/many/{number}.bin").body == body + bytes([number])
