"""Bodies through filters that give up, documents of errors, redirects and their output, slashes in paths.

What is expected is what Apache httpd 2.4 with mod_python answers, but that nothing follows a complete response, and
that a filter which is disabled passes on what it was called for (manual 4.5.5).
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


# ---- filters that give up

BODY = b"a line\nand=another"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("off", BODY),
        ("off-star", b"*" + BODY),
        ("star-off", b"*" + BODY),
        ("portion", b"<a l>" + BODY[3:]),
        ("idle", b""),
    ],
)
def test_an_input_filter_that_is_disabled_passes_on(server: Server, name: str, read: bytes) -> None:
    """Whatever it has read; one that does nothing at all ends the body."""
    assert server.request("POST", f"/in/{name}", BODY, {"X-Echo": "1"}).body == read


@pytest.mark.parametrize("wait", ["", "1"])
def test_an_output_filter_that_is_disabled_passes_on(server: Server, wait: str) -> None:
    """From the very first bytes on; with a length that is true, where nothing was sent before the end."""
    headers = {"X-Write": "one |two", **({"X-Wait": wait} if wait else {})}
    assert server.get("/out/off", headers).text == "one two"
    assert server.get("/out/part", headers).text == "<on>e two"


# ---- documents of errors


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET", "HEAD"])
@pytest.mark.parametrize("reads", ["", "3", "100"])
def test_a_document_of_an_error_can_read_the_body(server: Server, method: str, reads: str) -> None:
    """What the first handler left of it; that request is a GET from here on, unless it is a HEAD (as in httpd)."""
    body = None if method in ("GET", "HEAD") else BODY
    reply = server.request(method, "/doc/page", body, {"X-Reads": reads, "X-Status": "410"})
    left = (body or b"")[int(reads or 0) :]
    shown = "HEAD" if method == "HEAD" else "GET"
    assert reply.status == 410
    assert reply.header("X-Methods") == f"{shown} {shown} {method}"
    assert reply.body == (b"" if method == "HEAD" else left)
    # chunks are read on, too, and the next request begins behind them
    if method == "POST":
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:])) + b"0\r\n\r\n"
        lines = (
            "POST /doc/page HTTP/1.1",
            "Host: x",
            f"X-Reads: {reads}",
            "X-Status: 410",
            "Transfer-Encoding: chunked",
        )
        head = "\r\n".join((*lines, "", ""))
        last = b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Write: next\r\n\r\n"
        found = server.raw(head.encode() + chunks + last)
        assert left in found
        assert found.count(b"HTTP/1.1 ") == 2
        assert b"next" in found


def test_a_static_document_after_a_body(server: Server) -> None:
    """The body is thrown away, and the connection kept."""
    with server.connection() as connection:
        for _ in range(2):
            connection.request("POST", "/doc/page", BODY, {"X-Status": "404"})
            response = connection.getresponse()
            assert (response.status, response.read()) == (404, b"the file")


# ---- what follows a response, and what comes before it


@pytest.mark.parametrize(
    ("path", "body"),
    [
        # the first answer is the answer
        ("/go?to=/went/b&to=/went/c", "b"),
        ("/go?to=/file.txt&to=/file.txt", "the file"),
        ("/go?to=/went/b&to=/file.txt", "b"),
        ("/go?to=/file.txt&to=/went/b", "the file"),
        ("/go?to=/gone.txt&to=/file.txt", None),
        ("/go?to=/went/b&write=after", "b"),
        # one response of both
        ("/go?write=before&to=/went/b", "before" + "b"),
        ("/go?write=before&to=/file.txt", "before" + "the file"),
        ("/go?to=/went/prev", "prev,this"),
        ("/go?wait=0&to=/went/mixed", "13" + "024" + "5"),
        ("/go?write=0&wait=1&to=/went/mixed", "0" + "113" + "24" + "5"),
        ("/go?to=/went/file", "the file" * 9000 + "this"),
        # nobody has such a file: its extension chooses the handler
        ("/go?to=/ext/none.here", "/ext/none.here none.here"),
        ("/go?to=/ext/none.here/more", "/ext/none.here/more none.here/more"),
    ],
)
def test_redirects_and_their_output(server: Server, path: str, body: str | None) -> None:
    """Both requests write into one response, in the order of their flushes, and nothing follows its end."""
    lines = (f"GET {path} HTTP/1.1", "Host: x", "", "GET /went/c HTTP/1.1", "Host: x", "Connection: close", "", "")
    for _ in range(2):  # (a file's response is known the second time)
        (status, text), last = responses(server.raw("\r\n".join(lines).encode()))
        assert (status, text) == ((200, body.encode()) if body is not None else (404, text))
        assert last == (200, b"c")


def responses(data: bytes) -> list[tuple[int, bytes]]:
    """The statuses and bodies of all that a connection brought: nothing may stand between them or behind."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), head
        length = head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]
        body = data[: int(length or 0)]
        data = data[len(body) :]
        size = -1 if not length else 0
        while size:
            line, _, data = data.partition(b"\r\n")
            size = int(line, 16)
            body += data[:size]
            data = data[size + 2 :]
        found.append((int(head[9:12]), body))
    return found


# ---- slashes in paths


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("merged.test", "/slash/f.py//a//b", "/slash/f.py/a/b /a/b f.py"),
        ("merged.test", "/slash//f.py", "/slash/f.py  f.py"),
        ("merged.test", "/slash/f.py/a%2Fb", None),
        ("merged.test", "/slash%2Ff.py", None),
        ("on.test", "/slash/f.py/a%2Fb%252F", "/slash/f.py/a/b%2F /a/b%2F f.py"),
        ("on.test", "/slash%2Ff.py", "/slash/f.py  f.py"),
        ("on.test", "/place%2Fdeep", "/place/deep None None"),
        ("nodecode.test", "/slash/f.py/a%2Fb%252F%20c", "/slash/f.py/a%2Fb%2F c /a%2Fb%2F c f.py"),
        ("nodecode.test", "/slash%2Ff.py", ""),
        ("nodecode.test", "/place/a%2f..", "/place/a%2f.. None None"),
        ("apart.test", "/slash/f.py//a//b", "/slash/f.py//a//b /a/b f.py"),
        ("apart.test", "//slash//f.py", "/slash//f.py  f.py"),
        ("apart.test", "//place//a", "/place//a None None"),
        ("apart.test", "/many//x", "/many//x None None"),
        ("apart.test", "/many/x", ""),
        ("merged.test", "/many//x", ""),
        ("apart.test", "/slash/f.py/a%2Fb", None),
        ("apart.test", "/slash//deep//", "/slash//deep//index.py  index.py"),
        ("apart.test", "/closed//page", "403"),
        ("apart.test", "/far//away//f.py//a", "/far//away//f.py//a /a f.py"),
    ],
)
def test_slashes_in_paths(server: Server, host: str, path: str, found: str | None) -> None:
    """AllowEncodedSlashes and MergeSlashes; a Location holds for double ones, too."""
    reply = server.get(path, host=host)
    if found == "403":
        assert reply.status == 403
    else:
        assert (reply.status, reply.text) == ((200, found) if found is not None else (404, reply.text))
