"""Filters through a socket: chains, what a filter is given, failures, lengths and ranges (manual 4.3, 4.5.5, 5.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

STREAMS = '''
from mod_python import apache

def pipe(filter, change):
    data = filter.read()
    while data:
        filter.write(change(data))
        data = filter.read()
    if data is None:
        filter.close()

def upper(filter):
    pipe(filter, bytes.upper)

def star(filter):
    pipe(filter, lambda data: b"*" + data + b"*")

def dash(filter):
    pipe(filter, lambda data: b"-" + data + b"-")

def outputfilter(filter):
    pipe(filter, lambda data: b"{" + data + b"}")

def inputfilter(filter):
    pipe(filter, lambda data: b"[" + data + b"]")

def passed(filter):
    filter.pass_on()

def lines(filter):
    line = filter.readline()
    while line:
        filter.write(b"> " + line)
        line = filter.readline()
    if line is None:
        filter.close()

def calls(filter):
    """Tells what each of its calls was given."""
    while True:
        data = filter.read()
        filter.write(repr(data) + ";")
        if data is None:
            filter.close()
        if not data:
            return

def members(filter):
    filter.write(repr((filter.name, filter.handler, filter.dir, filter.is_input, filter.closed, filter.softspace)))
    filter.write("|%s|%s|%s" % (filter.req.uri, filter.req.interpreter == apache.interpreter, filter.req.phase))
    while filter.read():
        pass
    filter.close()
    for use in (filter.read, filter.readline, filter.flush, lambda: filter.write("x")):
        try:
            use()
        except ValueError as error:
            assert str(error) == "I/O operation on closed filter"
        else:
            raise AssertionError(use)

def types(filter):
    told = []
    for value in (1, None, bytearray(b"x"), memoryview(b"x")):
        try:
            filter.write(value)
        except TypeError:
            told.append(type(value).__name__)
    for change in (lambda: setattr(filter, "own", 1), lambda: setattr(filter, "name", "x")):
        try:
            change()
        except AttributeError:
            told.append("refused")
    filter.softspace = 4
    while filter.read():
        pass
    filter.write("\\xe4 %s %d" % (",".join(told), filter.softspace))
    filter.close()

def early(filter):
    if filter.read() is not None:
        filter.write("enough")
    filter.close()

def never(filter):
    """Forgets to close."""
    data = filter.read()
    if data:
        filter.write(data)

def disabled(filter):
    filter.disable()
    filter.pass_on()

def fails(filter):
    raise ValueError("asked to")

def fails_late(filter):
    if filter.req.uri.endswith("flushed") and filter.read() != b"second":
        filter.write("begun ")
        return
    raise ValueError("at last")

def status(filter):
    data = filter.read()
    if data:
        filter.write(data)
    raise apache.SERVER_RETURN(apache.OK, 404)

def head(filter):
    filter.req.headers_out["X-Filter"] = filter.name
    filter.req.content_type = "text/x-filtered"
    pipe(filter, bytes.upper)

def talks(filter):
    """Writes by the request, which the manual warns of."""
    filter.req.write("never")
    pipe(filter, bytes.upper)

class Kind:
    def __init__(self, filter):
        self.name = filter.name.encode()

    def method(self, filter):
        pipe(filter, lambda data: self.name + b":" + data)

def whole(filter):
    """Wants the whole body."""
    parts = []
    while True:
        data = filter.read()
        if data is None:
            break
        parts.append(data)
    filter.write(b"".join(parts)[::-1])
    filter.close()

def numbered(filter):
    line = filter.readline()
    while line:
        filter.write(b"# " + line)
        line = filter.readline()
    if line is None:
        filter.close()

def swallow(filter):
    while filter.read():
        pass
    filter.close()

def nothing(filter):
    pass

def stuck(filter):
    while True:
        pass
'''

APP = '''
from mod_python import apache, util

def handler(req):
    req.content_type = "text/plain"
    how = req.path_info[1:]
    if how == "flushed":
        req.write("first ")
        req.write("second")
    elif how == "length":
        req.set_content_length(12)
        req.write("first second", 0)
    elif how == "error":
        return 404
    elif how == "raise":
        raise RuntimeError("the handler's")
    elif how == "late":
        req.write("before ")
        return 404
    elif how == "redirect":
        req.internal_redirect("/plain/page.txt")
    elif how == "nocontent":
        req.status = 204
    elif how == "file":
        req.sendfile(req.document_root() + "/plain/page.txt")
    elif how == "dynamic":
        req.register_output_filter("MINE", "streams::members", "/tmp")
        req.add_output_filter("MINE")
        req.write("x", 0)
    elif how == "added":
        req.write("one ", 1)
        req.add_output_filter("star")
        req.add_output_filter("DASH")
        req.write("two", 0)
    elif how == "unknown":
        req.add_output_filter("NOBODY")
        req.add_input_filter("UPPER")
        req.write("as it was", 0)
    elif how == "builtin":
        req.add_output_filter("CONTENT_LENGTH")
        req.write("counted", 0)
    elif how == "types":
        told = []
        for use, arguments in ((req.add_output_filter, (5,)), (req.add_input_filter, (b"x",)),
                               (req.register_output_filter, ("x", 5)), (req.register_input_filter, ("x", "y", 5))):
            try:
                use(*arguments)
            except TypeError:
                told.append("TypeError")
        req.write(" ".join(told))
    elif how == "echo":
        req.write(req.read(), 0)
    else:
        req.write("first ", 0)
        req.write("second", 0)
    return apache.OK

def body(req):
    how = req.path_info[1:]
    if how == "dynamic":
        req.register_input_filter("MINE", "streams::numbered")
        req.add_input_filter("MINE")
    elif how == "added":
        start = req.read(3)
        req.add_input_filter("INSTAR")
        req.write(start + b"|" + req.read(), 0)
        return apache.OK
    elif how == "parts":
        req.write(repr([req.read(4), req.readline(), req.read(2), req.readlines()]), 0)
        return apache.OK
    elif how == "form":
        form = util.FieldStorage(req)
        req.write(repr(sorted(form.keys())), 0)
        return apache.OK
    elif how == "unread":
        req.write("unread", 0)
        return apache.OK
    elif how == "redirect":
        req.internal_redirect("/in/none.py/x")
        return apache.OK
    req.write(req.read(), 0)
    return apache.OK
'''

NAMES = (
    "upper", "star", "dash", "passed", "lines", "calls", "members", "types", "early", "never", "disabled", "fails",
    "fails_late", "status", "head", "talks",
)  # fmt: skip
INPUTS = ("star", "dash", "whole", "numbered", "swallow", "nothing", "fails", "passed", "disabled")


def conf() -> str:
    """One folder for each filter, and some for more."""
    lines = ["DirectoryIndex index.txt", "AddHandler mod_python .py", "PythonHandler app"]
    lines += [f"PythonOutputFilter streams::{name} {name.upper()}" for name in NAMES]
    lines += [f"PythonInputFilter streams::{name} IN{name.upper()}" for name in INPUTS]
    lines += ["PythonOutputFilter streams", "PythonOutputFilter streams::Kind.method KIND"]
    lines.append("PythonInputFilter streams BRACKET")
    for name in NAMES:
        lines.append(f'<Directory "${{WWW}}/{name}">\nSetOutputFilter {name}\n</Directory>')
    for name in INPUTS:
        lines.append(f'<Files "{name}.py">\nSetInputFilter IN{name}\nPythonHandler app::body\n</Files>')
    return "\n".join(lines) + """
        PythonPath "sys.path + ['${WWW}']"
        <Location /elsewhere>
            PythonOutputFilter streams::star APART
        </Location>
        <Directory "${WWW}/debug">
            SetOutputFilter FAILS
            PythonDebug On
        </Directory>
        <Directory "${WWW}/chain">
            SetOutputFilter STAR;DASH
            AddOutputFilter UPPER .txt
            AddOutputFilterByType STREAMS text/plain
        </Directory>
        <Directory "${WWW}/ext">
            AddOutputFilter STAR;UPPER txt
            AddOutputFilter DASH .html .gone
            RemoveOutputFilter .gone
            AddInputFilter INSTAR;INDASH .py
        </Directory>
        <Directory "${WWW}/bytype">
            AddOutputFilterByType STAR text/html
            AddOutputFilterByType DASH;UPPER text/plain text/html
        </Directory>
        <Directory "${WWW}/ht">
            AllowOverride FileInfo
        </Directory>
        <Directory "${WWW}/odd">
            SetOutputFilter NOBODY;STREAMS;KIND
        </Directory>
        <Directory "${WWW}/apart">
            SetOutputFilter APART
        </Directory>
        <Directory "${WWW}/errors">
            SetOutputFilter STAR
            ErrorDocument 404 /upper/page.txt
            ErrorDocument 403 "no entry"
        </Directory>
        <Directory "${WWW}/in">
            PythonHandler app::body
            <Files two.py>
                SetInputFilter INSTAR;INDASH
            </Files>
            <Files bracket.py>
                SetInputFilter bracket
            </Files>
        </Directory>
        <Directory "${WWW}/published">
            SetOutputFilter UPPER
            SetHandler mod_python
            PythonHandler mod_python.publisher
        </Directory>
        <Directory "${WWW}/wsgi">
            SetOutputFilter UPPER
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            PythonOption mod_python.wsgi.application wsgiapp
            PythonOption mod_python.wsgi.base_uri /wsgi
        </Directory>
        <Directory "${WWW}/perdir">
            SetOutputFilter MEMBERS
            PythonInterpPerDirectory On
        </Directory>
    """


PAGE = "one\ntwo\nthree\n"
FOLDERS = (*NAMES, "plain", "debug", "chain", "ext", "bytype", "ht", "odd", "apart", "errors", "in", "perdir")


def site() -> dict[str, str | bytes]:
    """The pages."""
    files: dict[str, str | bytes] = {"streams.py": STREAMS, "app.py": APP, "big.txt": b"0123456789abcde\n" * (1 << 17)}
    for folder in FOLDERS:
        files |= {f"{folder}/app.py": APP, f"{folder}/page.txt": PAGE, f"{folder}/page.html": "<p>text</p>\n"}
    files |= {f"in/{name}.py": "" for name in (*INPUTS, "two", "bracket", "none")}
    files |= {"upper/index.txt": "the index\n", "ext/page.gone": "gone\n", "ht/.htaccess": "SetOutputFilter STAR\n"}
    files |= {"upper/big.txt": files["big.txt"], "passed/big.txt": files["big.txt"], "lines/big.txt": files["big.txt"]}
    files["published/page.py"] = "def hello(req, name='x'):\n    return '<html>hello %s</html>' % name\n"
    files["wsgiapp.py"] = (
        "def application(environ, start_response):\n"
        "    start_response('202 Accepted', [('Content-Type', 'text/plain'), ('Content-Length', '3')])\n"
        "    return [b'ab', b'c']\n"
    )
    files["wsgi/x"] = ""
    return files


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
        PythonRequestTimeout 1
    """
    files: dict[str, str | bytes] = {"streams.py": STREAMS, "page.txt": PAGE, "page.html": PAGE}
    server = start_server(conf, files, mode="foreground")
    assert server.get("/page.html").status == 200
    assert server.get("/page.txt").status == 500
    server.wait_for_log("the request was ended by PythonRequestTimeout (1 s): GET /page.txt")
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


# ---- input

BODY = b"a line\nand=another"


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


# ---- configuration


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("PythonOutputFilter a:b:c NAME", '"a:b:c" is no filter: write module or module::object'),
        ("SetOutputFilter ONE;;TWO", "has an empty name: write FILTER or FILTER;ANOTHER"),
        ("AddOutputFilter ONE", "AddOutputFilter requires at least two arguments"),
        ("AddOutputFilterByType ONE", "AddOutputFilterByType requires at least two arguments"),
        ("PythonInputFilter", "PythonInputFilter takes 1-2 arguments"),
    ],
)
def test_faulty_directives(tmp_path: Path, line: str, told: str) -> None:
    """Named with file and line by -t."""
    server = Server(tmp_path, line + "\n")
    try:
        done = server.command("-t", check=False)
    finally:
        server.close()
    assert done.returncode == 1
    assert told in done.stderr
