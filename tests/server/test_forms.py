"""Forms of all sizes on a real server: many fields, big uploads in bounded memory, limits (manual 4.6)."""

from __future__ import annotations

import os
import socket
import zlib

import psutil
import pytest

from conftest import StartServer
from support.server import BACKENDS, Server, receive_all
from support.waiting import wait_for

APP = """
import os, zlib
from mod_python import util

def handler(req):
    form = util.FieldStorage(req)
    said = ["%d" % os.getpid(), "%d" % len(form.list)]
    for field in form.list:
        if field.filename is not None:
            crc = size = 0
            while piece := field.file.read(1 << 20):
                crc, size = zlib.crc32(piece, crc), size + len(piece)
            said.append("%s %s %s %d %d" % (field.name, field.filename, field.headers.get("X-Note"), size, crc))
    if "last" in form:
        said.append(form["last"])
    req.content_type = "text/plain"
    req.write("|".join(said), 0)
    return 0
"""

CONF = """
LimitRequestBody 0
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/strict">
    LimitRequestBody 1000
    SetHandler mod_python
    PythonHandler app
    PythonPath "sys.path + ['${WWW}/app']"
</Directory>
<Directory "${WWW}/few">
    SetHandler mod_python
    PythonHandler app
    PythonPath "sys.path + ['${WWW}/app']"
    PythonOption mod_python.util.max_fields 10
    PythonOption mod_python.util.max_text 1000
    PythonOption mod_python.util.max_files 3
</Directory>
"""

FILES: dict[str, str | bytes] = {"app/app.py": APP, "strict/x": "", "few/x": ""}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=XX"}
MEGABYTE = 1 << 20
#: How much memory a form may take that is far bigger than that.
BOUND = 24 * MEGABYTE


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The form's handler in one kind of interpreter."""
    return start_module_server(CONF, FILES, backend=str(request.param), mode="foreground")


def part(name: str, value: bytes, more: str = "") -> bytes:
    """A part of a multipart form, from its boundary on."""
    return f'--XX\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def many(number: int) -> bytes:
    """A multipart form of so many text fields."""
    return b"".join(part(f"f{count}", b"x") for count in range(number)) + b"--XX--\r\n"


def test_ten_thousand_fields(server: Server) -> None:
    pairs = "&".join(f"f{number}=x" for number in range(9_999)) + "&last=Zo%C3%AB"
    assert server.request("POST", "/app/", pairs, FORM).text.split("|")[1:] == ["10000", "Zoë"]
    body = many(9_999).removesuffix(b"--XX--\r\n") + part("last", "Zoë".encode()) + b"--XX--\r\n"
    assert server.request("POST", "/app/", body, MULTIPART).text.split("|")[1:] == ["10000", "Zoë"]
    assert server.request("POST", "/app/", pairs + "&more=1", FORM).status == 413
    assert server.request("POST", "/app/", many(10_001), MULTIPART).status == 413


def test_a_big_upload_takes_little_memory(server: Server) -> None:
    piece = os.urandom(MEGABYTE)
    number = 256
    head = part("file", b"", '; filename="big.bin"\r\nX-Note: one\r\n  and two').removesuffix(b"\r\n")
    tail = b"\r\n" + part("last", b"end") + b"--XX--\r\n"
    process = psutil.Process(int(server.request("POST", "/app/", b"", FORM).text.partition("|")[0]))
    before = most = process.memory_info().rss
    with server.dial() as sock:
        length = len(head) + number * len(piece) + len(tail)
        sock.sendall(
            b"POST /app/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n"
            b"Content-Type: multipart/form-data; boundary=XX\r\n\r\n" % length + head
        )
        crc = 0
        for count in range(number):
            sock.sendall(piece)
            crc = zlib.crc32(piece, crc)
            if count % 16 == 0:
                most = max(most, process.memory_info().rss)
        sock.sendall(tail)
        answer = receive_all(sock).partition(b"\r\n\r\n")[2].decode()
    assert answer.split("|")[1:] == ["2", f"file big.bin one  and two {number * MEGABYTE} {crc}", "end"]
    assert most - before < BOUND, f"{(most - before) / MEGABYTE:.0f} MiB more while {number} MiB came"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("few", b"&".join([b"a=1"] * 11), FORM, 413),
        ("few", b"a=" + b"x" * 1000, FORM, 413),
        ("few", many(11), MULTIPART, 413),
        ("few", part("a", b"x" * 1001) + b"--XX--\r\n", MULTIPART, 413),
        ("few", b"".join(part("a", b"", '; filename="x"') for _ in range(4)) + b"--XX--\r\n", MULTIPART, 413),
        ("few", b"".join(part("a", b"", '; filename="x"') for _ in range(3)) + b"--XX--\r\n", MULTIPART, 200),
        ("strict", b"a=" + b"x" * 1000, FORM, 413),
        ("strict", part("a", b"x" * 1000, '; filename="x"') + b"--XX--\r\n", MULTIPART, 413),
        ("app", part("a", b"x"), MULTIPART, 200),
        ("app", b"no boundary in here", MULTIPART, 200),
        ("app", part("a", b"x") + b"--XX--\r\n", {"Content-Type": "multipart/form-data"}, 400),
        ("app", b"--XX\r\nno header\r\n\r\nx\r\n--XX--\r\n", MULTIPART, 400),
        ("app", b"x", {"Content-Type": "text/plain"}, 501),
    ],
)
def test_limits_and_broken_forms(server: Server, path: str, body: bytes, headers: dict[str, str], status: int) -> None:
    assert server.request("POST", f"/{path}/", body, headers).status == status
    assert server.request("POST", "/app/", "a=1", FORM).status == 200


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("undefined", "text"),
        ("idna", "Zoë".encode("idna").decode()),
        ("punycode", "x-" + "a" * 20_000),
        ("raw_unicode_escape", "\\u0041"),
        ("unicode_escape", "\\n"),
        ("hex", "41"),
        ("no/such", "Zoë"),
        ("a\0b", "Zoë"),
    ],
)
def test_words_of_clients_that_are_no_charsets(server: Server, charset: str, text: str) -> None:
    """What Python's codecs know beside charsets fails in ways of its own, or takes as long as a client likes."""
    head = b'--XX\r\nContent-Disposition: form-data; name="last"\r\nContent-Type: text/plain; charset=%b\r\n\r\n'
    field = head % charset.encode() + text.encode() + b"\r\n--XX--\r\n"
    for body in (field, part("_charset_", charset.encode()) + part("last", text.encode()) + b"--XX--\r\n"):
        reply = server.request("POST", "/app/", body, MULTIPART)
        assert (reply.status, reply.text.rpartition("|")[2]) == (200, text)


@pytest.mark.parametrize("length", ["3", "4", "0", "003", "-1"])
def test_a_parts_own_length_is_not_looked_at(server: Server, length: str) -> None:
    field = part("last", b"abc").replace(b"\r\n\r\n", f"\r\nContent-Length: {length}\r\n\r\n".encode(), 1)
    reply = server.request("POST", "/app/", field + b"--XX--\r\n", MULTIPART)
    assert (reply.status, reply.text.rpartition("|")[2]) == (200, "abc")


def test_chunked_forms_have_limits_too(server: Server) -> None:
    head = (
        b"POST /%b/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    small = b"3\r\na=1\r\n0\r\n\r\n"
    assert server.raw(head % b"strict" + small).startswith(b"HTTP/1.1 200 ")
    big = b"%x\r\na=%b\r\n0\r\n\r\n" % (70_002, b"x" * 70_000)
    assert server.raw(head % b"strict" + big).startswith(b"HTTP/1.1 413 ")


def test_an_upload_that_breaks_off_leaves_nothing(server: Server) -> None:
    process = psutil.Process(int(server.request("POST", "/app/", b"", FORM).text.partition("|")[0]))
    before = process.num_fds()
    body = part("file", b"x" * 100_000, '; filename="big.bin"')
    for _ in range(3):
        with server.dial() as sock:
            sock.sendall(
                b"POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
                b"Content-Type: multipart/form-data; boundary=XX\r\n\r\n" + body
            )
            sock.shutdown(socket.SHUT_WR)
            receive_all(sock)
    assert server.request("POST", "/app/", "a=1", FORM).status == 200
    # (who has the last answer may see it before the server has closed its end)
    wait_for(lambda: process.num_fds() <= before + 1, "the connections to be closed")
