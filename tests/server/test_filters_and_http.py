"""Filters that fail, and filtered responses as HTTP: error pages, lengths, ranges, old clients."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.filtered import PAGE, STREAMS, conf, site
from support.server import BACKENDS, Server


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The site, in each kind of interpreter."""
    return start_module_server(conf(), site(), backend=request.param)


# ---- errors


def test_error_pages_have_no_filters(server: Server) -> None:
    """The server's own pages; an ErrorDocument has those of its own place."""
    assert "404 Not Found" in server.get("/upper/app.py/error").text
    assert "500 Internal" in server.get("/upper/app.py/raise").text
    assert "404 Not Found" in server.get("/upper/nothing.txt").text
    reply = server.get("/errors/app.py/error")
    assert (reply.status, reply.text) == (404, PAGE.upper())
    text = server.get("/upper/app.py/late").text
    assert text.startswith("BEFORE ")
    assert "<title>404 Not Found</title>" in text


def test_a_filter_that_fails(server: Server) -> None:
    """A 500 in place of the response, its traceback in the log; other requests go on."""
    for path in ("/fails/app.py", "/fails/app.py/flushed", "/fails/page.txt", "/fails_late/app.py"):
        reply = server.get(path)
        assert reply.status == 500
        assert "500 Internal Server Error" in reply.text
    log = server.wait_for_log("fails streams::fails: ValueError: asked to")
    assert "fails streams::fails: Traceback (most recent call last):" in log
    assert server.get("/upper/page.txt").text == PAGE.upper()


def test_a_filter_that_fails_after_output(server: Server) -> None:
    """The client sees that the response is not whole."""
    answer = server.raw(b"GET /fails_late/app.py/flushed HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"begun " in answer
    assert b"\r\n0\r\n" not in answer


def test_a_filter_that_fails_shows_its_page(server: Server) -> None:
    """With PythonDebug; what comes later passes."""
    reply = server.get("/debug/page.txt")
    assert (reply.status, reply.header("Content-Type")) == (500, "text/html")
    assert reply.text.startswith('\n<pre>\nMod_python error: "fails streams::fails"\n\nTraceback')
    assert "ValueError: asked to" in reply.text
    assert server.get("/debug/app.py/flushed").text.endswith("</pre>\nsecond")


def test_a_filter_that_does_not_end(start_server: StartServer) -> None:
    """PythonRequestTimeout counts for filters, too."""
    conf = """
        PythonPath "sys.path + ['${WWW}']"
        PythonOutputFilter streams::stuck STUCK
        AddOutputFilter STUCK .txt
        PythonRequestTimeout 2
    """
    files: dict[str, str | bytes] = {"streams.py": STREAMS, "page.txt": PAGE, "page.html": PAGE}
    server = start_server(conf, files, mode="foreground")
    assert server.get("/page.html").status == 200
    assert server.get("/page.txt").status == 500
    server.wait_for_log("the request was ended by PythonRequestTimeout (2 s): GET /page.txt")
    assert server.get("/page.html").text == PAGE


# ---- HTTP


def test_head(server: Server) -> None:
    """The length is that of the filtered body; there is none."""
    reply = server.request("HEAD", "/chain/page.txt")
    assert (reply.header("Content-Length"), reply.body) == (str(len(PAGE) + 6), b"")
    reply = server.request("HEAD", "/upper/app.py/flushed")
    assert (reply.header("Content-Length"), reply.body) == (None, b"")
    reply = server.request("HEAD", "/upper/big.txt")
    assert (reply.header("Content-Length"), reply.body) == (None, b"")


def test_no_body(server: Server) -> None:
    """204 and 304 stay without one."""
    reply = server.get("/star/app.py/nocontent")
    assert (reply.status, reply.body) == (204, b"")
    modified = server.get("/star/page.txt").header("Last-Modified")
    assert modified is not None
    reply = server.get("/star/page.txt", {"If-Modified-Since": modified})
    assert (reply.status, reply.body) == (304, b"")


def test_ranges_are_of_what_is_sent(server: Server) -> None:
    """A range of the filtered body, several, one beyond its end; a long one is sent whole."""
    for path in ("/star/page.txt", "/star/app.py"):
        whole = server.get(path).body
        reply = server.get(path, {"Range": "bytes=0-3"})
        assert (reply.status, reply.body) == (206, whole[:4])
        assert reply.header("Content-Range") == f"bytes 0-3/{len(whole)}"
        assert reply.header("Content-Length") == "4"
        reply = server.get(path, {"Range": "bytes=-2"})
        assert (reply.status, reply.body) == (206, whole[-2:])
        reply = server.get(path, {"Range": "bytes=0-0,2-2"})
        assert reply.status == 206
        assert (reply.header("Content-Type") or "").startswith("multipart/byteranges")
        reply = server.get(path, {"Range": "bytes=900-"})
        assert (reply.status, reply.header("Content-Range")) == (416, f"bytes */{len(whole)}")
        assert "416" in reply.text
    assert server.get("/upper/big.txt", {"Range": "bytes=0-3"}).status == 200
    tag = server.get("/star/page.txt").header("ETag")
    assert server.get("/star/page.txt", {"Range": "bytes=0-3", "If-Range": '"other"'}).status == 200
    assert tag is not None


def test_old_clients(server: Server) -> None:
    """HTTP/1.0 gets no chunks: the end of the connection is the end of the body."""
    answer = server.raw(b"GET /upper/app.py/flushed HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nFIRST SECOND")
    assert b"Transfer-Encoding" not in answer


def test_a_client_that_leaves(server: Server) -> None:
    """Its response is given up; the next ones are whole."""
    with server.dial() as sock:
        sock.sendall(b"GET /lines/big.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100)
    assert server.get("/upper/app.py").text == "FIRST SECOND"
