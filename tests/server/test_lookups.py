"""Sub-requests: index files that are looked for, and parts of pages, are requests of their own (manual 4.5.3).

What is expected is what Apache httpd 2.4 with mod_python does. Only the cleanups of a part run when it is over, not
with those of its page, so that what it holds (the lock of a session) is free for the next one.
"""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server

TRACED = """
PythonHeaderParserHandler app::header
PythonAccessHandler app::access
PythonFixupHandler app::fixup
PythonLogHandler app::log
PythonCleanupHandler app::clean
"""

CONF = f"""
PythonPath "sys.path + ['${{WWW}}']"
PythonOutputFilter app::upper UPPER
PythonInputFilter app::star STAR
AddOutputFilter INCLUDES .shtml
AddType text/html .shtml
<Directory "${{WWW}}">
    Options +Includes
    AddHandler mod_python .py
    PythonHandler app
    DirectoryIndex missing.html no.html index.txt index.py
</Directory>
<Directory "${{WWW}}/traced">
    {TRACED}
</Directory>
<Directory "${{WWW}}/forms">
    Options +MultiViews
    PythonFixupHandler app::forms
</Directory>
<Directory "${{WWW}}/guard">
    PythonFixupHandler app::guard
</Directory>
<Directory "${{WWW}}/ends">
    PythonFixupHandler app::ends
</Directory>
<Directory "${{WWW}}/ends/sole">
    DirectoryIndex challenge.html
</Directory>
<Directory "${{WWW}}/adds">
    PythonAccessHandler app::access
    PythonFixupHandler app::adds
</Directory>
<Directory "${{WWW}}/filtered">
    PythonFixupHandler app::filters
</Directory>
<Directory "${{WWW}}/users">
    PythonFixupHandler app::login
</Directory>
<Directory "${{WWW}}/users/other">
    PythonAuthenHandler app::authen
    AuthType Basic
    AuthName other
    Require valid-user
</Directory>
<Directory "${{WWW}}/known">
    DirectoryIndex missing.html index.py
</Directory>
<VirtualHost *:${{PORT}}>
    ServerName plain.test
</VirtualHost>
<VirtualHost *:${{PORT}}>
    ServerName early.test
    PythonTransHandler app::translate
</VirtualHost>
"""

APP = r'''
from mod_python import apache


def tell(req, what):
    """One line of the log, and a header that errors keep."""
    main = req.main.uri if req.main else "-"
    req.log_error(f"<{what} {req.uri} of {main} {req.protocol}>", apache.APLOG_NOTICE)
    return apache.OK


def mark(req, what):
    place = f"{what}:{req.uri}"
    req.headers_out.add("X-Out", place)
    req.err_headers_out.add("X-Err", place)
    req.notes[what] = req.uri
    req.subprocess_env[what] = req.uri
    req.marks = getattr(req, "marks", []) + [place]
    req.register_cleanup(lambda uri: tell(req, f"cleanup of {uri} at"), place)
    return tell(req, what)


def header(req):
    return mark(req, "header")


def access(req):
    return mark(req, "access")


def fixup(req):
    mark(req, "fixup")
    return apache.HTTP_FORBIDDEN if req.uri.endswith("no.html") else apache.OK


def forms(req):
    """A fixup that leaves look-ups alone, as many are written."""
    if req.main:
        return apache.OK
    req.headers_out.add("X-Main", req.uri)
    return apache.HTTP_GONE if req.args == "gone" else apache.OK


def log(req):
    return tell(req, "log")


def clean(req):
    return tell(req, "clean")


def guard(req):
    """As people write it for what has to happen once."""
    if req.main:
        return apache.OK
    req.headers_out.add("X-Once", req.uri)
    return apache.OK


def ends(req):
    if req.uri.endswith("missing.html") and "302" in (req.args or ""):
        req.headers_out["Location"] = "/elsewhere"
        return apache.HTTP_MOVED_TEMPORARILY
    if req.uri.endswith("challenge.html"):
        req.err_headers_out["WWW-Authenticate"] = 'Own realm="x"'
        return apache.HTTP_UNAUTHORIZED
    if req.uri.endswith(".html"):
        req.headers_out["X-Html"] = req.uri
        req.write("given up", 0)
    return apache.OK


def adds(req):
    """For a phase that is over, and for the content."""
    req.add_handler("PythonAccessHandler", "app::late")
    req.add_handler("PythonHandler", "app::second")
    req.handler = "mod_python"
    return apache.OK


def late(req):
    return mark(req, "late")


def second(req):
    req.write(" second")
    return apache.OK


def filters(req):
    if req.main and req.uri.endswith("index.py"):
        req.add_output_filter("UPPER")
        req.add_input_filter("STAR")
    return apache.OK


def upper(filter):
    data = filter.read()
    while data:
        filter.write(data.upper() + filter.req.uri.encode())
        data = filter.read()
    if data is None:
        filter.close()


def star(filter):
    data = filter.read()
    while data:
        filter.write(b"*" + data)
        data = filter.read()
    if data is None:
        filter.close()


def login(req):
    if not req.main:
        req.user = "joe"
    return apache.OK


def authen(req):
    req.user = "asked"
    return apache.OK


def translate(req):
    tell(req, "translate")
    return apache.DECLINED


def handler(req):
    names = ("header", "access", "fixup")
    req.content_type = "text/plain"
    req.write(req.read().decode(), 0)
    if req.args == "user":
        req.write(str(req.user))
        return apache.OK
    told = [getattr(req, "marks", []), [req.notes.get(name) for name in names]]
    told.append([req.subprocess_env.get(name) for name in names])
    req.write(f"{req.uri} {req.unparsed_uri} {req.main and req.main.uri} {req.protocol} {told}")
    return apache.OK
'''

FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "traced/text/no.html": "never", "traced/text/index.txt": "the text",
    "traced/python/index.py": "",
    "traced/page.shtml": '[<!--#include virtual="part.txt" -->|<!--#include virtual="part.py?a=b" -->|'
                         '<!--#include virtual="inner/part.txt" -->|<!--#include virtual="gone.txt" -->]',
    "traced/part.txt": "part", "traced/part.py": "", "traced/inner/part.txt": "inner",
    "forms/page.txt": "a text", "forms/page.html": "a long page",
    "guard/index.txt": "guarded",
    "ends/sole/challenge.html": "",
    "adds/index.py": "", "filtered/index.py": "",
    "users/page.shtml": '<!--#include virtual="part.py?user" -->,<!--#include virtual="other/part.py?user" -->',
    "users/part.py": "", "users/other/part.py": "", "users/other/index.py": "",
    "known/index.py": "", "known/page.shtml": '<!--#include virtual="/known/" -->',
    "early/index.txt": "early", "early/page.shtml": '<!--#include virtual="index.txt" -->',
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind and MPM."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


def told(server: Server, last: str, below: str) -> list[str]:
    """What was told of the requests below a path, up to a line of one that is over."""
    log = server.wait_for_log(f"<{last}>")
    found = [line.partition("<")[2].rstrip().removesuffix(">") for line in log.splitlines() if "<" in line]
    found = [line for line in found if below in line]
    return found[: found.index(last) + 1]


def values(headers: list[tuple[str, str]], name: str) -> list[str]:
    """All headers of a name."""
    return [value for key, value in headers if key == name]


def test_an_index_is_looked_for_by_requests_of_their_own(server: Server) -> None:
    """The main request's phases and those of each look-up, which has its cleanups; the logs are for one request."""
    at = "/traced/text/"
    reply = server.get(at)
    assert (reply.status, reply.text) == (200, "the text")
    main, sub = "- HTTP/1.1", f"{at} INCLUDED"
    assert told(server, f"clean {at}index.txt of {main}", at) == [
        f"header {at} of {main}",
        f"access {at} of {main}",
        f"fixup {at} of {main}",
        # it is not there, and asked for as if the client had done it
        f"access {at}missing.html of {sub}",
        f"fixup {at}missing.html of {sub}",
        f"cleanup of fixup:{at}missing.html at {at}missing.html of {sub}",
        f"cleanup of access:{at}missing.html at {at}missing.html of {sub}",
        f"clean {at}missing.html of {sub}",
        # the directory let the client in
        f"fixup {at}no.html of {sub}",
        f"cleanup of fixup:{at}no.html at {at}no.html of {sub}",
        f"clean {at}no.html of {sub}",
        f"fixup {at}index.txt of {sub}",
        # the main request has become the one for it
        f"log {at}index.txt of {main}",
        f"cleanup of fixup:{at}index.txt at {at}index.txt of {at}index.txt INCLUDED",
        f"clean {at}index.txt of {at}index.txt INCLUDED",
        f"cleanup of fixup:{at} at {at}index.txt of {main}",
        f"cleanup of access:{at} at {at}index.txt of {main}",
        f"cleanup of header:{at} at {at}index.txt of {main}",
        f"clean {at}index.txt of {main}",
    ]


def test_nothing_is_left_of_a_look_up_that_failed(server: Server) -> None:
    """The headers of the good one come first, then the directory's; attributes are the main request's alone."""
    at = "/traced/python/"
    reply = server.get(at + "?q=1")
    expected = [f"fixup:{at}index.py", f"header:{at}", f"access:{at}", f"fixup:{at}"]
    assert values(reply.headers, "X-Out") == expected
    assert values(reply.headers, "X-Err") == expected
    marks, seen = expected[1:], [at, at, f"{at}index.py"]
    assert reply.text == f"{at}index.py {at}?q=1 None HTTP/1.1 {[marks, seen, seen]}"


def test_what_runs_for_the_main_request_alone(server: Server) -> None:
    reply = server.get("/guard/")
    assert (reply.text, values(reply.headers, "X-Once")) == ("guarded", ["/guard/"])


def test_look_ups_that_were_made_before(server: Server) -> None:
    """Each request has its own: where an application sees them, where nobody does, and with a body."""
    assert [values(server.get("/guard/").headers, "X-Once") for _ in range(3)] == [["/guard/"]] * 3
    at, nothing = "/traced/python/", [[], [None] * 3, [None] * 3]
    replies = [server.get(at + "?q=1") for _ in range(3)]
    assert [values(reply.headers, "X-Err") for reply in replies] == [values(replies[0].headers, "X-Err")] * 3
    assert len({reply.text for reply in replies}) == 1
    index = f"/known/index.py /known/ None HTTP/1.1 {nothing}"
    asked = [("GET", "/known/", None, index), ("POST", "/known/", b"body", f"body{index}"),
             ("GET", "/known/?user", None, "None")] * 3  # fmt: skip
    with server.connection() as client:
        for method, path, body, expected in asked:
            client.request(method, path, body)
            assert client.getresponse().read().decode() == expected
    page = f"/known/index.py /known/ /known/page.shtml INCLUDED {nothing}"
    assert [server.get("/known/page.shtml").text for _ in range(2)] == [page] * 2


def test_forms_of_a_document_are_looked_at_by_requests_of_their_own(server: Server) -> None:
    """The fixups of the form that is chosen run for the main request, which has become the one for it."""
    reply = server.get("/forms/page")
    assert (reply.text, values(reply.headers, "X-Main")) == ("a text", ["/forms/page.txt"])
    reply = server.get("/forms/page?gone")
    assert (reply.status, reply.header("X-Main")) == (410, None)


def test_how_a_look_up_ends(server: Server) -> None:
    """A redirect goes to the client with its headers, and so does the only look-up's challenge."""
    reply = server.get("/ends/?302")
    assert (reply.status, reply.header("Location")) == (302, "/elsewhere")
    reply = server.get("/ends/sole/")
    assert (reply.status, reply.header("WWW-Authenticate")) == (401, 'Own realm="x"')
    reply = server.get("/ends/")
    assert (reply.status, reply.header("X-Html"), "given up" in reply.text) == (404, None, False)


def test_handlers_that_a_directory_adds(server: Server) -> None:
    """Those for a phase that is over never run; the look-ups' own end with them, so that each runs once."""
    reply = server.get("/adds/")
    assert reply.text.startswith("/adds/index.py /adds/ None HTTP/1.1")
    assert reply.text.count(" second") == 1
    assert values(reply.headers, "X-Out") == ["access:/adds/"]
    assert values(server.get("/adds/index.py").headers, "X-Out") == ["access:/adds/index.py"]
    assert "<late /adds/" not in server.log()


def test_filters_that_a_look_up_adds(server: Server) -> None:
    """They are the main request's, as is the body."""
    reply = server.request("POST", "/filtered/?user", b"body")
    assert reply.text == "*BODYNONE/filtered/index.py"


def test_whose_a_sub_request_is(server: Server) -> None:
    """The main request's user is that of a part in the same directory; elsewhere it is asked for."""
    assert server.get("/users/page.shtml").text == "joe,asked"


def test_parts_of_pages(server: Server) -> None:
    """Each has its phases but the header parsers, is let in where its page was, and has its cleanups."""
    at = "/traced/page.shtml"
    reply = server.get(at)
    part = f"/traced/part.py /traced/part.py?a=b {at} INCLUDED"
    assert reply.text.startswith(f"[part|{part}")
    assert "|inner|[an error occurred" in reply.text
    assert values(reply.headers, "X-Out") == [f"header:{at}", f"access:{at}", f"fixup:{at}"]
    found = told(server, f"clean {at} of - HTTP/1.1", at)
    assert [line for line in found if "part.txt" in line and "inner" not in line] == [
        f"fixup /traced/part.txt of {at} INCLUDED",
        f"cleanup of fixup:/traced/part.txt at /traced/part.txt of {at} INCLUDED",
        f"clean /traced/part.txt of {at} INCLUDED",
    ]
    for name in ("part.py", "inner/part.txt", "gone.txt"):
        assert f"clean /traced/{name} of {at} INCLUDED" in found
        assert f"header /traced/{name} of {at} INCLUDED" not in found
        assert (f"access /traced/{name} of {at} INCLUDED" in found) == (name != "part.py")
    assert not [line for line in found if line.startswith("log") and "INCLUDED" in line]


def test_translation_handlers_run_for_all_sub_requests(server: Server) -> None:
    assert server.get("/early/", host="early.test").text == "early"
    assert server.get("/early/page.shtml", host="early.test").text == "early"
    log = server.wait_for_log("<translate /early/index.txt of /early/page.shtml INCLUDED>")
    assert log.count("<translate /early/index.txt of /early/ INCLUDED>") == 1
    assert log.count("<translate /early/missing.html of /early/ INCLUDED>") == 1
