"""What an application decides itself: who somebody is, and how its response is framed.

What is expected is what Apache httpd 2.4 with mod_python answers, but for framing that would leave the client with a
broken response, or the next one in the wrong place.
"""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.own_answers import CONF, FILES
from support.server import EACH_IN_BOTH, Server


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind and MPM."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


# ---- a user whom an earlier phase has found


@pytest.mark.parametrize(
    ("path", "cookie", "status"),
    [
        ("/any/page", "joe", 200),
        ("/any/page", "eve", 200),
        ("/any/page", "", 500),  # (nobody asks for a password there)
        ("/joe/page", "joe", 200),
        ("/joe/page", "eve", 403),
        ("/group/page", "joe/users staff", 200),
        ("/group/page", "joe/users", 403),
        ("/closed/page", "joe/staff", 403),
    ],
)
def test_a_user_of_an_earlier_phase_satisfies_require(server: Server, path: str, cookie: str, status: int) -> None:
    """Whoever is known is let in or refused, and no authentication runs."""
    reply = server.get(path, {"Cookie": cookie, "X-Write": "in"})
    assert reply.status == status
    assert reply.header("X-Ran") is None
    assert reply.header("WWW-Authenticate") is None


def test_nobody_is_authenticated(server: Server) -> None:
    reply = server.get("/joe/page", {"X-Write": "in"})
    assert (reply.status, reply.text) == (200, "in")
    assert [value for name, value in reply.headers if name == "X-Ran"] == ["authen", "authz"]


# ---- framing

HELLO = r"5\r\nhello\r\n"
END = r"0\r\n\r\n"


def answer(server: Server, out: str, write: str, *more: str, version: str = "1.1", method: str = "GET") -> bytes:
    """The rest of a response to a request that sets some headers and writes something; another request follows."""
    lines = [f"{method} /page HTTP/{version}", "Host: x", f"X-Out: {out}", f"X-Write: {write}", *more]
    last = ["GET /page HTTP/1.1", "Host: x", "Connection: close", "X-Write: next"]
    return server.raw("\r\n".join([*lines, "", *last, "", ""]).encode())


def parts(answer: bytes) -> tuple[list[str], bytes, bool]:
    """The framing headers of the first response, its body as it came, and whether the next one followed it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    framing = sorted(line for line in head.decode().split("\r\n") if line.startswith(("Content-L", "Transfer-")))
    body, next_head, rest = body.partition(b"HTTP/1.1 200 OK")
    return framing, body, bool(next_head) and b"next" in rest


CHUNKED = ["Transfer-Encoding: chunked"]
SENT = b"5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("out", "write", "framing", "body"),
    [
        ("Transfer-Encoding=chunked", f"{HELLO}|{END}", CHUNKED, SENT),
        ("!Transfer-Encoding=Chunked", f"{HELLO}|{END}", CHUNKED, SENT),
        ("Transfer-Encoding=chunked", f"{HELLO}{END}", CHUNKED, SENT),
        ("Transfer-Encoding=chunked", r"5\r|\nhel|lo\r\n0|\r\n\r\n", CHUNKED, SENT),
        ("Transfer-Encoding=chunked", f"FLUSH|{HELLO}|{END}", CHUNKED, SENT),
        ("Transfer-Encoding=chunked|Content-Length=15", f"{HELLO}{END}", CHUNKED, SENT),
        ("Transfer-Encoding=gzip, chunked", f"{HELLO}|{END}", ["Transfer-Encoding: gzip, chunked"], SENT),
        ("Transfer-Encoding=gzip", "hello", ["Transfer-Encoding: gzip, chunked"], SENT),
        ("Transfer-Encoding=identity", "hello", CHUNKED, SENT),
        # its trailers are part of it
        ("Transfer-Encoding=chunked", rf"{HELLO}0\r\nX-A: b\r\n\r\n", CHUNKED, SENT[:-2] + b"X-A: b\r\n\r\n"),
        # nothing follows the last chunk
        ("Transfer-Encoding=chunked", f"{HELLO}|{END}more|and more", CHUNKED, SENT),
        # a header that came along with a body that has no chunks: the server makes them
        ("Transfer-Encoding=chunked", "hello", CHUNKED, SENT),
        ("Transfer-Encoding=chunked", "FLUSH|hello", CHUNKED, SENT),
        ("Transfer-Encoding=chunked, gzip", "hello", CHUNKED, SENT),
        ("Transfer-Encoding=unheard-of", "hello", CHUNKED, SENT),
        ("Transfer-Encoding=chunked", "", CHUNKED, END.encode().decode("unicode_escape").encode()),
        ("Content-Length=3", "hello", ["Content-Length: 3"], b"hel"),
        ("!Content-Length=5", "hello", ["Content-Length: 5"], b"hello"),
        ("Content-Length=5|!Content-Length=5", "hello", ["Content-Length: 5"], b"hello"),
        ("Content-Length=5|Content-Length=5", "hello", ["Content-Length: 5"], b"hello"),
        ("Content-Length=5|Content-Length=7", "hello", CHUNKED, SENT),
        ("Content-Length=-5|!Content-Length=7", "hello", CHUNKED, SENT),
    ],
)
def test_framing_is_kept_or_made(server: Server, out: str, write: str, framing: list[str], body: bytes) -> None:
    """The client can read the response to its end, and the next one begins behind it."""
    assert parts(answer(server, out, write)) == (framing, body, True)


def test_framing_of_a_whole_response(server: Server) -> None:
    """Nothing was sent before its end."""
    found = answer(server, "Transfer-Encoding=chunked", f"{HELLO}|{END}", "X-Wait: 1")
    assert parts(found) == (CHUNKED, SENT, True)
    found = answer(server, "Transfer-Encoding=chunked", "hel|lo", "X-Wait: 1")
    assert parts(found) == (["Content-Length: 5"], b"hello", True)


def test_broken_chunks_end_the_connection(server: Server) -> None:
    """What is no chunk is not sent, and nothing that the client could take for the rest of it."""
    for write in (f"{HELLO}|oh", HELLO):
        assert parts(answer(server, "Transfer-Encoding=chunked", write)) == (CHUNKED, b"5\r\nhello\r\n", False)
    server.wait_for_log("the chunks that the response is made of are malformed")


def test_own_chunks_without_a_body(server: Server) -> None:
    """HEAD has the header, HTTP/1.0 the content alone; an error's page is framed by the server."""
    out = "Transfer-Encoding=chunked"
    assert parts(answer(server, out, f"{HELLO}{END}", method="HEAD")) == (CHUNKED, b"", True)
    assert parts(answer(server, out, f"{HELLO}|{END}", version="1.0")) == ([], b"hello", False)
    for table in ("", "!"):
        reply = server.get(
            "/page", {"X-Out": f"{table}{out}|{table}Content-Length=3", "X-Wait": "1", "X-Status": "410"}
        )
        assert reply.status == 410
        assert reply.text.rstrip().endswith("</html>")
