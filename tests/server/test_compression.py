"""Compression around applications, in every kind of interpreter: what comes out is what was written."""

from __future__ import annotations

import gzip
import random
import zlib
from importlib import import_module
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest

from conftest import StartServer
from mpserver.modules import zstd
from support.server import EACH_AND_THREADS, Server

CONF = """
PythonPath "['${WWW}'] + sys.path"
SetHandler mod_python
PythonHandler app
AddOutputFilterByType ZSTD_COMPRESS;BROTLI_COMPRESS;DEFLATE text/plain
<Location /inflated>
    SetInputFilter DEFLATE
    DeflateInflateLimitRequestBody 4000000
</Location>
<Location /bomb>
    SetInputFilter DEFLATE
</Location>
<Location /files>
    SetHandler None
</Location>
"""

APP = """
from mod_python import apache

def handler(req):
    if req.uri.startswith("/files"):
        return apache.DECLINED
    if req.method == "POST":
        before = req.headers_in.get("Content-Encoding")
        try:
            data = req.read()
        except IOError as error:
            req.content_type = "text/x-error"
            req.write(f"{error}")
            return apache.OK
        req.content_type = "text/x-told"
        req.write(f"{len(data)} {data[:8].decode('latin-1')} {before} {req.headers_in.get('Content-Encoding')}")
        return apache.OK
    req.content_type = "text/plain"
    if req.args == "empty":
        return apache.OK
    if req.args == "set":
        req.headers_out["Content-Length"] = "600000"
        req.headers_out["ETag"] = 'W/"app"'
    for number in range(100):
        req.write(f"line {number} " + "x" * 5990 + "\\n", 0)
        if req.args == "flush":
            req.flush()
    return apache.OK
"""

TEXT = "".join(f"line {number} " + "x" * 5990 + "\n" for number in range(100)).encode()
FILE = b"0123456789abcdef\n" * 200_000

#: More than may be inflated, and no more than is usual for what it is sent as.
LONG = gzip.compress(random.Random(1).randbytes(2_500_000).hex().encode(), 1)


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    return start_module_server(CONF, {"app.py": APP, "files/large.txt": FILE}, backend=backend, mpm=mpm)


def unzstd(data: bytes) -> bytes:
    """Zstandard."""
    library: Any = import_module(zstd.LIBRARY)
    found: bytes = library.decompress(data)
    return found


DECODE = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": unzstd}


@pytest.mark.parametrize("coding", list(DECODE))
@pytest.mark.parametrize("query", ["", "?flush", "?set"])
def test_what_was_written_comes_out(server: Server, coding: str, query: str) -> None:
    reply = server.get(f"/app{query}", {"Accept-Encoding": coding})
    assert (reply.status, reply.header("Content-Encoding"), reply.header("Vary")) == (200, coding, "Accept-Encoding")
    assert reply.header("ETag") == (f'W/"app-{coding}"' if query == "?set" else None)
    assert DECODE[coding](reply.body) == TEXT


def test_a_flush_can_be_read_at_once(server: Server) -> None:
    reply = server.get("/app?flush", {"Accept-Encoding": "gzip"})
    inflate = zlib.decompressobj(31)
    assert inflate.decompress(reply.body[: len(reply.body) // 2]).startswith(b"line 0 xxx")


@pytest.mark.parametrize("coding", list(DECODE))
def test_a_large_file(server: Server, coding: str) -> None:
    reply = server.get("/files/large.txt", {"Accept-Encoding": coding})
    assert reply.header("Content-Encoding") == coding
    assert DECODE[coding](reply.body) == FILE


def test_conditions_are_about_the_tag_before_compression(server: Server) -> None:
    """As in httpd: its own tag gives a client no 304, the plain one does."""
    tag = server.get("/files/large.txt", {"Accept-Encoding": "gzip"}).header("ETag") or ""
    assert tag.endswith('-gzip"')
    for known, status in ((tag, 200), (tag.replace("-gzip", ""), 304)):
        reply = server.get("/files/large.txt", {"Accept-Encoding": "gzip", "If-None-Match": known})
        assert reply.status == status


def test_nothing_is_not_compressed(server: Server) -> None:
    reply = server.get("/app?empty", {"Accept-Encoding": "gzip"})
    assert (reply.body, reply.header("Content-Encoding"), reply.header("Vary")) == (b"", None, None)


def test_head_tells_what_get_would(server: Server) -> None:
    told = [server.request(method, "/app", headers={"Accept-Encoding": "gzip"}) for method in ("HEAD", "GET")]
    for name in ("Content-Length", "Content-Encoding", "Vary"):
        assert told[0].header(name) == told[1].header(name)
    assert told[0].body == b""


@pytest.mark.parametrize(
    ("encoding", "sent", "told"),
    [
        ("gzip", gzip.compress(TEXT), f"{len(TEXT)} line 0 x gzip None"),
        ("x-gzip", gzip.compress(TEXT), f"{len(TEXT)} line 0 x x-gzip None"),
        ("foo, gzip", gzip.compress(TEXT), f"{len(TEXT)} line 0 x foo, gzip foo"),
        ("br", b"as it is", "8 as it is br br"),
        (None, b"as it is", "8 as it is None None"),
        ("gzip", gzip.compress(TEXT)[:-20], "the body can't be inflated: it ends too early"),
        ("gzip", b"no gzip at all", "the body can't be inflated: Error -3 while decompressing data"),
        (
            "gzip",
            LONG,
            "the body can't be inflated: it is more than 4000000 bytes",
        ),
        ("gzip", b"", "the body can't be inflated: it ends too early"),
    ],
)
def test_bodies(server: Server, encoding: str | None, sent: bytes, told: str) -> None:
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    reply = server.request("POST", "/inflated", sent, headers)
    if sent:
        assert reply.text.startswith(told)


def test_a_bomb_is_refused_by_its_ratio(server: Server) -> None:
    bomb = gzip.compress(bytes(60_000_000))
    reply = server.request("POST", "/bomb", bomb, {"Content-Encoding": "gzip"})
    assert "more than 200 times what came" in reply.text
