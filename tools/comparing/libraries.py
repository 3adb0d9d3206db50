"""What is asked of util, Cookie and psp: forms of every shape, cookies, pages."""

from __future__ import annotations

from collections.abc import Iterator

from comparing.cases import Case, case

PATH = "/eval/a.txt"
#: Names and values of forms are bytes in the published one, unless it runs on Python 2.
FORM = (
    "t = lambda v: v.decode() if isinstance(v, bytes) else v\n"
    "f = util.FieldStorage(req{})\n"
    "r = [[t(x.name), t(x.filename), bool(x), t(x.value)] for x in f.list]"
)
PAGE = (
    "from mod_python import psp\n"
    "class Out:\n"
    "    def _told(self, *_):\n"
    "        req.write('MID', 0)\n"
    "        return 1\n"
    "    __lshift__ = __add__ = __neg__ = __getitem__ = __eq__ = __lt__ = __hash__ = __iter__ = _told\n"
    "    def __bool__(self): return bool(self._told())\n"
    "    def __contains__(self, _): return bool(self._told())\n"
    "    def __iter__(self):\n"
    "        self._told()\n"
    "        return iter(())\n"
    "psp.PSP(req, string={!r}).run({{'out': Out(), 'held': [Out()]}})"
)
MULTIPART = ("Content-Type: multipart/form-data; boundary=XX",)
NAMED = b'--XX\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
FILE = b'--XX\r\nContent-Disposition: form-data; name="up"; filename="%b"\r\nContent-Type: a/b\r\n\r\n%b\r\n'
END = b"--XX--\r\n"

BODIES: tuple[tuple[str, bytes], ...] = (
    ("two fields", NAMED % (b"a", b"1") + NAMED % (b"a", b"2") + END),
    ("a file", FILE % (b"x.txt", b"data") + END),
    ("a file input left empty", FILE % (b"", b"") + END),
    ("no body", b""),
    ("no boundary", b"nothing of the kind"),
    ("cut in a value", NAMED % (b"a", b"1") + NAMED[:-2] % (b"b", b"so far")),
    ("cut in a head", NAMED % (b"a", b"1") + b"--XX\r\nContent-Disposition: form-da"),
    ("another disposition", NAMED.replace(b"form-data", b"attachment") % (b"a", b"1") + END),
    ("no disposition", b"--XX\r\nContent-Type: a/b\r\n\r\n1\r\n" + END),
    ("blanks behind a boundary", b"--XX \t\r\n" + (NAMED % (b"a", b"1"))[6:] + END),
    ("a path as filename", FILE % (rb"C:\dir\x.txt", b"data") + END),
    ("an encoded filename", FILE % (b"a%22b.txt", b"data") + END),
)
COOKIES = (
    'a=x"; pysid=1; b=y"', 'a="x; b=y"; c=1', 'a="x;y"; b=1', 'a="; b=2', 'a="x\\"y;z"; b=1', 'a="x"y; b=2', ", a=1",
    "a=1, b=2", "a; b=1", "=x", "a=b=c; d= e ", "$Version=1; a=b",
)  # fmt: skip
EXPRESSIONS = (
    "out << 1", "out + 1", "-out", "out[1]", "out == 1", "1 < out", "not out", "out and 1", "1 if out else 2", "{out}",
    "1 in out", "held[0] + 1", "not held[0]", "held == [1]", "out == 1 or out << 2", "held[0][1]",
)  # fmt: skip
PAGES = (
    "a<% req.write('b') %>c", "a<%\nif out:\n%>b<%\n#\n%>c", "a<%\nfor x in out:\n    pass\n#\n%>b", "a<%= out[1] and '' %>b",
    "a<% req.write('b')", "a<%", "a<% x = 1\t%>b<%= x\t%>", "<%\nif 1:\n\t\tif 1:\n\t %>t<%\n%>u",
    "<%\nif 1:\n  if 1:\n\t%>t<%\n%>u", "a<%@ include file=none.html %>b", "a<%@ page language=\"python\" %>b",
    "<%= form is None %>", "<%\ndef f():\n    return session\n#\n%><%= req.headers_out.get('Set-Cookie') %>",
    "<%= [m.__name__ for m in (types, tempfile, marshal, dbm)] %>", "<%= len(psp.form) %>", "<% x = 1 # one %>text",
)  # fmt: skip
CODES = (
    "util.parse_qs(None)", "util.parse_qsl(5)",
    "req.write('')\nutil.redirect(req, '/x', text='there')",
    "req.write('', 0)\nutil.redirect(req, '/x', text='there')",
    "req.write('a', 0)\nutil.redirect(req, '/x', text='there')",
    "req.write('a')\nutil.redirect(req, '/x', text='there')",
    "from mod_python import Cookie\nclass C(Cookie.Cookie): pass\nc = C('a', 'b')\nc.foo = 1",
    "from mod_python import Cookie\nclass C(Cookie.Cookie): pass\nr = [str(c) for c in C.parse('a=1; b=2').values()]",
    "from mod_python import Cookie\nr = Cookie.Cookie._valid_attr",
    "f = util.FieldStorage(req)\nf.add_field(*(('a', '1') if str is type(req.uri) else ()))\nr = len(f.list)",
)  # fmt: skip


def cases() -> Iterator[Case]:
    """One comparison for each."""
    for name, body in BODIES:
        options: dict[str, object] = {"method": "POST", "headers": MULTIPART, "body": body}
        if not body:
            options["headers"] = (*MULTIPART, "Content-Length: 0")
        yield case("forms", name, PATH, code=FORM.format(""), **options)
    body = NAMED % (b"a", b"1") + FILE % (b"x.txt", b"data") + END
    options = {"method": "POST", "headers": MULTIPART, "body": body}
    yield case("forms", "callbacks that can't be called", PATH, code=FORM.format(", 0, 0, 'x', 1"), **options)
    yield case("forms", "a second form", PATH, code="util.FieldStorage(req)\n" + FORM.format(""), **options)
    yield case("forms", "a query that is not UTF-8", PATH + "?a=%FF", code=FORM.format(""))
    for cookie in COOKIES:
        code = "from mod_python import Cookie\nr = [[n, c.value] for n, c in Cookie.get_cookies(req).items()]"
        yield case("cookies", cookie, PATH, code=code, headers=(f"Cookie: {cookie}",))
    for page in (*PAGES, *(f"<p>before</p><% {expression} %><p>after</p>" for expression in EXPRESSIONS)):
        yield case("pages", repr(page), PATH, code=PAGE.format(page.encode()))
    for code in CODES:
        yield case("util and Cookie", repr(code), PATH, code=code)
