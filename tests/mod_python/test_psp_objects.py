"""The PSP class and its handler, included files and caches (manual 4.9, 6.2), without a server."""

from __future__ import annotations

import contextlib
import dbm
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mod_python import psp
from mod_python._psp import cache, pages
from mod_python._psp.compiler import compile_page
from mod_python._psp.parser import parse
from mpserver.api.constants import SERVER_RETURN

Make = Callable[..., Any]


class Plain:
    """The least that a page needs: for strings."""

    filename = "/srv/www/page.psp"

    def __init__(self) -> None:
        self.written: list[Any] = []

    def write(self, data: str | bytes, flush: int = 1) -> None:
        self.written.append(data)

    @property
    def text(self) -> str:
        return "".join(self.written)


def last_line(error: BaseException) -> tuple[str, int | None, str | None]:
    """File, line and source of the innermost frame of a traceback."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return frame.filename, frame.lineno, frame.line


# ---- PSP


@pytest.fixture
def page_request(tmp_path: Path, make_request: Make) -> Make:
    """Makes a request for a page that it writes first."""

    def make(text: str | bytes, name: str = "page.psp", **members: Any) -> Any:
        file = tmp_path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        flushed: list[int] = []
        members = {"document_root": lambda: str(tmp_path), "flush": lambda: flushed.append(1), **members}
        return make_request(filename=str(file), flushed=flushed, server=None, **members)

    return make


def test_handler_runs_the_file(page_request: Make) -> None:
    req = page_request("<b><%= __file__ %></b>")
    assert psp.handler(req) == 0
    assert (req.content_type, req.text) == ("text/html", f"<b>{req.filename}</b>")
    assert [flush for _, flush in req.written] == [0]


def test_a_missing_file_is_404(page_request: Make, outcome: Make) -> None:
    req = page_request("x")
    req.filename += "x"
    assert outcome(psp.handler, req) == (404,)
    assert outcome(psp.PSP, req, filename="none.psp") == (404,)
    assert outcome(psp.PSP, req, filename=os.path.dirname(req.filename)) == (404,)
    req.filename = None
    assert outcome(psp.handler, req) == (404,)


def test_file_and_string_exclude_each_other(page_request: Make) -> None:
    with pytest.raises(ValueError, match="Must specify either filename or string"):
        psp.PSP(page_request("x"), filename="a", string="b")


def test_an_empty_string_is_a_page(page_request: Make) -> None:
    req = page_request("file")
    psp.PSP(req, string="").run()
    assert req.text == ""


def test_templates_have_variables(page_request: Make, tmp_path: Path) -> None:
    (tmp_path / "template.html").write_text("<h1>Hello, <%=what%> <%=who%>!</h1>")
    req = page_request("x")
    psp.PSP(req, filename="template.html", vars={"what": "a", "who": "b"}).run({"what": "world"})
    assert req.text == "<h1>Hello, world b!</h1>"


def test_variables_may_replace_req(page_request: Make) -> None:
    req, other = page_request("a<%= 1 %>"), Plain()
    psp.PSP(req).run({"req": other})
    assert (req.text, other.text) == ("", "a1")


def test_pages_see_the_modules_names(page_request: Make) -> None:
    req = page_request("<%= [apache.OK, util.__name__, sys.__name__] %> <%= __mp_info__.file %> <%= __mp_path__ %>")
    psp.handler(req)
    assert req.text == f"[0, 'mod_python.util', 'sys'] {req.filename} []"


def test_pages_see_modules_that_they_name(page_request: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_apache", ModuleType("_apache"))
    names = ["types", "tempfile", "marshal", "dbm", "_apache", "Session"]
    req = page_request(f"<%= [m.__name__ for m in ({', '.join(names)})] %><%= form %><%= psp.form %>")
    psp.handler(req)
    assert req.text == f"{[*names[:-1], 'mod_python.Session']}{req.form}{req.form}"


def test_form_is_none_where_the_page_does_not_name_it(page_request: Make) -> None:
    req = page_request("<%= globals()['form'] %> <%= psp.apply_data(lambda a: a) %>")
    req.args = "a=1"
    psp.handler(req)
    assert req.text == "None 1"
    req = page_request("<%= psp.form['a'] %> <%= psp.form is req.form %>")
    req.args = "a=1"
    psp.handler(req)
    assert req.text == "1 True"


def test_runs_do_not_see_each_others_variables(page_request: Make) -> None:
    page = psp.PSP(page_request("<%= 'x' in globals() %><% x = 1 %>"))
    page.run()
    page.run()
    assert page.req.text == "FalseFalse"  # type: ignore[attr-defined]


def test_flush(page_request: Make) -> None:
    req = page_request("x")
    psp.PSP(req).run(flush=1)
    assert req.flushed == [1]


def test_str_runs_the_page_as_html(page_request: Make) -> None:
    req = page_request("x")
    assert str(psp.PSP(req)) == ""
    assert (req.text, req.content_type) == ("x", "text/html")


# ---- form


def test_the_form_is_made_on_demand(page_request: Make) -> None:
    req = page_request("<%= form['a'] %>|<%= form['b'] %>")
    req.args = "a=1&b="
    psp.handler(req)
    assert req.text == "1|"
    without = page_request("x")
    psp.handler(without)
    assert not hasattr(without, "form")


def test_a_form_that_is_there_is_used(page_request: Make) -> None:
    req = page_request("<%\ndef f():\n    return form['a']\n# out\n%><%= f() %>", form={"a": "mine"})
    psp.handler(req)
    assert req.text == "mine"


def test_apply_data(page_request: Make) -> None:
    req = page_request("<%= psp.apply_data(lambda name, req, more: (name, req.args, more), more=3) %>")
    req.args = "name=spam&other=1"
    psp.handler(req)
    assert req.text == "('spam', 'name=spam&other=1', 3)"


# ---- sessions


class FakeSession(dict[str, Any]):
    """Notes what is done with it."""

    def __init__(self, req: Any) -> None:
        super().__init__()
        self.done: list[str] = []
        req.made = self

    def save(self) -> None:
        self.done.append("save")

    def unlock(self) -> None:
        self.done.append("unlock")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """`FakeSession` in place of mod_python.Session."""
    module: Any = ModuleType("mod_python.Session")
    module.Session = FakeSession
    monkeypatch.setitem(sys.modules, "mod_python.Session", module)


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize(
    ("page", "done"),
    [
        ("<% session['a'] = req.session is session %>", ["save", "unlock"]),
        ("<% req.session['a'] = 1 %>", ["save", "unlock"]),
        ("<% session['a'] = 1; psp.redirect('/') %>", ["save", "unlock"]),
        ("<% session['a'] = 1; raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN) %>", ["unlock"]),
        ("<% session['a'] = 1; 1/0 %>", ["unlock"]),
        ("<%\ndef f(kept=session):\n    return kept\n%>x<%\n%>", ["save", "unlock"]),
    ],
)
def test_a_session_is_made_on_demand_saved_and_unlocked(page_request: Make, page: str, done: list[str]) -> None:
    req = page_request(page)
    try:
        psp.handler(req)
    except (SERVER_RETURN, ZeroDivisionError):
        pass
    assert req.made.done == done
    assert not hasattr(req, "session")


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize(
    "page",
    [
        "<% db = types.SimpleNamespace(session=1, form=2) %><%= db.session + db.form %>",
        "<%\ndef f():\n    return session, form\n#\n%>3",
        "<%\nclass A:\n    session = form = 3\n#\n%><%= A.session %>",
        "<% f = lambda: (session, form) %>3",
        "<%= 3 %><% every = (session for form in ()) %>",
    ],
)
def test_only_a_pages_own_names_make_a_session_and_a_form(page_request: Make, page: str) -> None:
    req = page_request(page, method="POST", headers={"Content-Type": "text/x-none", "Content-Length": "3"})
    psp.handler(req)
    assert (req.text, hasattr(req, "session"), hasattr(req, "form")) == ("3", False, False)


@pytest.mark.usefixtures("sessions")
def test_names_in_comprehensions_are_the_pages_own(page_request: Make) -> None:
    req = page_request("<%= [str(form.getfirst('a')) for _ in (1,)] %><%= [x for x in session] %>")
    req.args = "a=1"
    psp.handler(req)
    assert req.text == "['1'][]"


@pytest.mark.usefixtures("sessions")
def test_a_session_that_is_there_is_saved_only() -> None:
    req: Any = Plain()
    req.session = session = FakeSession(req)
    psp.PSP(req, string="<%= session is req.session %>").run()
    assert (req.text, session.done, req.session) == ("True", ["save"], session)


@pytest.mark.usefixtures("sessions")
def test_pages_without_session_have_none(page_request: Make) -> None:
    req = page_request("<%= globals()['session'] %> <%= Session.Session.__name__ %>")
    psp.handler(req)
    assert (req.text, hasattr(req, "made")) == ("None FakeSession", False)


# ---- redirects and error pages


def test_redirect(page_request: Make, outcome: Make) -> None:
    req = page_request("<%\npsp.redirect('http://example.com/?a=1&b')\n%>more")
    assert outcome(psp.handler, req) == (-2,)
    assert (req.status, req.err_headers_out["Location"]) == (302, "http://example.com/?a=1&b")
    req = page_request("<% psp.redirect('/x', permanent=1) %>")
    assert outcome(psp.handler, req) == (-2,)
    assert req.status == 301


def test_redirect_after_output(page_request: Make) -> None:
    req = page_request("x<% req.write('y') %><% psp.redirect('/') %>")
    with pytest.raises(OSError, match="Cannot redirect after headers have already been sent"):
        psp.handler(req)


def test_what_a_page_finds_as_psp(page_request: Make) -> None:
    req = page_request("<%= type(psp) %>")
    psp.handler(req)
    assert psp.PSPInstance.__name__ in req.text


def test_error_page(page_request: Make, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    error = "<%= exception[0].__name__ %>: <%= exception[1] %>, line <%= exception[2].tb_next.tb_lineno %>"
    (tmp_path / "error.psp").write_text(error)
    for name, page in {
        "beside.psp": "\n<% psp.set_error_page('error.psp') %>\n<% {}['key'] %>",
        "sub/root.psp": "\n<% psp.set_error_page('/error.psp') %>\n<% {}['key'] %>",
    }.items():
        req = page_request(page, name)
        psp.handler(req)
        assert req.text == "\n\nKeyError: 'key', line 3"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("raise apache.SERVER_RETURN(apache.HTTP_GONE)", "SERVER_RETURN"),
        ("psp.redirect('/')", "SERVER_RETURN"),
        ("sys.exit(3)", "SystemExit"),
    ],
)
def test_ends_meet_the_error_page(page_request: Make, tmp_path: Path, end: str, told: str) -> None:
    (tmp_path / "error.psp").write_text("|<%= exception[0].__name__ %>")
    req = page_request(f"a<% psp.set_error_page('error.psp'); {end} %>b")
    assert psp.handler(req) == 0
    text, _, named = req.text.partition("|")
    assert (text[0], "b" in text.replace("browser", ""), named) == ("a", False, told)


def test_ends_without_an_error_page(page_request: Make, outcome: Make) -> None:
    assert outcome(psp.handler, page_request("<% raise apache.SERVER_RETURN(apache.HTTP_GONE) %>")) == (410,)
    with pytest.raises(SystemExit):
        psp.handler(page_request("<% sys.exit() %>"))


def test_the_original_exception_comes_out(page_request: Make) -> None:
    with pytest.raises(UnicodeDecodeError) as error:  # its constructor takes five arguments
        psp.handler(page_request("a\n<% b'\\xff'.decode() %>"))
    assert any(frame.lineno == 2 for frame in traceback.extract_tb(error.value.__traceback__))


# ---- include


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Pages that include each other."""
    (tmp_path / "sub").mkdir()
    for name, text in {
        "head.psp": "<h1><%= title %></h1>\n",
        "fail.psp": "one\ntwo\n  <%= 1 / 0 %>",
        "wrong.psp": "one\n<% x = = 1 %>",
        "define.psp": "\n<%\ndef broken():\n    return {}['gone']\n\n%>",
        "loop.psp": "<%\nfor i in 1, 2:\n    # goes on\n%>[",
        "outer.psp": 'o<%@ include file="sub/inner.psp" %>o',
        "sub/inner.psp": 'i<%@ include file="head.psp" %>i',
        "self.psp": '\n<%@ include file="self.psp" %>',
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_include(page_request: Make, site: Path) -> None:
    page = '<% title = "T" %>a<%@ include file="head.psp"%>b<%@include  file = \'head.psp\' %>c'
    req = page_request(page)
    psp.handler(req)
    assert req.text == "a<h1>T</h1>\nb<h1>T</h1>\nc"


def test_include_by_an_absolute_path_and_from_included_files(page_request: Make, site: Path) -> None:
    req = page_request(f'<% title = 1 %><%@ include file="{site}/outer.psp" %>')
    psp.handler(req)
    assert req.text == "oi<h1>1</h1>\nio"


def test_included_code_is_part_of_the_page(page_request: Make, site: Path) -> None:
    loop = '<%@ include file="loop.psp" %><%= i %>]<%\n%>'
    req = page_request(f'<%\nfor title in 1, 2:\n    # in\n%><%@ include file="head.psp" %><%\n%>|{loop}')
    psp.handler(req)
    assert req.text == "<h1>1</h1>\n<h1>2</h1>\n|[1][2]"


def test_strings_include_beside_the_requests_file(page_request: Make, site: Path) -> None:
    req = page_request("x")
    psp.PSP(req, string='<%@ include file="head.psp" %>', vars={"title": 1}).run()
    assert req.text == "<h1>1</h1>\n"


def test_a_changed_include_is_seen(page_request: Make, site: Path) -> None:
    req = page_request('<%@ include file="head.psp" %>')
    psp.PSP(req).run({"title": 1})
    (site / "head.psp").write_text("new")
    psp.PSP(req).run()
    assert req.text == "<h1>1</h1>\nnew"


@pytest.mark.parametrize(
    ("name", "file", "line", "source"),
    [("fail.psp", "fail.psp", 3, "<%= 1 / 0 %>"), ("define.psp", "define.psp", 4, "return {}['gone']")],
)
def test_tracebacks_name_the_included_file(
    page_request: Make, site: Path, name: str, file: str, line: int, source: str
) -> None:
    req = page_request(f'a\n<%@ include file="head.psp" %><%@ include file="{name}" %>b\n\n<% broken() %>')
    with pytest.raises((ZeroDivisionError, KeyError)) as error:
        psp.PSP(req).run({"title": 1})
    assert last_line(error.value) == (str(site / file), line, source)
    names = {frame.filename for frame in traceback.extract_tb(error.value.__traceback__)}
    assert names <= {__file__, psp.__file__, req.filename, str(site / file)}


def test_lines_after_an_include_are_right(page_request: Make, site: Path) -> None:
    req = page_request('a\n<%@ include file="head.psp" %>\nb <%= {}[1] %>')
    with pytest.raises(KeyError) as error:
        psp.PSP(req).run({"title": 1})
    assert last_line(error.value) == (req.filename, 3, "b <%= {}[1] %>")


@pytest.mark.parametrize(
    ("page", "file", "line", "message"),
    [
        ('\n\n<%@ include file="none.psp" %>', "page.psp", 3, "No such file"),
        ('\n<%@ include file="sub" %>', "page.psp", 2, "directory"),
        ('\n<%@ include file="self.psp" %>', "self.psp", 2, "includes itself"),
        ('\n<%@ include file="wrong.psp" %>', "wrong.psp", 2, "invalid syntax"),
        ('\n<%@ include file="page.psp" %>', "page.psp", 2, "includes itself"),
        ('\n<%@ include file="a\0b" %>', "page.psp", 2, "can't include"),
    ],
)
def test_errors_of_includes(page_request: Make, site: Path, page: str, file: str, line: int, message: str) -> None:
    with pytest.raises(SyntaxError, match=message) as error:
        psp.handler(page_request(page))
    assert (error.value.filename, error.value.lineno) == (str(site / file), line)


# ---- parse and parsestring


def test_parse_joins_directory_and_name_as_they_are(site: Path) -> None:
    made = 'req.write("""<h1>""",0)\nreq.write(str( title ),0)\nreq.write("""</h1>\n""",0)\n'
    assert psp.parse("head.psp", f"{site}/") == made
    assert psp.parse("psp", f"{site}/head.") == psp.parse("head.psp", f"{site}/")
    assert psp.parse(f"{site}/head.psp") == psp.parse("head.psp", f"{site}/")


def test_without_a_directory_includes_must_be_absolute(site: Path) -> None:
    with pytest.raises(SyntaxError, match="must be absolute"):
        psp.parse(f"{site}/outer.psp")
    with pytest.raises(SyntaxError, match="must be absolute"):
        psp.parsestring('<%@ include file="head.psp" %>')
    assert "title" in psp.parsestring(f'<%@ include file="{site}/head.psp" %>')


def test_parsestring_takes_bytes_too() -> None:
    assert psp.parsestring("é".encode()) == psp.parsestring("é") == 'req.write("""é""",0)\n'


# ---- showing the source


def test_display_code(page_request: Make) -> None:
    req = page_request("<p>\n<%\nfor x in 1, 2:\n%>\n<%= x < 2 %>\n")
    shown = psp.PSP(req).display_code()
    assert shown.startswith("<!DOCTYPE html>")
    assert '<td class="page">for x in 1, 2:</td><td class="code">for x in 1, 2:</td>' in shown
    assert '<td class="page">&lt;%= x &lt; 2 %&gt;</td><td class="code">\treq.write(str( x &lt; 2 ),0)' in shown
    assert "a&amp;b" in psp.PSP(req, string="a&b").display_code()


@pytest.mark.parametrize(("debug", "shown"), [("1", True), ("0", False), (None, False)])
def test_the_source_is_shown_under_debug_only(
    page_request: Make, outcome: Make, debug: str | None, shown: bool
) -> None:
    req = page_request("<% secret = 1 %>", config={} if debug is None else {"PythonDebug": debug})
    req.filename += "_"
    assert outcome(psp.handler, req) == ((0,) if shown else (404,))
    assert ("secret" in req.text) is shown


# ---- the caches


def test_a_page_is_compiled_once_until_it_changes(page_request: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    real = pages.compiled

    def noted(name: str) -> Any:
        compiled.append(name)
        return real(name)

    monkeypatch.setattr(pages, "compiled", noted)
    req = page_request("a")
    for _ in range(3):
        psp.PSP(req).run()
    assert len(compiled) == 1
    before = os.stat(req.filename)
    Path(req.filename).write_text("bb")  # of another size at the same time
    os.utime(req.filename, ns=(before.st_atime_ns, before.st_mtime_ns))
    psp.PSP(req).run()
    Path(req.filename).write_text("cc")  # of the same size at another time
    os.utime(req.filename, ns=(1, 1))
    psp.PSP(req).run()
    assert (len(compiled), req.text) == (3, "aaabbcc")


def compiled(text: str) -> Any:
    """A page as the caches keep it."""
    return compile_page(parse("x", text, None))


def test_the_memory_cache_is_bounded_and_keeps_what_is_asked_for() -> None:
    kept = cache.MemoryCache()
    page = compiled("x")
    for number in range(2000):
        kept.store(number, page, None)
        assert kept.get(0, None) is page
    assert len(kept) == cache.SIZE == 512
    assert kept.get(1, None) is None
    assert kept.get(1999, None) is page


@pytest.mark.parametrize("option", ["mod_python.psp.cache_database_filename", "PSPDbmCache"])
def test_the_dbm_cache(page_request: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    options = {option: str(tmp_path / "cache" / "psp.dbm")}
    (tmp_path / "cache").mkdir()
    (tmp_path / "part.psp").write_text("part")
    req = page_request('a<%@ include file="part.psp" %><%= 1 / int(req.uri) %>', options=options, uri="1")
    psp.PSP(req).run()
    assert all((path.stat().st_mode & 0o777) == 0o600 for path in (tmp_path / "cache").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(pages, "compiled", lambda name: pytest.fail("it is in the cache"))
        psp.PSP(req).run()
        req.uri = "0"
        with pytest.raises(ZeroDivisionError) as error:
            psp.PSP(req).run()
        assert last_line(error.value)[:2] == (req.filename, 1)
    (tmp_path / "part.psp").write_text("other")
    req.uri = "1"
    psp.PSP(req).run()
    Path(req.filename).write_text("new")
    psp.PSP(req).run()
    assert req.text == "apart1.0apart1.0apartaother1.0new"
    assert req.logged == []


def test_a_dbm_file_that_others_can_write_is_not_used(page_request: Make, tmp_path: Path) -> None:
    file = tmp_path / "psp.dbm"
    file.touch(0o666)
    file.chmod(0o666)
    req = page_request("a", options={pages.CACHE_OPTIONS[0]: str(file)})
    psp.PSP(req).run()
    assert req.text == "a"
    [(line, level)] = req.logged
    assert "nobody else can write" in line
    assert level == 4
    assert file.read_bytes() == b""


def test_a_broken_dbm_file_does_no_harm(page_request: Make, tmp_path: Path) -> None:
    file = tmp_path / "psp.dbm"
    file.write_bytes(b"no dbm file at all, but long enough to be looked at")
    req = page_request("a", options={pages.CACHE_OPTIONS[0]: str(file)})
    psp.PSP(req).run()
    assert (req.text, len(req.logged)) == ("a", 1)


@pytest.mark.parametrize("damage", [b"", b"1", cache.FORMAT, cache.FORMAT + b"\x00", cache.FORMAT + b"(\x01"])
def test_records_of_others_are_no_pages(tmp_path: Path, damage: bytes) -> None:
    file = str(tmp_path / "psp.dbm")
    kept = cache.FileCache(file, contextlib.nullcontext)
    state = (1, 2)
    page = compiled("a<%= 1 %>")
    kept.store("/x", page, state)
    found = kept.get("/x", state)
    assert found is not None
    assert (found.names, found.code) == (page.names, page.code)
    assert kept.get("/x", (1, 3)) is None
    assert kept.get("/y", state) is None
    with dbm.open(file, "c") as database:
        database[b"/x"] = damage
    assert kept.get("/x", state) is None


def test_the_pools_lock_guards_the_dbm_file(page_request: Make, tmp_path: Path, lent: SimpleNamespace) -> None:
    class Recorded:
        def __init__(self, *args: Any) -> None:
            self.args = args

        def __enter__(self) -> None:
            lent.calls.append(("lock", self.args))

        def __exit__(self, *_: object) -> None:
            lent.calls.append(("unlock", self.args))

    lent.global_lock = Recorded
    req = page_request("a", options={pages.CACHE_OPTIONS[0]: str(tmp_path / "psp.dbm")})
    psp.PSP(req).run()
    assert lent.calls == [("lock", (None, None, 0)), ("unlock", (None, None, 0))] * 2
