"""What an application decides itself: who somebody is, and how its response is framed.

What is expected is what Apache httpd 2.4 with mod_python answers, but for framing that would leave the client with a
broken response, or the next one in the wrong place.
"""

from __future__ import annotations

import itertools

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonInputFilter app::disabled OFF
PythonInputFilter app::portion PORTION
PythonInputFilter app::star STAR
PythonInputFilter app::idle IDLE
PythonOutputFilter app::disabled UNFILTERED
PythonOutputFilter app::portion PART
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/any">
    PythonHeaderParserHandler app::login
    Require valid-user
</Directory>
<Directory "${WWW}/joe">
    PythonAccessHandler app::login
    PythonAuthenHandler app::authen
    PythonAuthzHandler app::authz
    AuthType Basic
    AuthName joe
    Require user joe
</Directory>
<Directory "${WWW}/group">
    PythonHeaderParserHandler app::login
    Require group staff
</Directory>
<Directory "${WWW}/closed">
    PythonHeaderParserHandler app::login
    Require all denied
</Directory>
<Files ~ "^off$">
    SetInputFilter OFF
    SetOutputFilter UNFILTERED
</Files>
<Files "off-star">
    SetInputFilter OFF;STAR
</Files>
<Files "star-off">
    SetInputFilter STAR;OFF
</Files>
<Files "portion">
    SetInputFilter PORTION
</Files>
<Files "idle">
    SetInputFilter IDLE
</Files>
<Files "part">
    SetOutputFilter PART
</Files>
<Directory "${WWW}/doc">
    ErrorDocument 410 /doc/shown
    ErrorDocument 404 /file.txt
</Directory>
<Location /doc/shown>
    SetHandler mod_python
    PythonHandler app::shown
</Location>
<Location /go>
    SetHandler mod_python
    PythonHandler app::go
</Location>
<Location /went>
    SetHandler mod_python
    PythonHandler app::went
</Location>
<Directory "${WWW}/ext">
    SetHandler none
    AddHandler mod_python .here
    PythonHandler app::named
</Directory>
<Files "*.txt">
    SetHandler none
</Files>
<Directory "${WWW}/slash">
    SetHandler none
    AddHandler mod_python .py
    DirectoryIndex index.py
    PythonHandler app::path
</Directory>
Alias /far/away "${WWW}/slash"
<Location /place>
    SetHandler mod_python
    PythonHandler app::path
</Location>
<LocationMatch "^/many//x">
    SetHandler mod_python
    PythonHandler app::path
</LocationMatch>
<Location /closed>
    Require all denied
</Location>
<VirtualHost *:${PORT}>
    ServerName merged.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName on.test
    AllowEncodedSlashes On
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName nodecode.test
    AllowEncodedSlashes NoDecode
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName apart.test
    MergeSlashes Off
</VirtualHost>
"""

APP = r'''
from mod_python import apache


def login(req):
    """Somebody whom a cookie names."""
    name, _, groups = (req.headers_in.get("Cookie") or "").partition("/")
    if name:
        req.user = name
        req.notes["groups"] = groups
    return apache.OK


def authen(req):
    req.err_headers_out.add("X-Ran", "authen")
    req.user = "joe"
    return apache.OK


def authz(req):
    req.err_headers_out.add("X-Ran", "authz")
    return apache.DECLINED


def disabled(filter):
    filter.disable()


def portion(filter):
    filter.write(b"<%b>" % (filter.read(3 if filter.is_input else 2) or b""))
    filter.disable()


def star(filter):
    data = filter.read()
    while data:
        filter.write(b"*" + data)
        data = filter.read()
    if data is None:
        filter.close()


def idle(filter):
    pass


def shown(req):
    """The document of an error."""
    original = req.subprocess_env["REDIRECT_REQUEST_METHOD"]
    req.err_headers_out["X-Methods"] = f"{req.method} {req.prev.method} {original}"
    req.write(req.read(), 0)
    return apache.OK


def go(req):
    """What the query says, one after the other."""
    req.content_type = "text/plain"
    for deed in req.args.split("&"):
        verb, _, argument = deed.partition("=")
        if verb == "to":
            req.internal_redirect(argument)
        else:
            req.write(argument, verb == "write")
    return apache.OK


def went(req):
    req.content_type = "text/plain"
    name = req.uri.rpartition("/")[2]
    if name == "prev":
        req.prev.write("prev,")
        req.write("this")
    elif name == "mixed":
        req.write("1", 0)
        req.prev.write("2", 0)
        req.write("3")
        req.prev.write("4")
        req.write("5")
    elif name == "file":
        req.prev.sendfile(req.prev.document_root() + "/long.txt")
        req.prev.flush()
        req.write("this")
    else:
        req.write(name, 0)
    return apache.OK


def path(req):
    req.content_type = "text/plain"
    req.write(f"{req.uri} {req.path_info} {req.filename and req.filename.rpartition('/')[2]}")
    return apache.OK


def named(req):
    req.content_type = "text/plain"
    req.write(f"{req.uri} {req.filename.rpartition('/')[2]}{req.path_info}")
    return apache.OK


def handler(req):
    req.content_type = "text/plain"
    if "X-Reads" in req.headers_in:
        req.read(int(req.headers_in["X-Reads"] or 0))
    if "X-Echo" in req.headers_in:
        req.write(req.read())
        return apache.OK
    for line in req.headers_in.get("X-Out", "").split("|"):
        name, _, value = line.partition("=")
        if name:
            table = req.err_headers_out if name.startswith("!") else req.headers_out
            table.add(name.lstrip("!"), value)
    for text in req.headers_in["X-Write"].split("|") if "X-Write" in req.headers_in else ():
        if text == "FLUSH":
            req.flush()
        else:
            req.write(text.encode().decode("unicode_escape"), "X-Wait" not in req.headers_in)
    return int(req.headers_in.get("X-Status", "0"))
'''

FILES: dict[str, str | bytes] = {
    "app.py": APP, "page": "", "any/page": "", "joe/page": "", "group/page": "", "closed/page": "",
    "in/off": "", "in/off-star": "", "in/star-off": "", "in/portion": "", "in/idle": "", "out/off": "", "out/part": "",
    "doc/page": "", "file.txt": "the file", "long.txt": "the file" * 9000, "ext/page": "",
    "slash/f.py": "", "slash/deep/index.py": "",
}  # fmt: skip


@pytest.fixture(scope="module", params=itertools.product(BACKENDS, ("prefork", "worker")), ids="-".join)
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
    with server.connection() as connection:
        for _ in range(2):  # (a file's response is known the second time)
            for target, text in ((path, body), ("/went/c", "c")):
                connection.request("GET", target)
                response = connection.getresponse()
                received = response.read().decode()
                assert (response.status, text or received) == (200 if text is not None else 404, received)


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
