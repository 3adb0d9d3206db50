"""Output filters through a socket: chains, what a filter is given and may do (manual 4.3, 4.5.5, 5.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import untold
from support.filtered import PAGE, conf, site
from support.server import BACKENDS, Server


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The site, in each kind of interpreter."""
    return start_module_server(conf(), site(), backend=request.param)


# ---- the manual's example, on all that answers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/upper/app.py", "FIRST SECOND"),
        ("/upper/page.txt", PAGE.upper()),
        ("/upper/", "THE INDEX\n"),
        ("/published/page/hello?name=zoe", "<HTML>HELLO ZOE</HTML>"),
        ("/upper/app.py/length", "FIRST SECOND"),
        ("/upper/app.py/redirect", PAGE),
    ],
)
def test_a_filter_changes_what_is_sent(server: Server, path: str, body: str) -> None:
    """Handlers, files, index files, the publisher; a complete body has its length."""
    reply = server.get(path)
    assert (reply.status, reply.text, reply.header("Content-Length")) == (200, body, str(len(body)))


def test_a_filter_and_wsgi(server: Server) -> None:
    """The application's length is that of its own body."""
    reply = server.get("/wsgi/x")
    assert (reply.status, reply.text) == (202, "ABC")


def test_flushes_go_through_at_once(server: Server) -> None:
    """Each flush is a call; the end is one of its own."""
    assert server.get("/calls/app.py/flushed").text == "b'first ';b'';b'second';b'';None;"
    assert server.get("/calls/app.py").text == "b'first second';None;"
    reply = server.get("/calls/page.txt")
    assert (reply.text, reply.header("Content-Length")) == (f"{PAGE.encode()!r};None;", "26")
    assert server.get("/upper/app.py/flushed").header("Transfer-Encoding") == "chunked"


def test_lines(server: Server) -> None:
    """readline gives lines with their ends, files' too."""
    assert server.get("/lines/page.txt").text == "> one\n> two\n> three\n"
    assert server.get("/lines/app.py/flushed").text == "> first > second"
    body = server.get("/lines/big.txt").body
    assert body == b"> 0123456789abcde\n" * (1 << 17)


def test_a_long_file_comes_in_pieces(server: Server) -> None:
    """What a filter wrote is sent in chunks; a file that was passed on has its length."""
    for folder in ("upper", "passed"):
        reply = server.get(f"/{folder}/big.txt")
        assert reply.header("Content-Length") == (None if folder == "upper" else str(1 << 21))
        assert len(reply.body) == 1 << 21
        assert reply.body[:16] == (b"0123456789ABCDE\n" if folder == "upper" else b"0123456789abcde\n")


def test_members(server: Server) -> None:
    """name, handler, dir, is_input, closed, softspace, req; what is closed stays closed."""
    text = server.get("/members/page.txt").text
    assert text == "('members', 'streams::members', None, 0, 0, 0)|/members/page.txt|True|None"
    text = server.get("/plain/app.py/dynamic").text
    assert text == "('mod_python', 'streams::members', '/tmp/', 0, 0, 0)|/plain/app.py/dynamic|True|None"


def test_what_a_filter_may_write(server: Server) -> None:
    """str as UTF-8 and bytes, nothing else; no attributes but its own."""
    reply = server.get("/types/page.txt")
    assert reply.text == "\xe4 int,NoneType,bytearray,memoryview,refused,refused 4"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/passed/app.py/flushed", "first second"),
        ("/passed/page.txt", PAGE),
        ("/disabled/app.py/flushed", "first second"),
        ("/early/app.py", "enough"),
        ("/early/app.py/flushed", "enough"),
        ("/never/app.py/flushed", "first second"),
        ("/never/page.txt", PAGE),
        ("/talks/page.txt", PAGE.upper()),
    ],
)
def test_passing_on_and_closing(server: Server, path: str, body: str) -> None:
    """pass_on, disable, a filter that closes early or never: the response is complete, and nothing follows it."""
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"
    last = "GET /plain/page.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = server.raw((head + last).encode())
    first, _, second = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert second.endswith(b"\r\n\r\n" + PAGE.encode())
    assert server.get(path).text == body


def test_a_filter_may_change_the_head(server: Server) -> None:
    """Before anything was sent."""
    reply = server.get("/head/page.txt")
    assert (reply.header("X-Filter"), reply.header("Content-Type")) == ("head", "text/x-filtered")
    reply = server.get("/status/app.py")
    assert (reply.status, reply.text) == (404, "first second")


# ---- chains


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chain/app.py", "{-*first second*-}"),
        ("/chain/page.txt", "{-*" + PAGE.upper() + "*-}"),
        ("/chain/page.html", "-*<p>text</p>\n*-"),
        ("/ext/page.txt", "*" + PAGE.upper() + "*"),
        ("/ext/page.html", "-<p>text</p>\n-"),
        ("/ext/page.gone", "gone\n"),
        ("/bytype/page.html", "-*<P>TEXT</P>\n*-".replace("-*", "-*")),
        ("/bytype/page.txt", "-" + PAGE.upper() + "-"),
        ("/ht/page.txt", "*" + PAGE + "*"),
        ("/odd/page.txt", "kind:{" + PAGE + "}"),
        ("/plain/app.py/added", "one -*two*-"),
        ("/plain/app.py/unknown", "as it was"),
        ("/plain/app.py/builtin", "counted"),
        ("/plain/app.py/types", "TypeError TypeError TypeError TypeError"),
        ("/plain/page.txt", PAGE),
    ],
)
def test_chains(server: Server, path: str, body: str) -> None:
    """Extensions, Set..., by type, what the request adds: in this order; names in any case; lists with semicolons."""
    assert server.get(path).text == body


def test_unknown_filters_are_told(server: Server) -> None:
    """An unknown one is left out, with a line in the log; one that other places have makes an error."""
    server.get("/odd/page.txt")
    server.wait_for_log("AH00082: an unknown filter was not added: nobody")
    assert server.get("/apart/page.txt").status == 500
    server.wait_for_log("python_filter: Could not find registered filter.")


def test_interpreters_of_filters(server: Server) -> None:
    """A file's filter runs where its plan says."""
    assert server.get("/perdir/page.txt").text.endswith("|/perdir/page.txt|True|None")


# ---- configuration


def test_faulty_directives(tmp_path: Path) -> None:
    """Named by -t."""
    faults = {
        "PythonOutputFilter a:b:c NAME": '"a:b:c" is no filter: write module or module::object',
        "SetOutputFilter ONE;;TWO": "has an empty name: write FILTER or FILTER;ANOTHER",
        "AddOutputFilter ONE": "AddOutputFilter requires at least two arguments",
        "AddOutputFilterByType ONE": "AddOutputFilterByType requires at least two arguments",
        "PythonInputFilter": "PythonInputFilter takes 1-2 arguments",
    }
    assert untold(tmp_path, faults) == []
