"""Python Server Pages through a whole server, in every kind of interpreter (manual 4.9, 6.2)."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

CONF = """
LogLevel debug
PythonOption mod_python.session.session_type FileSession
PythonOption mod_python.session.database_directory "${ROOT}/run"
<Directory "${WWW}/psp">
    AddHandler mod_python .psp .psp_
    PythonHandler mod_python.psp
</Directory>
<Directory "${WWW}/debug">
    AddHandler mod_python .psp .psp_
    PythonHandler mod_python.psp
    PythonDebug On
</Directory>
<Directory "${WWW}/dbm">
    AddHandler mod_python .psp
    PythonHandler mod_python.psp
    PythonOption mod_python.psp.cache_database_filename "${ROOT}/run/psp.dbm"
</Directory>
<Directory "${WWW}/template">
    SetHandler mod_python
    PythonHandler templates
</Directory>
<Directory "${WWW}/pub">
    SetHandler mod_python
    PythonHandler mod_python.publisher
</Directory>
"""

FAULTY = "<b>before</b>\n\n<%\nname = 'x'\n%>\n<i><%= {}[name] %></i>\n"

FILES: dict[str, str | bytes] = {
    # the manual's two examples
    "psp/time.psp": """<html>
<%
import time
%>
Hello world, the time is: <%=time.strftime("%Y-%m-%d, %H:%M:%S")%>
</html>
""",
    "psp/blocks.psp": (
        "<html>\n<%\nfor n in range(3):\n    # This indent will persist\n%>\n<p>This paragraph will be\n"
        "repeated 3 times.</p>\n<%\n# This line will cause the block to end\n%>\n"
        "This line will only be shown once.<br>\n</html>\n"
    ),
    "psp/text.psp": 'é ☃ \\n \\x41 """ \'\r\n',
    "psp/form.psp": "<%= form.getfirst('name', 'nobody') %>|<%= ''.join(form.getlist('n')) %>",
    "psp/apply.psp": "<%\ndef add(a, b):\n    return int(a) + int(b)\n\n%><%= psp.apply_data(add) %>",
    "psp/redirect.psp": "<%\npsp.redirect('/psp/time.psp?x=1')\n%>never seen",
    "psp/moved.psp": "<%\npsp.redirect('/elsewhere', permanent=1)\n%>",
    "psp/forbidden.psp": "text<% raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN) %>",
    "psp/type.psp": "<% req.content_type = 'text/plain; charset=utf-8' %>\nplain",
    "psp/include.psp": '<%@ include file="parts/head.psp" %>body\n<%@ include file="parts/bad.psp" %>',
    "psp/parts/head.psp": "<h1>head</h1>\n",
    "psp/parts/bad.psp": "one\ntwo <%= 1 / 0 %>\n",
    "psp/faulty.psp": FAULTY,
    "psp/syntax.psp": "one\n<%\nx = = 1\n%>\n",
    "psp/guarded.psp": "<% psp.set_error_page('error.psp') %>start <%= 1 / 0 %>",
    "psp/guarded2.psp": "<% psp.set_error_page('/psp/error.psp') %><%= 1 / 0 %>",
    "psp/error.psp": "sorry: <%= exception[0].__name__ %> <%= exception[1] %>",
    # session and form are there where a page names them
    "psp/login.psp": (
        "<%\nif form.has_key('name'):\n    session['name'] = form['name']\n"
        "session['visits'] = session.get('visits', 0) + 1\n%>"
        "<%= session.get('name', 'nobody') %> was here <%= session['visits'] %> times"
    ),
    "psp/logout.psp": "<% session.invalidate() %>bye",
    "psp/failing.psp": "<% session['visits'] = 99 %><%= 1 / 0 %>",
    "psp/nosession.psp": "<%= 'ses' + 'sion' in globals() and globals()['ses' + 'sion'] is None %>",
    "psp/cr.psp": b"<html>\r<%\rfor n in range(2):\r    # in\r%>\r<%= n %>\r<%\r# out\r%>\rend\r",
    "psp/coded.psp": b"<%-- coding: latin-1 --%>caf\xe9 <%= 'caf\xe9' %>",
    "psp/commented.psp": "a<%-- <%= 1 / 0 --%>b<%-- \n --%>c",
    "psp/shown.psp": "<% show = PSP(req, string='x<%= 1 ' + chr(37) + '>') %><%= show.display_code() %>",
    "psp/latin.psp": b"<html>\ncaf\xe9\n",
    "debug/faulty.psp": FAULTY,
    "debug/unwritten.psp": "<b>\n<%\nif x\n%>",
    "debug/including.psp": "one\n\n<%@ include file='included.psp' %>\n",
    "debug/included.psp": "two\n<%= 1 / 0 %>",
    "debug/unended.psp": "<%\nif form:\n    x = 1\n%>\n<% for i in range(2):\n%><b><%= i %></b>\n",
    "debug/beyond.psp": "<%\nimport json; json.loads('')\n%>",
    "debug/page.psp": "<p>\n<% x = 1 < 2 %>\n<%= x %>\n",
    "dbm/page.psp": "<%\nfor n in range(3):\n    # in\n%>\n<%= n %>,\n",
    "dbm/faulty.psp": FAULTY,
    "template/template.html": "<html>\n  <h1>Hello, <%=what%>!</h1>\n</html>\n",
    "template/templates.py": (
        "from mod_python import apache, psp\n"
        "def handler(req):\n"
        "    req.content_type = 'text/html'\n"
        "    template = psp.PSP(req, filename='template.html')\n"
        "    template.run({'what': 'world'})\n"
        "    return apache.OK\n"
    ),
    "pub/index.py": (
        "from mod_python import psp\n"
        "def page(req, name='you'):\n"
        "    return psp.PSP(req, string='<b><%= name %></b>', vars={'name': name})\n"
    ),
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """The pages, in one kind of interpreter."""
    server = start_module_server(CONF, FILES, backend=request.param, mode="foreground")
    yield server
    server.close()


def test_the_first_example(server: Server) -> None:
    page = server.get("/psp/time.psp")
    assert (page.status, page.header("Content-Type")) == (200, "text/html")
    assert re.fullmatch(r"<html>\n\nHello world, the time is: \d{4}-\d\d-\d\d, \d\d:\d\d:\d\d\n</html>\n", page.text)


def test_blocks_repeat_and_the_page_leaves_in_one_piece(server: Server) -> None:
    page = server.get("/psp/blocks.psp")
    part = "\n<p>This paragraph will be\nrepeated 3 times.</p>\n"
    assert page.text == f"<html>\n{part * 3}\nThis line will only be shown once.<br>\n</html>\n"
    assert page.header("Content-Length") == str(len(page.body))
    assert page.header("Transfer-Encoding") is None


def test_text_is_as_it_is_in_the_file(server: Server) -> None:
    page = server.get("/psp/text.psp")
    assert page.text == FILES["psp/text.psp"]


def test_head_has_the_length(server: Server) -> None:
    page = server.request("HEAD", "/psp/text.psp")
    assert (page.status, page.body) == (200, b"")


def test_forms(server: Server) -> None:
    assert server.get("/psp/form.psp").text == "nobody|"
    page = server.request(
        "POST",
        "/psp/form.psp?n=1",
        "name=Zo%C3%AB&n=2",
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert page.text == "Zoë|12"
    assert server.get("/psp/apply.psp?a=20&b=22&c=3").text == "42"


def test_a_page_with_form_and_session(server: Server) -> None:
    first = server.get("/psp/login.psp")
    assert first.text == "nobody was here 1 times"
    cookie = {"Cookie": (first.header("Set-Cookie") or "").partition(";")[0]}
    post = {"Content-Type": "application/x-www-form-urlencoded", **cookie}
    assert server.request("POST", "/psp/login.psp", "name=Zo%C3%AB", post).text == "Zoë was here 2 times"
    # (its lock is given back after each page, also where one fails, which saves nothing)
    assert server.get("/psp/login.psp", cookie).text == "Zoë was here 3 times"
    assert server.get("/psp/failing.psp", cookie).status == 500
    assert server.get("/psp/login.psp", cookie).text == "Zoë was here 4 times"
    assert "expires=Thu, 01-Jan-1970" in (server.get("/psp/logout.psp", cookie).header("Set-Cookie") or "")
    assert server.get("/psp/login.psp", cookie).text == "nobody was here 1 times"
    # pages that don't name one have none
    plain = server.get("/psp/nosession.psp", cookie)
    assert (plain.text, plain.header("Set-Cookie")) == ("True", None)


def test_sources(server: Server) -> None:
    assert server.get("/psp/cr.psp").text.replace("\r", "\n") == "<html>\n\n0\n\n1\n\nend\n"
    assert server.get("/psp/coded.psp").text == "café café"
    assert server.get("/psp/commented.psp").text == "abc"
    assert "&lt;%= 1 %&gt;" in server.get("/psp/shown.psp").text


def test_the_cache_in_memory(server: Server) -> None:
    page = server.write("psp/kept.psp", "one")
    found = page.stat()
    assert server.get("/psp/kept.psp").text == "one"
    # the same page by all that tells: its source is not read again
    page.write_text("two")
    os.utime(page, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert server.get("/psp/kept.psp").text == "one"
    os.utime(page)
    assert server.get("/psp/kept.psp").text == "two"


def test_redirects(server: Server) -> None:
    page = server.get("/psp/redirect.psp")
    assert (page.status, page.header("Location")) == (302, "/psp/time.psp?x=1")
    assert "never seen" not in page.text
    page = server.get("/psp/moved.psp")
    assert (page.status, page.header("Location")) == (301, "/elsewhere")


def test_a_status(server: Server) -> None:
    page = server.get("/psp/forbidden.psp")
    assert page.status == 403
    assert not page.text.startswith("text")


def test_the_page_chooses_its_type(server: Server) -> None:
    assert server.get("/psp/type.psp").header("Content-Type") == "text/plain; charset=utf-8"


def test_a_missing_page(server: Server) -> None:
    assert server.get("/psp/none.psp").status == 404


def test_errors_are_logged_with_the_pages_line(server: Server) -> None:
    page = server.get("/psp/faulty.psp")
    assert page.status == 500
    assert "KeyError" not in page.text
    log = server.wait_for_log("KeyError: 'x'")
    assert f'File "{server.www}/psp/faulty.psp", line 6, in <module>' in log
    assert "<i><%= {}[name] %></i>" in log


def test_syntax_errors_are_logged_with_the_pages_line(server: Server) -> None:
    assert server.get("/psp/syntax.psp").status == 500
    log = server.wait_for_log("SyntaxError: invalid syntax")
    assert f'File "{server.www}/psp/syntax.psp", line 3' in log


def test_errors_of_included_files_name_them(server: Server) -> None:
    # in mod_python and here, names are relative to the page, whichever file includes
    server.write("psp/good.psp", '<%@ include file="parts/head.psp" %>body')
    assert server.get("/psp/good.psp").text == "<h1>head</h1>\nbody"
    assert server.get("/psp/include.psp").status == 500
    log = server.wait_for_log("ZeroDivisionError")
    assert re.search(rf'File "{server.www}/psp/parts/bad.psp", line 2, in <module>', log)
    assert "two <%= 1 / 0 %>" in log


def test_error_pages(server: Server) -> None:
    page = server.get("/psp/guarded.psp")
    assert (page.status, page.text) == (200, "start sorry: ZeroDivisionError division by zero")
    assert server.get("/psp/guarded2.psp").text == "sorry: ZeroDivisionError division by zero"


def test_other_encodings_are_told(server: Server) -> None:
    assert server.get("/psp/latin.psp").status == 500
    log = server.wait_for_log("the page is not utf-8: byte 0xe9")
    assert f'File "{server.www}/psp/latin.psp", line 2' in log


def test_debug_shows_the_error(server: Server) -> None:
    page = server.get("/debug/faulty.psp")
    assert page.status == 500
    assert "<b>before</b>" in page.text
    assert 'Mod_python error: "PythonHandler mod_python.psp"' in page.text
    assert "faulty.psp&quot;, line 6, in &lt;module&gt;" in page.text


@pytest.mark.parametrize(
    ("page", "error", "place"),
    [
        ("faulty", "KeyError: 'x'", "faulty.psp line 6"),
        ("unwritten", "SyntaxError: expected ':'", "unwritten.psp line 3: if x"),
        ("including", "ZeroDivisionError: division by zero", "included.psp line 2"),
        ("beyond", "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", "beyond.psp line 2"),
    ],
)
def test_the_headline_is_the_exception_and_the_place_in_the_page(
    server: Server, page: str, error: str, place: str
) -> None:
    """Of the page that was written, and not of what is made of it; in the log and on the debug page."""
    reply = server.request("GET", f"/debug/{page}.psp", headers={"Accept": "text/html"})
    server.wait_for_log(f"PythonHandler mod_python.psp: {error} ({server.www}/debug/{place}) (interpreter 'localhost')")
    if page in ("unwritten", "beyond"):  # (of the others a part was sent)
        kind, _, text = html.unescape(reply.text).partition("<h1><b>")[2].partition("</b>")
        assert f"{kind}: {text}".startswith(f"{error}</h1>\n<p class=place>{server.www}/debug/{place}</p>\n")


def test_an_error_of_indentation_tells_how_blocks_end(server: Server) -> None:
    reply = server.request("GET", "/debug/unended.psp", headers={"Accept": "text/plain"})
    assert reply.status == 500
    assert "a comment there ends it, as # end" in reply.text
    log = server.wait_for_log("TabError: inconsistent use of tabs and spaces in indentation")
    told = log[log.index("TabError") :].splitlines()[:8]
    assert not [line for line in told if "mod_python/" in line], "nothing of what has compiled it"


def test_debug_shows_the_source(server: Server) -> None:
    page = server.get("/debug/page.psp_")
    assert (page.status, page.header("Content-Type")) == (200, "text/html")
    assert "&lt;% x = 1 &lt; 2 %&gt;</td>" in page.text
    assert server.get("/psp/time.psp_").status == 404


def test_a_changed_page_is_seen_at_once(server: Server) -> None:
    server.write("psp/changing.psp", "one")
    assert server.get("/psp/changing.psp").text == "one"
    server.write("psp/changing.psp", "other<%= 1 %>")
    assert server.get("/psp/changing.psp").text == "other1"


def test_the_dbm_cache(server: Server) -> None:
    for _ in range(3):
        assert server.get("/dbm/page.psp").text == "\n0,\n\n1,\n\n2,\n"
    assert list((server.root / "run").glob("psp.dbm*"))
    for _ in range(2):
        assert server.get("/dbm/faulty.psp").status == 500
    assert server.wait_for_log(f'File "{server.www}/dbm/faulty.psp", line 6, in <module>')
    assert "the cache of pages fails" not in server.log()
    server.write("dbm/page.psp", "new")
    assert server.get("/dbm/page.psp").text == "new"


def test_templates(server: Server) -> None:
    page = server.get("/template/x")
    assert page.text == "<html>\n  <h1>Hello, world!</h1>\n</html>\n"


def test_publisher_returns_a_page(server: Server) -> None:
    page = server.get("/pub/page?name=Zo%C3%AB")
    assert (page.status, page.header("Content-Type"), page.text) == (200, "text/html", "<b>Zoë</b>")
