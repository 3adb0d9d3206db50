"""The language of Python Server Pages (manual 4.9): what pages write, and how their errors are told."""

from __future__ import annotations

import re
import traceback
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mod_python import psp
from mod_python._psp.files import decode
from mod_python._psp.generated import Generated, SourcePlace


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


def output(page: str | bytes, **scope: Any) -> str:
    """What a page writes."""
    req: Any = Plain()
    psp.PSP(req, string=page).run(scope)
    return str(req.text)


# ---- the manual's examples


def test_code_and_expressions() -> None:
    page = '<html>\n<%\nimport time\n%>\nHello world, it is: <%=time.strftime("%Y", (1999,) + (1,) * 8)%>\n</html>\n'
    assert output(page) == "<html>\n\nHello world, it is: 1999\n</html>\n"


REPEATED = "<html>\n\n<p>This paragraph will be\nrepeated 3 times.</p>\n" + (
    "\n<p>This paragraph will be\nrepeated 3 times.</p>\n" * 2
)


@pytest.mark.parametrize(
    "page",
    [
        """<html>\n<%\nfor n in range(3):\n    # This indent will persist\n%>\n<p>This paragraph will be
repeated 3 times.</p>\n<%\n# This line will cause the block to end\n%>\nonce<br>\n</html>\n""",
        """<html>\n<%\nfor n in range(3):\n%>\n<p>This paragraph will be
repeated 3 times.</p>\n<%\n%>\nonce<br>\n</html>\n""",
    ],
    ids=["comments", "colon"],
)
def test_blocks(page: str) -> None:
    assert output(page) == REPEATED + "\nonce<br>\n</html>\n"


def test_the_python_is_shown_with_the_text_in_its_place() -> None:
    page = "<html>\n<%\nfor n in range(3):\n    # in\n%>\n<p><%=n%></p>\n<%\n# out\n%>\nonce\n"
    assert psp.parsestring(page) == (
        'req.write("""<html>\n""",0)\n'
        "for n in range(3):\n    # in\n"
        '    req.write("""\n<p>""",0)\n'
        "    req.write(str(n),0)\n"
        '    req.write("""</p>\n""",0)\n'
        "# out\n"
        'req.write("""\nonce\n""",0)\n'
    )


# ---- indentation


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<%\nif 1:\n    x = 1\n%>a<%\nelse:\n%>b<%\n%>c", "ac"),
        ("<%\nif 0:\n    x = 1\n%>a<%\nelse:\n%>b<%\n%>c", "bc"),
        ("<%\nfor i in 1, 2:\n  for j in 3, 4:\n%>x<%\n  # inner ends\n%>y<%\n%>z", "xxyxxyz"),
        ("<%\nfor i in 1, 2:\n\n%>x<%\n%>y", "xxy"),
        ("<%\nfor i in 1, 2:\n  # in\n\n%>x", None),  # the blank line is the last one: no block is left
        ("<%\nfor i in 1, 2:\n    # in\n    \n%>x<%\n%>y", "xxy"),
        ("<%\nfor i in 1, 2: # comment\n%>x<%\n%>y", "xxy"),
        ("<%\nfor i in 1, 2:   \n%>x<%\n%>y", "xxy"),
        ("<%\nfor i in 1, 2:%>x<%\n%>y", "xxy"),
        ("<% for i in 1, 2: %>x<%= i %><% k = i %>z<%\n%><%= k %>", "x1zx2z2"),
        ("<%\nx = 'a:'\n%>t", "t"),
        ("<%\n# no block:\n%>t", "t"),
        ("<%\nx = 'it''s # no comment:'\n%>t", "t"),
        ("<%\nif 1: # it's a \"comment\n%>t<%\n%>", "t"),
        ("<% x = 1 # comment %>t<%= x # one more %>u", "t1u"),
        ("<%\nx = 1\ny = 2%>t<%= y %>", "t2"),
        ("<%\nif 1:\n    x = 1\n    %>t<%\nelse:\n    %>u<%\n%>v", "tv"),
        # blanks before %> count twice, where a block is so deep
        ("<%\nfor i in 1, 2:\n    x = 1\n  %>t<%\n%>u", "ttu"),
        ("<%\nif 1:\n\t\tif 1:\n\t %>t<%\n%>u", "tu"),
        ("<%\nif 1:\n  if 1:\n\t%>t<%\n%>u", "tu"),
        ("<%\nif 1:\n\t\tif 0:\n\t\t\tif 1:\n\t\t%>t<%\n%>u", "u"),
        ("<%\nfor i in 1, 2:\n%><%\n%>y", "y"),
        ("<% x = 1\t%>t<%= x\t%>", "t1"),
        # what is left out at the end
        ("a<% req.write('b')", "ab"),
        ("a<%\nfor i in 1, 2:\n    req.write('b')\n", "abb"),
        ("a<%", "a"),
        ("<%\nfor i in 1, 2:\n%>", ""),
        ("<%\nfor i in 1, 2:\n    # in\n%><% x = i %><%\n%><%= x %>", "2"),
        ("<%%>x<% %>y<%\n%>z", "xyz"),
        ("<%\ndef item(x):\n%><li><%= x %></li><%\n%><% item(1) %>, <%= item(2) or '' %>", "<li>1</li>, <li>2</li>"),
        ("<%\ntry:\n%>a<%= 1 / 0 %>b<%\nexcept ZeroDivisionError:\n%>c<%\nfinally:\n%>d<%\n%>", "acd"),
        ("<%\nmatch 3:\n  case 3 if str(1):\n%>three<%\n%>.", "three."),
        ("<%\nn = 0\nwhile n < 3:\n    n += 1\n%><%= n %>,<%\nelse:\n%>end<%\n%>", "1,2,3,end"),
        ("<%\nwhile True:\n%>a<%\n\tbreak\n%>", "a"),
        ("<%\r\nfor i in 1, 2:\r\n%>x<%\r\n%>y\r\n", "xxy\r\n"),
        ("<%\rfor i in 1, 2:\r    # in\r    \r%>x<%\r%>y\r", "xxy\r"),
    ],
)  # fmt: skip
def test_indentation(page: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(IndentationError):
            output(page)
    else:
        assert output(page) == expected


# ---- text


@pytest.mark.parametrize(
    "text",
    [
        r"\n \t \x41 \\ \" \N{DIGIT ONE} \u00e9 \1", '"""', '"', 'a"', '""""', "'''", "\\", "\r", "\r\n", "a\r\rb\n\r",
        "é ☃ 𝄞", "\0", "%> <\\% %\\>", "{x} {{ %s %(a)s", "\x0c\x1c\x85\u2028", "", "\n", "\ufeff",
    ],
)  # fmt: skip
def test_text_is_plain(text: str) -> None:
    assert output(text) == text
    assert output(f"{text}<%= 1 %>{text}") == f"{text}1{text}"


@given(st.text().filter(lambda text: "<%" not in text))
def test_text_without_tags_comes_out_as_it_went_in(text: str) -> None:
    assert output(text) == text
    assert output(f"<%= 'a' %>{text}<%-- c --%>") == f"a{text}"


def test_comments_are_no_part_of_the_page() -> None:
    assert output("a<%-- <% 1/0 %> %> \n -- --%>b<%----%>c<%--%>d--%>e") == "abce"
    assert "secret" not in psp.parsestring("a<%-- secret --%>b")


def test_an_include_without_quotes_is_none_and_told() -> None:
    with pytest.warns(SyntaxWarning, match='write <%@ include file="head.html" %>') as noticed:
        assert output("a\n<%@ include file=head.html %>b") == "a\nb"
    assert [(w.filename, w.lineno) for w in noticed] == [("__psp__", 2)]


def test_other_directives_are_ignored() -> None:
    assert output('<%@ page language="python" %>x<%@%>') == "x"


# ---- encodings


def test_bytes_are_utf_8() -> None:
    assert output("é<%='☃'%>".encode()) == "é☃"
    assert output(b"\xef\xbb\xbf<% x = 1 %>a") == "a"


def test_a_comment_names_another_encoding() -> None:
    assert decode("<%-- coding: latin-1 --%>é".encode("latin-1"), "x") == "<%-- coding: latin-1 --%>é"
    assert decode("<html>\n<% # -*- coding: iso-8859-15 -*- %>€".encode("iso-8859-15"), "x").endswith("€")
    # only in a comment, only at the top
    late = "<% coding=1 %>\n\n<%-- coding: latin-1 --%>é"
    assert decode(late.encode(), "x") == late


@pytest.mark.parametrize(
    ("page", "line", "message"),
    [
        (b"a\r\nb\rc\n\xe9", 4, "not utf-8: byte 0xe9"),
        (b"<%-- coding: no-such --%>", 1, "unknown encoding: no-such"),
    ],
)
def test_what_cannot_be_decoded_is_told_with_its_line(page: bytes, line: int, message: str) -> None:
    with pytest.raises(SyntaxError, match=message) as error:
        output(page)
    assert (error.value.filename, error.value.lineno) == ("__psp__", line)


# ---- errors


@pytest.mark.parametrize(
    ("page", "line", "column"),
    [
        ("a\nb <% x = ( %>", 2, 10),
        ("a\n\n<%\nx = 1\ny = = 2\n%>", 5, 5),
        ("a\r\rb<%\rx = 1\ry = = 2\r%>", 5, 5),
        ("\n\n<%= 1 2 %>", 3, 5),
        ("é<%= 1 2 %>", 1, 6),
        ("a\n<%= open", 2, 1),
        ("a\n\nb<%-- open %>", 3, 2),
        ("a\n<%@ include %>", 2, 4),
        ("<%\nx = 1\n%>\n<% return %>", 4, 4),
        ("<%\n  x = 1\n    y = 2\n%>", 2, None),
        ("<%\nx = 1\n    y = 2\n%>", 3, None),
        ("x\ny<%\nfoo(\0)\n%>", 3, None),
        ("x\ny<%\n'\ud800'\n%>", 3, None),
        ("<%\nif 1:\n    # in\n%>text<%\n  # nowhere\n%>more", 6, None),
        ("\n<%= " + "(" * 300 + ")" * 300 + " %>", None, None),
        ("<%= " + "-" * 100_000 + "1 %>", None, None),
    ],
)
def test_syntax_errors_tell_the_pages_line(page: str, line: int | None, column: int | None) -> None:
    with pytest.raises(SyntaxError) as error:
        output(page)
    assert error.value.filename == "__psp__"
    assert line in (None, error.value.lineno)
    assert column in (None, error.value.offset)


PIECES = st.sampled_from(
    ["<%", "%>", "<%=", "<%@", "<%--", "--%>", "\n", "\r", "\r\n", " ", "    ", "\t", ":", "#", '"', "'", '"""', "\\",
     "(", ")", "{", "}", "[", "if 1:", "for x in y:", "else:", "def f():", "x", "1", "=", "include file=", "text", "é",
     "\0", "match x:", "case 1:", "class A:", "with x:", "lambda:", "f'", "return", "yield", "await x", "async ", "@"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join))
def test_pages_compile_or_tell_a_line_of_theirs(page: str) -> None:
    lines = page.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    try:
        psp.PSP(Plain(), string=page)  # type: ignore[arg-type]
    except SyntaxError as error:
        assert error.filename == "__psp__"
        assert error.lineno is not None
        assert 1 <= error.lineno <= lines
        assert traceback.format_exception_only(error)
    except SyntaxWarning:
        pass  # warnings are errors in tests


def last_line(error: BaseException) -> tuple[str, int | None, str | None]:
    """File, line and source of the innermost frame of a traceback."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return frame.filename, frame.lineno, frame.line


def test_tracebacks_tell_the_pages_line() -> None:
    with pytest.raises(ZeroDivisionError) as error:
        output("text\nover\r\nlines <%= 1 %>\n<%-- \n --%><%\nfor x in [1]:\n    # in\n%>\n<b><%= x / 0 %></b>")
    assert last_line(error.value) == ("__psp__", 9, "<b><%= x / 0 %></b>")


def test_carets_stand_below_the_pages_code() -> None:
    with pytest.raises(ZeroDivisionError) as error:
        output("é <%= 1 + 2 / 0 %>")
    lines = "".join(traceback.format_exception(error.value)).splitlines()
    at = next(n for n, line in enumerate(lines) if line.strip() == "é <%= 1 + 2 / 0 %>")
    start = lines[at].index("2 / 0")
    assert lines[at + 1][start : start + 5] in ("~~^~~", "^^^^^")
    assert lines[at + 1].strip() in ("~~^~~", "^^^^^")


def test_functions_of_a_page_tell_its_lines() -> None:
    with pytest.raises(KeyError) as error:
        output("\n<%\ndef f(x):\n    # in\n%>\n<%= x['a'] %>\n<%\n%>\n<%= f({}) %>")
    frames = [frame.lineno for frame in traceback.extract_tb(error.value.__traceback__)]
    assert frames[-2:] == [9, 6]


def test_warnings_tell_the_pages_line() -> None:
    with pytest.warns((SyntaxWarning, DeprecationWarning)) as noticed:
        psp.PSP(Plain(), string="a\n\n<%= '\\d' + 'warned' %>\n\n")  # type: ignore[arg-type]
    assert [(w.filename, w.lineno) for w in noticed] == [("__psp__", 3)]


# ---- the order of output


ORDER = [
    ("a<% req.write('b') %>c<% req.write('d') %>e", "abcde"),
    ("a<%= say('b') or '' %>c", "abc"),
    ("<%\nfor x in said('1', '2'):\n%>a<%= x %><%\n%>c", "1a12a2c"),
    ("<%\nrows = said('1', '2')\nfor x in rows:\n%>a<%= x %><%\n%>c", "1a12a2c"),
    ("<%\nwhile more():\n%>a<%\n%>b", "?a?b"),
    ("a<%\nif say('1') or True:\n%>b<%\nelif say('2'):\n    pass\n%>c", "a1b"),
    ("a<%\nif 0:\n    pass\nelif say('2') or 1:\n    # in\n%>b<%\n%>c", "a2bc"),
    ("a<%\nwith tag('i'):\n%>b<%= 1 %><%\n%>c", "a<i>b1</i>c"),
    ("a<%\ntry:\n  with tag('i'):\n    # in\n%>b<%\n    raise KeyError\nexcept KeyError:\n%>c<%\n%>d", "a<i>b</i>cd"),
    ("<%\ndef f():\n%>x<%\n%>a<% each(f) %>b", "ax|x|b"),
    ("a<%= child %>b", "achildb"),
    ("a<%= '%s' % child %>b", "achildb"),
    ("a<%= f'{child}' %>b", "achildb"),
    ("a<% x = child.attribute %>b", "aattributeb"),
    ("a<% p, q = said('1', '2') %>b", "a12b"),
    ("a<% old = req; req = other %>b<% req = old %>c", "a[b]c"),
    ("a<%\nclass A:\n    x = say('k')\n%>b<%\n    y = say('l')\n%>c", "akblc"),
    ("<%\nfor x in range(3):\n    if x == 1: continue\n%>a<%= x %><%\n%>", "a0a2"),
    ("a<%\nassert say('1') is None\n%>b<%\ndel box['x']\n%>c", "a1b-c"),
    ("a<%\nmatch say('1'):\n    case None if say('2') is None:\n%>b<%\n%>c", "a12bc"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "expected"), ORDER)
def test_output_leaves_in_the_order_of_writing(page: str, expected: str) -> None:
    req: Any = Plain()
    count = iter([True, False])

    class Tag:
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> None:
            req.write(f"<{self.name}>")

        def __exit__(self, *_: object) -> None:
            req.write(f"</{self.name}>")

    class Child:
        def __str__(self) -> str:
            req.write("child")
            return ""

        @property
        def attribute(self) -> None:
            req.write("attribute")

        def __delitem__(self, name: str) -> None:
            req.write("-")

    def said(*values: str) -> Any:
        for value in values:
            req.write(value)
            yield value

    def each(function: Any) -> None:
        for _ in range(2):
            function()
            req.write("|")

    scope = {
        "say": req.write, "said": said, "tag": Tag, "child": Child(), "box": Child(), "each": each,
        "more": lambda: req.write("?") or next(count),
        "other": SimpleNamespace(write=lambda text, flush=1: req.write(f"[{text}]")),
    }  # fmt: skip
    psp.PSP(req, string=page).run(scope)
    assert req.text == expected


class Writes:
    """Whatever is done with it writes ``!``."""

    def __init__(self, req: Any) -> None:
        self.req = req

    def _told(self, *_: object) -> Any:
        self.req.write("!")
        return 1

    __add__ = __radd__ = __lshift__ = __mod__ = __iadd__ = __neg__ = __invert__ = __getitem__ = _told
    __eq__ = __lt__ = __gt__ = __hash__ = __setitem__ = __len__ = __index__ = __del__ = _told

    def __bool__(self) -> bool:
        return bool(self._told())

    def __contains__(self, _: object) -> bool:
        return bool(self._told())

    def __iter__(self) -> Any:
        self._told()
        return iter((1, 2))


@pytest.mark.parametrize(
    "code",
    [
        "<% out << 1 %>", "<% out + 1 %>", "<% 1 + out %>", "<% out += 1 %>", "<% -out %>", "<% ~out %>",
        "<% out % 1 %>", "<% out[1] %>", "<% out[1:2] %>", "<% out['x'] %>", "<% out[1] = 2 %>", "<% rows[out] %>",
        "<% 'ab'[out] %>", "<% out == 1 %>", "<% 1 < out %>", "<% 0 < 1 < out %>", "<% 1 in out %>",
        "<% 2 in [out] %>", "<% out in (1, 2) %>", "<% not out %>", "<% out and 1 %>", "<% 0 or out or 2 %>",
        "<% 1 if out else 2 %>", "<% {out} %>", "<% {out: 1} %>", "<% [out][0] + 1 %>", "<% held[0] + 1 %>",
        "<% (1, held[0])[1] << 1 %>", "<% not held[0] %>", "<% held[0][1] %>", "<% held == [1] %>", "<% by[key] %>",
        "<% key in by %>", "<% out if 0 else -out %>", "<% gone = None %>",
        "<%= out[1] and '' %>", "<%= (out == 1) and '' %>", "<%= '' if out else '' %>", "<% x, y = out %>",
        "<%\nif out:\n    pass\n%>", "<%\nif 0:\n    pass\nelif out == 1:\n    pass\n%>",
        "<%\nwhile out:\n    break\n#\n%>", "<%\nfor x in out:\n    break\n#\n%>", "<%\nfor x in [1]:\n    out + 1\n%>",
        "<%\nfor x, y in held:\n    pass\n%>", "<%\nfor out[0] in [1]:\n    pass\n%>",
        "<%\nfor gone in []:\n    pass\nelse:\n    gone = 1\n#\n%>", "<%\nmatch out:\n    case 1:\n        pass\n%>",
        "<%\ntry:\n    1 / 0\nexcept (Exception, out and KeyError)[0]:\n    pass\n%>",
    ],
)  # fmt: skip
def test_what_an_object_writes_stands_where_it_was_used(code: str) -> None:
    req: Any = Plain()
    out = Writes(req)
    key = type("Key", (str,), {"__hash__": str.__hash__, "__eq__": lambda *_: bool(req.write("!")) or True})("k")
    scope = {"out": out, "rows": ["a", "b"], "held": [out], "by": {key: 1}, "key": "k"}
    psp.PSP(req, string=f"<% gone = new(req) if {'gone' in code} else 0 %>a{code}b").run(scope | {"new": Writes})
    assert re.fullmatch("!*a!+b!*", req.text)


def test_builtin_values_are_collected() -> None:
    req: Any = Plain()
    scope = {"rows": ["a", "b"], "n": 1, "word": "x", "no": None, "row": {"x": 5}}
    page = (
        "0<% m = n + 1 %><%= rows[n] %><%= m * 2 %><%= row['x'] %><%\n"
        "if rows and n > 0 and not no:\n%><%= '%s-%d' % (word, n) %><%\n%>"
    )
    psp.PSP(req, string=page).run(scope)
    assert req.written == ["0b45x-1"]


def test_plain_pages_write_once() -> None:
    req: Any = Plain()
    page = "<html>\n<%\nfor n in range(20):\n    # in\n%>\n<p><%=n%> of 20</p>\n<%\n# end\n%>\n</html>"
    psp.PSP(req, string=page).run()
    assert len(req.written) == 1
    assert req.text == "<html>\n" + "".join(f"\n<p>{n} of 20</p>\n" for n in range(20)) + "\n</html>"


def test_long_loops_pass_their_output_on() -> None:
    req: Any = Plain()
    psp.PSP(req, string="<%\nfor n in range(100000):\n%>x<%\n%>").run()
    assert req.text == "x" * 100_000
    assert 100 < len(req.written) < 1000


def test_what_was_written_before_an_error_is_kept() -> None:
    req: Any = Plain()
    with pytest.raises(ZeroDivisionError):
        psp.PSP(req, string="a<%= 1 %>b<%= 1/0 %>c").run()
    assert req.text == "a1b"


def test_str_may_be_the_pages_own() -> None:
    assert output("<% str = repr %>a<%= 'b' %>") == "a'b'"
    assert output("a<%= 'b' %>c", str=lambda value: f"({value})") == "a(b)c"


def test_a_run_leaves_nothing_for_the_garbage_collector() -> None:
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        req: Any = Plain()
        seen = weakref.ref(req)
        psp.PSP(req, string="a<%= 1 %>").run()
        del req
        assert seen() is None
    finally:
        gc.enable()


def test_the_map_of_an_empty_page_has_a_place() -> None:
    assert Generated().place(1, 0) == SourcePlace(0, 1, 0)
