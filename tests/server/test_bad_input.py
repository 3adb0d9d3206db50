"""Bad requests and bad handlers: each gets its status and its line in the log, and disturbs nobody."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server, receive_all
from support.waiting import quickest, wait_for

#: The handlers by their path; `raises` comes a second time with PythonDebug.
HANDLERS = {
    "hello": "app",
    "echo": "app::echo",
    "raises": "app::raises",
    "debug": "app::raises",
    "none": "app::returns_none",
    "text": "app::returns_text",
    "bool": "app::returns_true",
    "number": "app::returns_number",
    "missing": "app::nowhere",
    "nomodule": "no_such_module",
    "syntax": "syntax",
    "exit": "app::exits",
    "interrupt": "app::interrupts",
    "unprintable": "app::unprintable",
    "forbidden": "app::forbidden",
    "split": "app::splits",
    "late": "app::late",
    "slow": "app::slow",
}

CONF = "LimitRequestBody 100000\n" + "".join(
    f"""
<Location /{path}>
    SetHandler mod_python
    PythonPath "sys.path+['${{WWW}}']"
    PythonHandler {handler}
    PythonDebug {"On" if path == "debug" else "Off"}
</Location>
"""
    for path, handler in HANDLERS.items()
)

APP = """
import sys
import time
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    req.write("Hello World!", 0)
    return apache.OK


def echo(req):
    req.content_type = "text/plain"
    req.write(req.read(), 0)
    return apache.OK


def raises(req):
    raise RuntimeError("<b>bold</b>")


def returns_none(req):
    pass


def returns_text(req):
    return "200"


def returns_true(req):
    return True


def returns_number(req):
    return 12345


def exits(req):
    sys.exit(3)


def forbidden(req):
    raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)


def splits(req):
    req.headers_out["X-Split"] = "a\\r\\nX-Injected: yes"
    req.write("body", 0)
    return apache.OK


def late(req):
    req.write("begun")
    raise RuntimeError("late")


def interrupts(req):
    raise KeyboardInterrupt


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


def unprintable(req):
    raise Unprintable()


def slow(req):
    for _ in range(1000):
        req.write("x" * 100000)
        time.sleep(0.001)
    return apache.OK
"""

FILES = {
    "app.py": APP,
    "syntax.py": "def handler(req:\n",
    "page.html": "<p>page</p>",
}

HEADS = "Host: localhost\r\nConnection: close\r\n"
POST = f"POST /echo HTTP/1.1\r\n{HEADS}"
CHUNKED = f"{POST}Transfer-Encoding: chunked\r\n\r\n"

NUMEROUS = "X: a\r\n" * 101

#: What is sent, by a name; the status of httpd 2.4, or the stricter one of RFC 9112.
REQUESTS: dict[str, tuple[str, int]] = {
    "two-spaces": (f"GET  /hello HTTP/1.1\r\n{HEADS}\r\n", 400),
    "a-fourth-word": (f"GET /hello HTTP/1.1 x\r\n{HEADS}\r\n", 400),
    "tls": ("\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    "no-slash": (f"GET hello HTTP/1.1\r\n{HEADS}\r\n", 400),
    "fragment": (f"GET /hello#x HTTP/1.1\r\n{HEADS}\r\n", 400),
    "other-protocol": (f"GET /hello HTTQ/1.1\r\n{HEADS}\r\n", 400),
    "lower-case-protocol": (f"GET /hello http/1.1\r\n{HEADS}\r\n", 400),
    "half-a-version": (f"GET /hello HTTP/1\r\n{HEADS}\r\n", 400),
    "bare-lf": ("GET /hello HTTP/1.1\nHost: localhost\n\n", 400),
    "bare-cr": (f"GET /hello HTTP/1.1\r\n{HEADS}X: a\rb\r\n\r\n", 400),
    "nul": (f"GET /hello HTTP/1.1\r\n{HEADS}X: a\x00b\r\n\r\n", 400),
    "space-before-colon": (f"GET /hello HTTP/1.1\r\n{HEADS}X : a\r\n\r\n", 400),
    "folded": (f"GET /hello HTTP/1.1\r\n{HEADS}X: a\r\n b\r\n\r\n", 400),
    "no-colon": (f"GET /hello HTTP/1.1\r\n{HEADS}nothing\r\n\r\n", 400),
    "no-name": (f"GET /hello HTTP/1.1\r\n{HEADS}: a\r\n\r\n", 400),
    "no-host": ("GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    "two-hosts": (f"GET /hello HTTP/1.1\r\n{HEADS}Host: other\r\n\r\n", 400),
    "bad-host": ("GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "long-line": (f"GET /{'a' * 9000} HTTP/1.1\r\n{HEADS}\r\n", 414),
    "long-field": (f"GET /hello HTTP/1.1\r\n{HEADS}X: {'a' * 9000}\r\n\r\n", 400),
    "many-fields": (f"GET /hello HTTP/1.1\r\n{HEADS}{NUMEROUS}\r\n", 400),
    "two-lengths": (f"{POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "negative-length": (f"{POST}Content-Length: -1\r\n\r\n", 400),
    "length-and-letters": (f"{POST}Content-Length: 3x\r\n\r\nabc", 400),
    "length-and-chunks": (f"{POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "unknown-coding": (f"{POST}Transfer-Encoding: gzip\r\n\r\n", 400),
    "bad-chunk-size": (f"{CHUNKED}zz\r\n", 400),
    "bad-chunk-end": (f"{CHUNKED}3\r\nabcd\r\n0\r\n\r\n", 400),
    "body-too-large": (f"{POST}Content-Length: 100001\r\n\r\n", 413),
    "expectation": (f"GET /hello HTTP/1.1\r\n{HEADS}Expect: bananas\r\n\r\n", 417),
    "above-the-root": (f"GET /../../etc/passwd HTTP/1.1\r\n{HEADS}\r\n", 400),
    "encoded-above-the-root": (f"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n{HEADS}\r\n", 400),
    "bad-escape": (f"GET /%zz HTTP/1.1\r\n{HEADS}\r\n", 400),
    "encoded-nul": (f"GET /page%00.html HTTP/1.1\r\n{HEADS}\r\n", 404),
    "encoded-slash": (f"GET /x%2fpage.html HTTP/1.1\r\n{HEADS}\r\n", 404),
    "unknown-method": (f"BREW /page.html HTTP/1.1\r\n{HEADS}\r\n", 501),
    "put-on-a-file": (f"PUT /page.html HTTP/1.1\r\n{HEADS}Content-Length: 0\r\n\r\n", 405),
    "delete-a-file": (f"DELETE /page.html HTTP/1.1\r\n{HEADS}\r\n", 405),
    "connect": (f"CONNECT x:80 HTTP/1.1\r\n{HEADS}\r\n", 501),
    "connect-to-a-handler": ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 501),
    "old-version-with-bad-port": ("GET /hello HTTP/1.0\r\nHost: localhost:x\r\n\r\n", 400),
    "old-version-with-large-port": ("GET /hello HTTP/1.0\r\nHost: localhost:65536\r\n\r\n", 400),
    "bytes-beyond-ascii": (f"GET /\xc3\xa9 HTTP/1.1\r\n{HEADS}\r\n", 400),
    "encoded-overlong": (f"GET /x%c0%af HTTP/1.1\r\n{HEADS}\r\n", 400),
    "hexadecimal-address": (f"GET http://0x7f.1/hello HTTP/1.1\r\n{HEADS}\r\n", 400),
    "long-method": (f"{'A' * 9000} /hello HTTP/1.1\r\n{HEADS}\r\n", 400),
    "mock-length": (f"POST /echo HTTP/1.1\r\n{HEADS}Content_Length: 5\r\n\r\nhello", 400),
    "chunk-size-overflow": (f"{CHUNKED}ffffffffffffffffff\r\n", 400),
    "chunk-extension-too-long": (f"{CHUNKED}3;{'a' * 65536}\r\nabc\r\n0\r\n\r\n", 400),
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """One server for the module, with two workers."""
    server = start_module_server(CONF, FILES, mode="foreground", backend=request.param, workers=2)
    yield server
    server.close()


def still_serves(server: Server) -> bool:
    """Whether everybody else is served as before."""
    return server.get("/hello").text == "Hello World!"


def test_a_port_may_be_empty(server: Server) -> None:
    """RFC 3986 3.2.3: as if it were not there."""
    answer = server.raw(b"GET /hello HTTP/1.1\r\nHost: localhost:\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"Hello World!")


@pytest.mark.parametrize("name", REQUESTS)
def test_bad_requests(server: Server, name: str) -> None:
    data, status = REQUESTS[name]
    begun = len(server.log())
    answer = server.raw(data.encode("latin-1"))
    assert answer.split(b"\r\n")[0].startswith(b"HTTP/1.1 %d " % status), server.log()[begun:]
    assert b"\r\nConnection: close\r\n" in answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"%d " % status in body, "an error page tells its status"
    length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    assert not length or int(length[0].split(b":")[1]) == len(body), "one answer, complete"
    assert still_serves(server)
    assert server.log()[begun:].count("Traceback") == 0


def test_every_refused_head_is_logged_in_one_line(server: Server) -> None:
    begun = len(server.log())
    server.raw(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n")
    lines = wait_for(lambda: server.log()[begun:].splitlines(), "a line in the log")
    assert len(lines) == 1
    assert "[client 127.0.0.1:" in lines[0]


#: What handlers do wrong: the status, and what the log says about it.
FAULTS = {
    "raises": (500, "PythonHandler app::raises: RuntimeError: <b>bold</b>"),
    "none": (500, "PythonHandler app::returns_none: AssertionError: "),
    "text": (500, "PythonHandler app::returns_text: AssertionError: "),
    "bool": (500, "PythonHandler app::returns_true: AssertionError: "),
    "number": (500, "12345"),
    "missing": (500, "contains no 'nowhere'"),
    "nomodule": (500, "PythonHandler no_such_module: ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax": (500, "PythonHandler syntax: SyntaxError: "),
    "exit": (500, "PythonHandler app::exits: SystemExit: 3"),
    "interrupt": (500, "PythonHandler app::interrupts: KeyboardInterrupt"),
    "unprintable": (500, "PythonHandler app::unprintable: "),
    "split": (500, "X-Split"),
}


@pytest.mark.parametrize("path", FAULTS)
def test_bad_handlers(server: Server, path: str) -> None:
    status, said = FAULTS[path]
    begun = len(server.log())
    reply = server.get(f"/{path}")
    assert reply.status == status
    assert "<title>500 Internal Server Error</title>" in reply.text
    assert reply.header("X-Injected") is None
    assert "bold" not in reply.text
    wait_for(lambda: said in server.log()[begun:], f"{said!r} in\n{server.log()[begun:]}")
    assert all(line.startswith("[") for line in server.log()[begun:].splitlines())
    assert still_serves(server)


def test_the_traceback_with_python_debug(server: Server) -> None:
    reply = server.get("/debug")
    assert reply.status == 500
    assert (reply.header("Content-Type") or "").startswith("text/html")
    assert reply.text.startswith('\n<pre>\nMod_python error: "PythonHandler app::raises"\n\n')
    assert "RuntimeError: &lt;b&gt;bold&lt;/b&gt;" in reply.text
    assert "<b>bold</b>" not in reply.text


def test_server_return(server: Server) -> None:
    reply = server.get("/forbidden")
    assert (reply.status, "<h1>Forbidden</h1>" in reply.text) == (403, True)


def test_an_error_after_the_first_words(server: Server) -> None:
    answer = server.raw(f"GET /late HTTP/1.1\r\n{HEADS}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"begun" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    server.wait_for_log("PythonHandler app::late: RuntimeError: late")
    assert still_serves(server)


def test_pipelined_requests_before_a_bad_one_are_answered(server: Server) -> None:
    good = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = server.raw((good * 3 + "nonsense\r\n\r\n" + good).encode())
    assert answer.count(b"Hello World!") == 3
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"HTTP/1.1 400 Bad Request") == 1


def test_the_early_error_reaches_a_client_that_still_sends(server: Server) -> None:
    """The answer isn't lost to a reset because of bytes that nobody read."""
    with server.dial() as sock:
        sock.sendall(f"{POST}Content-Length: 100000000\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                sock.sendall(bytes(10_000))
            sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_away_disturbs_nobody(server: Server) -> None:
    for _ in range(3):
        with server.dial() as sock:
            sock.sendall(f"GET /slow HTTP/1.1\r\n{HEADS}\r\n".encode())
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")
        assert still_serves(server)
    with server.dial() as sock:
        sock.sendall(b"GET /hello HT")
    with server.dial() as sock:
        sock.sendall(f"{POST}Content-Length: 1000\r\n\r\nonly this".encode())
    assert still_serves(server)


def test_slow_clients_occupy_nobody(server: Server) -> None:
    """More clients than workers, each with half a request: all others are served meanwhile."""

    def others_are_served() -> None:
        assert still_serves(server)

    heads = [b"GET /hello HTTP/1.1\r\nHost: local", f"{POST}Content-Length: 5\r\n\r\nab".encode()]
    socks = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(10)]
    try:
        for number, sock in enumerate(socks):
            sock.sendall(heads[number % 2])
        for _ in range(10):
            assert quickest(others_are_served, 2)[-1] < 2
        for number, sock in enumerate(socks):
            sock.sendall(b"cde" if number % 2 else b"host\r\nConnection: close\r\n\r\n")
            assert receive_all(sock).endswith(b"abcde" if number % 2 else b"Hello World!")
    finally:
        for sock in socks:
            sock.close()


def test_a_head_request_has_no_body(server: Server) -> None:
    with server.connection() as connection:
        for path in ("/hello", "/page.html"):
            connection.request("HEAD", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"")
            length = response.headers["Content-Length"]
            connection.request("GET", path)
            body = connection.getresponse().read()
            # what a handler would have sent is not known, and the published one says nothing of it either
            assert length == (str(len(body)) if path == "/page.html" else None)


def test_100_continue(server: Server) -> None:
    with server.dial() as sock:
        sock.sendall(f"{POST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hello")
        answer = receive_all(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"hello")


def test_chunks_both_ways(server: Server) -> None:
    answer = server.raw(f"{CHUNKED}5;name=value\r\nhello\r\n3\r\n...\r\n0\r\nX-Sum: yes\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"hello...")


def test_http_1_0(server: Server) -> None:
    answer = server.raw(b"GET /hello HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nHello World!")
    assert b"chunked" not in answer
    kept = b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    answer = server.raw(kept + b"GET /hello HTTP/1.0\r\n\r\n")
    assert answer.count(b"Hello World!") == 2


def test_an_absolute_target_beats_the_host_header(server: Server) -> None:
    answer = server.raw(f"GET http://localhost/hello HTTP/1.1\r\n{HEADS}\r\n".encode())
    assert answer.endswith(b"Hello World!")


def test_a_large_body_streams(server: Server) -> None:
    body = bytes(range(256)) * 390
    assert len(body) > 65536
    with server.connection() as connection:
        connection.request("POST", "/echo", body)
        response = connection.getresponse()
        assert (response.status, response.read() == body) == (200, True)
