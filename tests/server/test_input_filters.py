"""Input filters through a socket: what a handler reads of a body (manual 4.3, 4.5.5, 5.2)."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.filtered import PAGE, conf, site
from support.server import BACKENDS, Server

BODY = b"a line\nand=another"


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The site, in each kind of interpreter."""
    return start_module_server(conf(), site(), backend=request.param)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("star.py", b"*a line\nand=another*"),
        ("two.py", b"*-a line\nand=another-*"),
        ("bracket.py", b"[a line\nand=another]"),
        ("whole.py", BODY[::-1]),
        ("numbered.py", b"# a line\n# and=another"),
        ("numbered.py/parts", b"[b'# a ', b'line\\n', b'# ', [b'and=another']]"),
        ("swallow.py", b""),
        ("nothing.py", b""),
        ("passed.py", BODY),
        ("disabled.py", BODY),
        ("none.py", BODY),
        ("none.py/dynamic", b"# a line\n# and=another"),
        ("none.py/added", b"a l|*ine\nand=another*"),
        ("star.py/redirect", BODY),
        ("star.py/unread", b"unread"),
    ],
)
def test_input_filters(server: Server, path: str, body: bytes) -> None:
    """What the handler reads; chains, readline, bodies with a length and chunked ones, and keep-alive after them."""
    assert server.request("POST", f"/in/{path}", BODY).body == body
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:])) + b"0\r\n\r\n"
    head = f"POST /in/{path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    last = b"GET /plain/page.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = server.raw(head + chunks + last)
    assert body in answer
    assert answer.endswith(b"\r\n\r\n" + PAGE.encode())


def test_input_filters_by_extension(server: Server) -> None:
    """AddInputFilter; a form is read through it; a request without a body has nothing to filter."""
    server.write("ext/body.py", "")
    assert server.request("POST", "/ext/body.py/echo", BODY).body == b"*-" + BODY + b"-*"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.request("POST", "/in/star.py/form", b"=1&b=2&", form).text == "['*', 'b']"
    assert server.get("/in/star.py").body == b""


def test_long_bodies_pass_bit_by_bit(server: Server) -> None:
    """A filter that reads as long as there is something sees a long body in several calls."""
    body = b"0123456789abcdef" * (1 << 15)
    reply = server.request("POST", "/in/star.py", body)
    assert reply.body.replace(b"*", b"") == body
    assert reply.body.count(b"*") > 4
    assert server.request("POST", "/in/whole.py", body).body == body[::-1]


def test_a_failing_input_filter(server: Server) -> None:
    """What the handler reads is an error, not half a body."""
    reply = server.request("POST", "/in/fails.py", BODY)
    assert reply.status == 500
    server.wait_for_log("infails streams::fails: ValueError: asked to")
