"""WSGI applications behind a real server: PEP 3333 to the letter, in every kind of interpreter."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import BACKENDS, Port, Server, receive_all, receive_until
from support.waiting import PATIENCE, wait_for

APP = '''
import json
import os
import sys
import tempfile
from wsgiref.validate import validator

CLOSED = []


def start(start_response, status="200 OK", *headers):
    return start_response(status, [("Content-Type", "text/plain"), *headers])


@validator
def environ(environ, start_response):
    shown = {name: value for name, value in environ.items() if isinstance(value, (str, bool))}
    body = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


@validator
def echo(environ, start_response):
    write = start(start_response, "201 Made It")
    stream = environ["wsgi.input"]
    write(stream.readline(100))
    for line in stream:
        write(line.upper())
    return []


def big(environ, start_response):
    length = 0
    while True:
        data = environ["wsgi.input"].read(65536)
        if not data:
            break
        length += len(data)
    start(start_response)
    return (b"%d" % length,)


class Pieces:
    def __init__(self, *pieces):
        self.pieces = iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.pieces)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self):
        CLOSED.append("closed")


def pieces(environ, start_response):
    start(start_response)
    return Pieces(b"one", b"", b"two")


def sized(environ, start_response):
    start(start_response, "200 OK", ("Content-Length", "6"))
    return Pieces(b"one", b"two")


def single(environ, start_response):
    start(start_response, "200 OK", ("Content-Length", "3"), ("X-It", "yes"))
    return Pieces(b"one")


def too_long(environ, start_response):
    start(start_response, "200 OK", ("Content-Length", "4"))
    return [b"one", b"two"]


def empty(environ, start_response):
    start(start_response)
    return []


def large(environ, start_response):
    start(start_response)
    return [b"x" * 300000]


def none(environ, start_response):
    start_response("204 No Content", [])
    return []


def gone(environ, start_response):
    start(start_response, "410 Gone For Good", ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Umlaut", "\\xfc"))
    return [b"gone"]


def rescued(environ, start_response):
    start(start_response, "200 OK", ("X-First", "1"), ("Content-Length", "99"))
    try:
        raise KeyError("x")
    except KeyError:
        start(start_response, "500 Oops", ("X-Second", "2"))
    return [b"not reached"]


def rescued_well(environ, start_response):
    start(start_response, "200 OK", ("X-First", "1"), ("Content-Length", "99"))
    try:
        raise KeyError("x")
    except KeyError:
        start_response("503 Oops", [("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


def too_late(environ, start_response):
    def run():
        start(start_response)
        yield b"begun"
        try:
            raise KeyError("the original error")
        except KeyError:
            start_response("500 Oops", [], sys.exc_info())
        yield b"not reached"
    return run()


def breaks(environ, start_response):
    start(start_response, "200 OK", ("X-First", "1"))
    return Pieces(ValueError("before anything"))


def breaks_late(environ, start_response):
    start(start_response)
    return Pieces(b"some", ValueError("in the middle"))


def closed(environ, start_response):
    start(start_response)
    return [b"%d" % len(CLOSED)]


def late(environ, start_response):
    def run():
        start(start_response)
        yield b"late"
    return run()


def never(environ, start_response):
    return [b"no head"]


def text(environ, start_response):
    start(start_response)
    return ["text"]


def bare(environ, start_response):
    start(start_response)
    return b"bytes"


def bare_status(environ, start_response):
    start_response("599", [])
    return []


def bad_status(environ, start_response):
    start(start_response, environ["QUERY_STRING"].replace("+", " "))
    return []


def split(environ, start_response):
    start(start_response, "200 OK", ("X-A", "a\\r\\nX-B: b"))
    return []


def hop(environ, start_response):
    start(start_response, "200 OK", ("Connection", "close"))
    return []


def logs(environ, start_response):
    print("a line of", "an application", file=environ["wsgi.errors"])
    environ["wsgi.errors"].writelines(["part", "ial"])
    environ["wsgi.errors"].flush()
    start(start_response)
    return []


def file(environ, start_response):
    headers = [("Content-Length", "5")] if environ["QUERY_STRING"] == "sized" else []
    start(start_response, "200 OK", *headers)
    found = open(os.path.join(os.path.dirname(__file__), "big.bin"), "rb")
    found.seek(10)
    return environ["wsgi.file_wrapper"](found, 1000)


def unlinked(environ, start_response):
    start(start_response)
    found = tempfile.TemporaryFile()
    found.write(b"written, not flushed")
    found.seek(9)
    return environ["wsgi.file_wrapper"](found)


class Filelike:
    def __init__(self):
        self.left = [b"like ", b"a file"]

    def read(self, size):
        return self.left.pop(0) if self.left else b""

    def close(self):
        CLOSED.append("filelike")


def filelike(environ, start_response):
    start(start_response)
    return environ["wsgi.file_wrapper"](Filelike())


def zipped(environ, start_response):
    import gzip, io
    path = os.path.join(os.path.dirname(__file__), "zipped.gz")
    with gzip.open(path, "wb") as made:
        made.write(b"unzipped")
    start(start_response)
    return environ["wsgi.file_wrapper"](gzip.open(path, "rb"))


def stripped(environ, start_response):
    # as Werkzeug has it for HEAD, whatever GET would get
    start(start_response)
    return ()


def form(environ, start_response):
    start(start_response)
    stream = environ["wsgi.input"]
    first = stream.read(3)
    at = stream.tell()
    stream.seek(0)
    again = stream.read()
    told = environ.get("CONTENT_LENGTH"), "HTTP_TRANSFER_ENCODING" in environ
    return [json.dumps([*told, first.decode(), at, len(again)]).encode()]


def seeks(environ, start_response):
    start(start_response)
    return [b"%d" % hasattr(environ["wsgi.input"], "seek")]


def string(environ, start_response):
    start(start_response)
    return "Zo\u00eb"


def strings(environ, start_response):
    start(start_response)
    yield "Zo\u00eb"
    yield b" "
    yield "\u20ac"


def loose(environ, start_response):
    start_response("200 OK", (["Content-Type", "text/plain"], ["X-It", "yes"], ("Connection", "keep-alive")))
    return [b"loose"]


class FailsToClose(Pieces):
    def close(self):
        raise KeyError("in close")


def closing(environ, start_response):
    start(start_response)
    return FailsToClose(b"one", b"two")


def closing_after(environ, start_response):
    start(start_response)
    return FailsToClose(ValueError("the first error"))


def unended(environ, start_response):
    import threading
    errors, name = environ["wsgi.errors"], environ["QUERY_STRING"]
    errors.write("begin of %s, " % name)
    thread = threading.Thread(target=errors.write, args=("thread of %s" % name,))
    thread.start()
    thread.join()
    errors.write("end of %s" % name)
    start(start_response)
    return [b"x"]


def stderr(environ, start_response):
    import io, sys
    errors, other = environ["wsgi.errors"], io.StringIO()
    told = [errors == sys.stderr, sys.stderr == errors, hash(errors) == hash(sys.stderr), errors != sys.stderr]
    told += [errors == other, other == errors, errors == sys.stdout]
    told += [errors.isatty(), errors.closed, errors.readable(), errors.writable(), isinstance(errors.encoding, str)]
    try:
        errors.fileno()
    except OSError:
        told.append("no descriptor")
    start(start_response)
    return [repr(told).encode()]


class application:
    """A class is an application, too; and this is the default's name."""

    def __init__(self, environ, start_response):
        self.environ, self.start = environ, start_response

    def __iter__(self):
        start(self.start)
        yield ("%s|%s" % (self.environ["SCRIPT_NAME"], self.environ.get("PATH_INFO"))).encode("latin-1")
'''

NAMES = (
    "environ", "echo", "big", "pieces", "sized", "single", "too_long", "empty", "large", "none", "gone", "rescued",
    "rescued_well", "too_late", "breaks", "breaks_late", "closed", "late", "never", "text", "bare", "bare_status",
    "bad_status", "split", "hop", "logs", "file", "unlinked", "filelike", "zipped", "stripped", "form", "seeks",
    "string", "strings", "loose", "closing", "closing_after", "unended", "stderr",
)  # fmt: skip

CONF = (
    "".join(
        f"""
<Location /{name}>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app::{name}
</Location>"""
        for name in NAMES
    )
    + "".join(
        f"""
<Location /strict/{name}>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app::{name}
    PythonOption mod_python.wsgi.strict On
</Location>"""
        for name in ("text", "string", "hop", "loose", "large")
    )
    + """
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
PythonPath "sys.path + ['${WWW}']"
<Location /base>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
</Location>
<Location /else>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
    PythonOption mod_python.wsgi.base_uri /else/where
</Location>
<Location /slash>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
    PythonOption mod_python.wsgi.base_uri /slash/
</Location>
<Location /unnamed>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
</Location>
<Directory "${WWW}/dir">
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
    PythonOption mod_python.wsgi.base_uri /dir
</Directory>
"""
)

BIG = bytes(range(256)) * 1200


@pytest.fixture(scope="module", params=[*BACKENDS, *(f"{kind}, worker" for kind in BACKENDS if kind != "main")])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The application in one kind of interpreter, with one thread (prefork) or several (worker)."""
    files: dict[str, str | bytes] = {"app.py": APP, "big.bin": BIG, "dir/page.html": "<p>"}
    kind, _, mpm = str(request.param).partition(", ")
    return start_module_server(CONF, files, backend=kind, mpm=mpm or "prefork")


@pytest.fixture(params=BACKENDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of interpreter."""
    return str(request.param)


def variables(server: Server, path: str, *head: str, method: str = "GET") -> dict[str, object]:
    """The environ of a request, sent as it is written here."""
    import json

    lines = [
        f"{method} {path} HTTP/1.1",
        *(head or ("Host: www.example.com:81",)),
        "Connection: close",
        "",
        "",
    ]
    answer = server.raw("\r\n".join(lines).encode("latin-1"))
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert isinstance(found, dict)
    return found


def test_environ_is_what_the_pep_and_cgi_say(server: Server, request: pytest.FixtureRequest) -> None:
    head = (
        "Host: www.example.com:81", "X-My-Own: 1", "Under_score: no", "Proxy: evil", "Authorization: Basic abc",
        "Cookie: a=1", "Cookie: b=2", "X-My-Own: 2",
    )  # fmt: skip
    found = variables(server, "/environ/x/y?a=b%20c", *head)
    expected = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/environ", "PATH_INFO": "/x/y", "QUERY_STRING": "a=b%20c",
        "REQUEST_URI": "/environ/x/y?a=b%20c", "RAW_URI": "/environ/x/y?a=b%20c",
        "SERVER_NAME": "www.example.com", "SERVER_PORT": "81",
        "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "www.example.com:81", "HTTP_X_MY_OWN": "1, 2",
        "HTTP_AUTHORIZATION": "Basic abc", "HTTP_COOKIE": "a=1; b=2", "REMOTE_ADDR": "127.0.0.1",
        "SERVER_ADDR": "127.0.0.1", "GATEWAY_INTERFACE": "CGI/1.1", "wsgi.url_scheme": "http",
        "wsgi.multithread": "worker" in request.node.name,
        "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert {"HTTP_UNDER_SCORE", "HTTP_PROXY", "CONTENT_LENGTH", "SCRIPT_FILENAME"}.isdisjoint(found)


def test_the_client_is_the_one_that_a_trusted_proxy_has_told(server: Server) -> None:
    found = variables(server, "/environ", "Host: a", "X-Client: 192.0.2.7")
    assert found["REMOTE_ADDR"] == "192.0.2.7"
    assert "HTTP_X_CLIENT" not in found
    assert variables(server, "/environ", "Host: a")["REMOTE_ADDR"] == "127.0.0.1"


def test_environ_is_made_anew_for_each_request_of_a_connection(server: Server) -> None:
    import json

    with server.connection() as connection:
        for path, headers in (
            ("/environ/a?1", {"X-A": "1"}),
            ("/environ/b", {"X-A": "1"}),
            ("/environ", {"X-B": "2"}),
        ):
            connection.request("GET", path, headers=headers)
            found = json.loads(connection.getresponse().read())
            rest = path.partition("?")[0].removeprefix("/environ")
            assert found["PATH_INFO"] == rest
            assert found["QUERY_STRING"] == path.partition("?")[2]
            assert found.get("HTTP_X_A") == headers.get("X-A")
            assert found.get("HTTP_X_B") == headers.get("X-B")


FACTS = """
import json


def application(environ, start_response):
    start_response("200 OK", [])
    names = "SERVER_NAME", "SERVER_PORT", "SERVER_SIGNATURE"
    return [json.dumps([environ[name] for name in names]).encode()]
"""


@pytest.mark.parametrize("others", ["", "UseCanonicalPhysicalPort On", "UseCanonicalName On"])
def test_what_is_kept_of_one_request_is_no_other_ones(start_server: StartServer, others: str) -> None:
    """The name and the port of the server, and what pages end with, depend on the host, and on the port that it is."""
    import http.client
    import json

    port = Port()  # (kept to the end: nobody else gets it meanwhile)
    conf = f"""
        {others}
        Listen 127.0.0.1:{port.number}
        ServerSignature On
        PythonPath "sys.path + ['${{WWW}}']"
        <Location />
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            PythonOption mod_python.wsgi.application facts
        </Location>
    """
    server = start_server(conf, {"facts.py": FACTS})
    for _ in range(2):
        for number in (server.port, port.number):
            for host in ("first.test", "second.test"):
                connection = http.client.HTTPConnection("127.0.0.1", number, timeout=PATIENCE)
                connection.request("GET", "/", headers={"Host": host})
                name, told, signature = json.loads(connection.getresponse().read())
                connection.close()
                assert name == ("localhost" if "Name" in others else host)
                assert told == (str(number) if "Port" in others else "80")
                assert f"Server at {name} Port {told}<" in signature
    port.release()


def test_paths_and_headers_are_bytes_as_latin_1(server: Server) -> None:
    found = variables(server, "/environ/Zo%C3%AB/%ff?q=\xe9", "Host: x", "X-Name: \xfc\xc3\xab")
    assert str(found["PATH_INFO"]).encode("latin-1") == b"/Zo\xc3\xab/\xff"
    assert str(found["QUERY_STRING"]).encode("latin-1") == b"q=\xe9"
    assert str(found["HTTP_X_NAME"]).encode("latin-1") == b"\xfc\xc3\xab"


def test_the_targets_own_host_beats_the_header(server: Server) -> None:
    found = variables(server, "http://true.example:82/environ", "Host: false.example")
    assert (found["HTTP_HOST"], found["SERVER_NAME"], found["SERVER_PORT"]) == (
        "true.example:82",
        "true.example",
        "82",
    )


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/base", 200, "/base|"),
        ("/base/", 200, "/base|/"),
        ("/base/a/b", 200, "/base|/a/b"),
        ("/base/Zo%C3%AB", 200, "/base|/Zoë"),
        ("/based", 404, None),
        ("/else/where/x", 200, "/else/where|/x"),
        ("/else/wherever", 404, None),
        ("/else", 404, None),
        ("/slash/x", 500, None),
        ("/unnamed", 500, None),
        ("/dir/", 200, "/dir|/"),
        ("/dir/page.html", 200, "/dir|/page.html"),
        ("/dir/missing/x", 200, "/dir|/missing/x"),
    ],
)
def test_base(server: Server, path: str, status: int, text: str | None) -> None:
    reply = server.get(path)
    assert reply.status == status
    assert text is None or reply.text == text
    if text is not None:
        assert reply.header("Content-Type") == "text/plain"


def test_faults_of_the_configuration_are_explained_in_the_log(server: Server) -> None:
    server.get("/slash/x")
    server.get("/unnamed")
    server.wait_for_log("mod_python.wsgi.base_uri /slash/ must not end in a slash")
    server.wait_for_log("set PythonOption mod_python.wsgi.application")


def test_body_is_read_by_lines_and_written_at_once(server: Server) -> None:
    reply = server.request("POST", "/echo", b"first\nsecond\nthird", {"Content-Type": "text/plain"})
    assert (reply.status, reply.reason, reply.body) == (201, "Made It", b"first\nSECOND\nTHIRD")


def test_uploads_come_in_pieces(server: Server) -> None:
    assert server.request("POST", "/big", b"x" * 3_000_000).body == b"3000000"
    with server.connection() as connection:
        connection.request("POST", "/big", iter([b"x" * 100, b"y" * 200_000]), encode_chunked=True)
        assert connection.getresponse().read() == b"200100"


def head_and_body(server: Server, path: str, method: str = "GET") -> tuple[str, bytes]:
    """The raw response, head and body."""
    answer = server.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode("latin-1").lower(), body


@pytest.mark.parametrize(
    ("path", "length", "body"),
    [
        ("/pieces", None, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        ("/sized", 6, b"onetwo"),
        ("/single", 3, b"one"),
        ("/too_long", 4, b"onet"),
        ("/empty", 0, b""),
        ("/large", 300000, b"x" * 300000),
        ("/late", None, b"4\r\nlate\r\n0\r\n\r\n"),
        ("/file", len(BIG) - 10, BIG[10:]),
        ("/file?sized", 5, BIG[10:15]),
        ("/unlinked", 11, b"not flushed"),
        ("/filelike", None, b"5\r\nlike \r\n6\r\na file\r\n0\r\n\r\n"),
        ("/zipped", None, b"8\r\nunzipped\r\n0\r\n\r\n"),
    ],
)
def test_framing(server: Server, path: str, length: int | None, body: bytes) -> None:
    head, got = head_and_body(server, path)
    assert head.startswith("http/1.1 200 ok\r\n")
    assert got == body
    lengths = [line for line in head.split("\r\n") if line.startswith("content-length:")]
    assert lengths == ([] if length is None else [f"content-length: {length}"])
    assert ("transfer-encoding: chunked" in head) is (length is None)


@pytest.mark.parametrize(
    ("path", "length"),
    [
        ("/pieces", None),
        ("/sized", 6),
        ("/single", 3),
        ("/large", 300000),
        ("/empty", 0),
        ("/stripped", None),
        ("/none", None),
        ("/file", len(BIG) - 10),
    ],
)
def test_head_has_the_headers_and_no_body(server: Server, path: str, length: int | None) -> None:
    head, got = head_and_body(server, path, "HEAD")
    assert head.startswith("http/1.1 204 no content\r\n" if path == "/none" else "http/1.1 200 ok\r\n")
    assert got == b""
    assert (f"content-length: {length}" in head) is (length is not None)
    assert ("content-length" in head) is (length is not None)


def test_one_connection_serves_all_kinds_of_bodies(server: Server) -> None:
    with server.connection() as connection:
        for path, body in (
            ("/single", b"one"), ("/pieces", b"onetwo"), ("/empty", b""), ("/sized", b"onetwo"), ("/none", b""),
            ("/gone", b"gone"), ("/file", BIG[10:]), ("/large", b"x" * 300000),
        ):  # fmt: skip
            connection.request("GET", path)
            assert connection.getresponse().read() == body
            assert connection.sock is not None, path


def test_status_and_headers_are_the_applications(server: Server) -> None:
    reply = server.get("/gone")
    assert (reply.status, reply.reason, reply.body) == (410, "Gone For Good", b"gone")
    assert [value for name, value in reply.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert reply.header("X-Umlaut") == "\xfc"
    assert server.get("/bare_status").status == 599
    reply = server.get("/none")
    assert (reply.status, reply.header("Content-Type"), reply.header("Content-Length")) == (204, None, None)
    assert server.get("/dir/page.html").header("Content-Type") == "text/plain"


def test_errors_replace_what_was_not_sent(server: Server) -> None:
    reply = server.get("/rescued_well")
    assert (reply.status, reply.reason, reply.body) == (503, "Oops", b"sorry")
    assert (reply.header("X-First"), reply.header("X-Second"), reply.header("Content-Type")) == (
        None,
        "2",
        None,
    )
    reply = server.get("/rescued")
    assert (reply.status, reply.header("X-First"), reply.header("X-Second")) == (500, None, None)
    server.wait_for_log("start_response() was called a second time without exc_info")


def test_errors_after_the_head_end_the_connection(server: Server) -> None:
    for path in ("/too_late", "/breaks_late"):
        head, body = head_and_body(server, path)
        assert head.startswith("http/1.1 200 ok\r\n")
        assert not body.endswith(b"0\r\n\r\n")
    server.wait_for_log("KeyError: 'the original error'")


def test_close_is_always_called(server: Server) -> None:
    before = int(server.get("/closed").body)
    assert server.get("/breaks").status == 500
    assert server.get("/breaks").header("X-First") is None
    server.get("/pieces")
    head_and_body(server, "/breaks_late")
    head_and_body(server, "/pieces", "HEAD")
    server.get("/filelike")
    assert int(server.get("/closed").body) == before + 6


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/never", "before it called start_response()"),
        ("/strict/text", "a piece of type str, but a body consists of bytes"),
        ("/bare", "a piece of type int, but a body consists of bytes"),
        ("/bad_status?99+Low", "'99 Low' is no status"),
        ("/bad_status?600+High", "'600 High' is no status"),
        ("/bad_status?OK", "'OK' is no status"),
        ("/split", "has a line break"),
        ("/strict/string", "a piece of type str, but a body consists of bytes"),
        ("/strict/loose", "the headers must be in a list, not in a tuple"),
        ("/strict/hop", "Connection is a header about the connection"),
    ],
)
def test_what_the_pep_forbids_is_an_error(server: Server, path: str, said: str) -> None:
    assert server.get(path).status == 500
    server.wait_for_log(said)


def test_errors_stream_writes_to_the_log(server: Server) -> None:
    server.get("/logs")
    log = server.wait_for_log("partial")
    assert "a line of an application\n" in log


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("/environ/a%20b/%C3%AB?q=%2f", "/environ/a%20b/%C3%AB?q=%2f"),
        ("/environ//x?", "/environ//x?"),
        ("/environ/%E9?\xe9", "/environ/%E9?\xe9"),
        ("http://x.example/environ/y?z", "/environ/y?z"),
    ],
)
def test_the_target_is_there_as_it_was_sent(server: Server, target: str, uri: str) -> None:
    found = variables(server, target)
    assert (found["REQUEST_URI"], found["RAW_URI"]) == (uri, target)


def test_text_is_sent_as_utf_8_and_that_is_said_once(server: Server) -> None:
    for _ in range(2):
        assert server.get("/text").body == b"text"
        assert server.get("/string").body == "Zo\xeb".encode()
        assert server.get("/strings").body == "Zo\xeb \u20ac".encode()
    assert server.get("/string").header("Content-Length") == "4"
    assert server.get("/strict/large").status == 200
    for name in ("text", "string", "strings"):
        log = server.wait_for_log(f"app::{name} gives str")
        assert log.count(f"app::{name} gives str") == 1


def test_headers_are_taken_as_others_take_them(server: Server) -> None:
    with server.connection() as connection:
        for _ in range(2):
            for path in ("/loose", "/hop"):
                connection.request("GET", path)
                reply = connection.getresponse()
                assert (reply.status, reply.getheader("Content-Type")) == (200, "text/plain")
                assert reply.getheader("X-It") == ("yes" if path == "/loose" else None)
                assert reply.getheader("Connection") is None
                reply.read()
    for name in ("loose", "hop"):
        log = server.wait_for_log(f"app::{name} gives Connection")
        assert log.count(f"app::{name} gives Connection") == 1


def test_close_that_fails_harms_no_answer(server: Server) -> None:
    head, body = head_and_body(server, "/closing")
    assert head.startswith("http/1.1 200 ok\r\n")
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    head, body = head_and_body(server, "/closing", "HEAD")
    assert (head.startswith("http/1.1 200 ok\r\n"), body) == (True, b"")
    log = server.wait_for_log("KeyError: 'in close'")
    assert "close() of what the application returned failed" in log
    assert server.get("/closing_after").status == 500
    server.wait_for_log("ValueError: the first error")


@pytest.mark.parametrize("size", [5, 60_000, 300_000, 4_000_000])
def test_a_body_in_chunks_has_its_length_and_can_be_read_again(server: Server, size: int) -> None:
    import json

    with server.connection() as connection:
        for _ in range(2):
            connection.request("POST", "/form", iter([b"abc", b"x" * (size - 3)]), encode_chunked=True)
            assert json.loads(connection.getresponse().read()) == [str(size), False, "abc", 3, size]


def test_a_body_that_has_come_can_be_read_again(server: Server) -> None:
    import json

    assert json.loads(server.request("POST", "/form", b"x" * 50_000).body) == ["50000", False, "xxx", 3, 50_000]
    assert json.loads(server.get("/form").body) == [None, False, "", 0, 0]
    assert server.request("POST", "/seeks", b"x").body == b"1"
    assert server.request("POST", "/seeks", b"x" * 3_000_000).body == b"0"


def test_a_broken_body_in_chunks_is_a_bad_request(server: Server) -> None:
    head = b"POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = server.raw(head + b"11170\r\n" + b"x" * 70_000 + b"\r\nno chunk\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert server.get("/single").body == b"one"


def errors_of(server: Server, name: str, count: int) -> list[str]:
    """The lines that an application wrote about a request: the messages with the client, without the time."""

    def lines() -> list[str]:
        return [line for line in server.log().splitlines() if f" {name}" in line and "GET" not in line]

    wait_for(lambda: len(lines()) >= count, f"{count} lines of {name}")
    return [line.partition("] [pid ")[2].partition("] ")[2] for line in lines()]


def test_partial_lines_of_errors_end_with_the_request(server: Server) -> None:
    names = [f"request{number}." for number in range(3)]
    for name in names:
        assert server.get(f"/unended?{name}").body == b"x"
    for name in names:
        mine, thread = sorted(errors_of(server, name, 2), key=lambda line: "thread" in line)
        client, _, text = mine.partition("] [interpreter ")
        assert client.startswith("[client 127.0.0.1:")
        assert text.endswith(f"] begin of {name}, end of {name}")
        assert thread.startswith("[interpreter ")
        assert thread.endswith(f"] thread of {name}")


def test_errors_equal_the_stream_of_errors(server: Server) -> None:
    told = [True, True, True, False, False, False, False, False, False, False, True, True, "no descriptor"]
    assert server.get("/stderr").text == repr(told)


def test_lines_of_errors_do_not_mix_among_threads(start_server: StartServer, kind: str) -> None:
    app = """
import threading
both = threading.Barrier(2, timeout=60)
def application(environ, start_response):
    errors, name = environ["wsgi.errors"], environ["QUERY_STRING"]
    both.wait()
    errors.write("begin of %s, " % name)
    both.wait()
    errors.write("end of %s" % name)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x"]
"""
    server = start_server(CONF, {"app.py": app}, backend=kind, mode="foreground", mpm="worker", threads=4)
    names = ("first.", "second.")
    with server.connection() as one, server.connection() as other:
        for connection, name in zip((one, other), names, strict=True):
            connection.request("GET", f"/base?{name}")
        assert [connection.getresponse().read() for connection in (one, other)] == [b"x", b"x"]
    for name in names:
        (line,) = errors_of(server, name, 1)
        assert line.endswith(f"] begin of {name}, end of {name}")


def test_a_partial_line_of_a_thread_is_logged_at_the_end(start_server: StartServer, kind: str) -> None:
    """The thread outlives its request, and a daemon its interpreter, with which its text would be lost."""
    app = """
import threading
from mod_python import apache
end, written = threading.Event(), threading.Event()
own = apache._runtime.current().kind == "own"  # (there are no daemons there)
if own:
    apache.register_cleanup(end.set)
def work(errors):
    errors.write("begin of background")
    written.set()
    end.wait()
def application(environ, start_response):
    threading.Thread(target=work, args=(environ["wsgi.errors"],), daemon=not own).start()
    written.wait(60)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x"]
"""
    server = start_server(CONF, {"app.py": app}, backend=kind)
    assert server.get("/base").body == b"x"
    assert "begin of background" not in server.log()
    server.stop()
    assert server.log().count("begin of background\n") == 1


def test_pieces_are_sent_before_the_next_is_asked_for(start_server: StartServer, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    app = f"""
import os
os.mkfifo({str(fifo)!r})
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
    yield b"first"
    with open({str(fifo)!r}, "rb") as go:
        yield go.read()
"""
    conf = """
<Location />
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
    PythonPath "sys.path + ['${WWW}']"
</Location>"""
    server = start_server(conf, {"app.py": app})
    with server.dial() as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = receive_until(sock, b"first")
        fifo.write_bytes(b"last")
        got += receive_all(sock)
    assert got.endswith(b"\r\n\r\nfirstlast")


def test_a_client_that_leaves_harms_nobody(start_server: StartServer) -> None:
    app = """
import time
closed = []
class Endless:
    def __iter__(self):
        return self
    def __next__(self):
        return b"x" * 65536
    def close(self):
        closed.append(1)
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Endless()
def count(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % len(closed)]
"""
    conf = "".join(
        f"""
<Location {place}>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application {name}
    PythonPath "sys.path + ['${{WWW}}']"
</Location>"""
        for place, name in (("/endless", "app"), ("/count", "app::count"))
    )
    server = start_server(conf, {"app.py": app})
    with server.dial() as sock:
        sock.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert server.get("/count").body == b"1"
    assert "Traceback" not in server.log()


def test_multiprocess_is_told_truly(start_server: StartServer) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", workers=2)
    assert variables(server, "/environ")["wsgi.multiprocess"] is True


def test_a_changed_module_is_loaded_again(start_server: StartServer) -> None:
    app = 'def application(e, s):\n    s("200 OK", [])\n    return [b"%s"]\n'
    server = start_server(CONF, {"app.py": app % "old"})
    assert server.get("/base").body == b"old"
    server.write("app.py", app % "newer")
    wait_for(lambda: server.get("/base").body == b"newer", "the changed module")


def test_two_directories_have_applications_of_one_name(start_server: StartServer) -> None:
    conf = "".join(
        f"""
<Directory "${{WWW}}/{name}">
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
    PythonOption mod_python.wsgi.base_uri /{name}
</Directory>"""
        for name in ("a", "b")
    )
    app = 'def application(e, s):\n    s("200 OK", [])\n    return [b"%s"]\n'
    server = start_server(conf, {"a/app.py": app % "A", "b/app.py": app % "B"})
    assert [server.get(path).body for path in ("/a/x", "/b/x", "/a/y", "/b/y")] == [b"A", b"B", b"A", b"B"]
