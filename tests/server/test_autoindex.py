"""Listings of directories: what is in them, in which order, and what stands around it; as Apache httpd 2.4 has it."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from conftest import StartServer
from support.browser import PHONE, browser
from support.server import BACKENDS, Reply, Server

CONF = """
AddEncoding x-gzip .gz
AddOutputFilter INCLUDES .shtml
AddType text/html .shtml
<Directory "${WWW}">
    Options +Indexes +Includes
    AllowOverride Indexes
    IndexIgnore .??* *~ *# hid*
    IndexOptions FancyIndexing HTMLTable
    HeaderName HEADER.html
    ReadmeName README
    AddIcon /icons/folder.gif ^^DIRECTORY^^
    AddIcon /there/back.gif ..
    AddIcon (TXT,/there/text.gif) .txt
    AddIconByType (IMG,/there/image2.gif) image/*
    AddIconByEncoding (CMP,/there/packed.gif) x-gzip
    AddAltByType PAGE text/html
    DefaultIcon /icons/unknown.gif
    AddDescription "middle" mid
    AddDescription "<b>html</b>" *.html
    AddDescription "by path" sorts/b10
</Directory>
<Directory "${WWW}/plain">
    IndexOptions None
</Directory>
<Directory "${WWW}/style">
    IndexStyleSheet /s.css
    IndexHeadInsert "<!-- put in -->"
    IndexOptions +AddAltClass +XHTML +IconHeight +IconWidth=30 +IconsAreLinks +NameWidth=10
</Directory>
<Directory "${WWW}/few">
    IndexOptions +SuppressIcon +SuppressSize +SuppressLastModified +SuppressDescription +SuppressRules \\
        +SuppressColumnSorting
    ServerSignature On
</Directory>
<Directory "${WWW}/sorts">
    IndexOptions Type=application/xhtml+xml Charset=ISO-8859-1 +FoldersFirst +VersionSort +IgnoreCase +UseOldDateFormat
    IndexOrderDefault Descending Size
</Directory>
<Directory "${WWW}/titles">
    IndexOptions +ScanHTMLTitles +ShowForbidden +TrackModified +IgnoreClient +DescriptionWidth=12
    IndexIgnoreReset On
    IndexIgnore ..
    HeaderName HEAD.txt
    ReadmeName ../parts/foot.shtml
</Directory>
<Directory "${WWW}/off">
    Options -Indexes
</Directory>
<Files secret*>
    Require all denied
</Files>
<Directory "${WWW}/shut/closed">
    Require all denied
</Directory>
<Location /shut/located>
    Require all denied
</Location>
<Directory "${WWW}/packed">
    AddOutputFilterByType DEFLATE text/html
</Directory>
"""

FILES: dict[str, str | bytes] = {
    "a.txt": "1" * 1500,
    "amidb.txt": "",
    "x.html": "<p>",
    "img.png": "9",
    "old.txt.gz": "z",
    ".dot": "",
    "hidden": "",
    "secret.txt": "",
    "b~": "",
    "with space&<.txt": "1",
    "a:b.txt": "",
    "h\u00e9.txt": "",
    "README": "a readme without a type",
    "HEADER.html": "<h2>a head</h2>",
    "there/text.gif": "gif",
    "there/image2.gif": "gif",
    "there/packed.gif": "gif",
    "plain/b10": "",
    "plain/b9": "",
    "plain/C": "",
    "style/a-long-name.txt": "",
    "style/b/c": "",
    "few/x": "",
    "sorts/b10": "1",
    "sorts/b9": "1",
    "sorts/B11": "22",
    "sorts/zero/x": "",
    "sorts/.htaccess": "IndexIgnore b9\n",
    "titles/one.htm": "<html><head><title>The\n &lt;first&gt; page of all</title>",
    "titles/secret.html": "<title>hidden</title>",
    "titles/HEAD.txt": "a < b",
    "parts/foot.shtml": '<p>foot <!--#echo var="DOCUMENT_NAME" --></p>',
    "off/x": "",
    "shut/closed/x": "",
    "shut/located/x": "",
    "shut/open": "",
    "packed/" + "n" * 200: "",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter."""
    return start_module_server(CONF, FILES, backend=request.param)


@pytest.fixture(scope="module")
def loaded(start_module_server: StartServer) -> Server:
    """One that says that it has the module."""
    conf = "LoadModule autoindex_module modules/mod_autoindex.so\n" + CONF
    return start_module_server(conf, FILES, backend="main")


def links(reply: Reply) -> list[str]:
    """Where the names of a listing lead, without its headings."""
    cells = re.findall(r'<(?:td class="indexcolname"|li)><a href="([^"]*)"', reply.text)
    return [unescape(cell) for cell in cells]


def row(reply: Reply, name: str) -> str:
    """The row of a name."""
    return next(line for line in reply.text.splitlines() if line.startswith("<tr class=") and f'"{name}"' in line)


ALL = [
    "HEADER.html", "README", "a.txt", "./a:b.txt", "amidb.txt", "few/", "h%C3%A9.txt", "img.png", "off/", "old.txt.gz",
    "packed/", "parts/", "plain/", "shut/", "sorts/", "style/", "there/", "titles/", "with%20space&%3C.txt", "x.html",
]  # fmt: skip


def test_what_is_shown(server: Server) -> None:
    reply = server.get("/")
    assert reply.status == 200
    assert reply.header("Content-Type") == "text/html; charset=UTF-8"
    assert links(reply) == ALL
    assert "<h2>a head</h2>" in reply.text
    assert "<h1" not in reply.text  # the head is in its place
    assert "a readme without" not in reply.text  # its type is not known
    assert "Parent Directory" not in reply.text
    assert "<title>Index of /</title>" in reply.text
    assert server.get("/README").status == 200


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("C=N;O=D", ALL[::-1]),
        ("C=N&O=D", ALL[::-1]),
        ("C=S;O=D", ["a.txt", "README", "HEADER.html", "x.html"]),
        ("C=S", ["few/", "off/", "packed/", "parts/"]),
        ("C=D;O=D", ["amidb.txt", "x.html", "HEADER.html", "with%20space&%3C.txt"]),
        ("P=*.txt", ["a.txt", "./a:b.txt", "amidb.txt", "h%C3%A9.txt"]),
        ("P=[ax]*;O=D", ["x.html", "amidb.txt", "./a:b.txt", "a.txt"]),
        ("F=0;O=D", ALL[::-1]),
        ("X=1;O=D", ALL),
        ("C=Q", ALL),
        ("C=", ALL),
    ],
)
def test_orders(server: Server, query: str, first: list[str]) -> None:
    assert links(server.get(f"/?{query}"))[: len(first)] == first


def test_the_links_that_sort(server: Server) -> None:
    headings = re.findall(r'<th class="\w+"( aria-sort="\w+")?><a href="([^"]*)"', server.get("/?C=S;P=*x*;V=1").text)
    assert headings == [
        ("", "?C=N;O=A;V=1;P=*x*"),
        ("", "?C=M;O=A;V=1;P=*x*"),
        (' aria-sort="ascending"', "?C=S;O=D;V=1;P=*x*"),
        ("", "?C=D;O=A;V=1;P=*x*"),
    ]


def test_a_pattern_of_a_client_takes_no_time(server: Server) -> None:
    assert links(server.get("/packed/?P=" + "*n" * 120 + "x")) == ["/"]


def test_a_client_writes_no_html(server: Server) -> None:
    reply = server.get("/?P=%22%3E%3Cscript%3E*")
    assert links(reply) == []
    assert '"><script>' not in reply.text
    assert '?P="><script>' not in server.get('/?P="><script>*').text.replace("&quot;", "'")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", r'<img src="/there/text.gif" alt="\[TXT\]" />.*>1\.5K<'),
        ("img.png", r'<img src="/there/image2.gif" alt="\[IMG\]" />.*>1<'),
        ("old.txt.gz", r'<img src="/there/packed.gif" alt="\[CMP\]" />'),
        ("x.html", r'aria-label="\[PAGE\]".*#icon-code.*<b>html</b>'),  # /icons/unknown.gif is not there
        ("few/", r'aria-label="\[DIR\]".*#icon-folder.*>-<'),
        ("amidb.txt", r">middle<"),
        ("README", r'aria-label="\[   \]".*#icon-file'),
    ],
)
def test_icons_and_facts(server: Server, name: str, expected: str) -> None:
    line = row(server.get("/"), name)
    assert re.search(expected, line), line
    assert re.search(r"20\d\d-[01]\d-[0-3]\d [0-2]\d:[0-5]\d", line)


def test_not_fancy(server: Server) -> None:
    reply = server.get("/plain/")
    assert links(reply) == ["/", "C", "b10", "b9"]
    assert "<table" not in reply.text
    assert ">Index of /plain</h1>" in reply.text
    # a key reverses names only
    assert links(server.get("/plain/?C=S;O=D")) == ["/", "b9", "b10", "C"]
    assert links(server.get("/plain/?V=1")) == ["/", "C", "b9", "b10"]
    assert links(server.get("/plain/?F=2;V=1")) == ["/", "C", "b9", "b10"]


def test_a_style_sheet(server: Server) -> None:
    reply = server.get("/style/")
    assert '<link rel="stylesheet" href="/s.css" type="text/css" />' in reply.text
    assert "<style>" not in reply.text
    assert "<!-- put in -->" in reply.text
    assert reply.text.startswith("<!DOCTYPE html PUBLIC")
    assert '<h1 id="indextitle">Index of /style</h1>' in reply.text
    assert '<table id="indexlist">' in reply.text
    up, text, folder = (row(reply, name) for name in ("/", "a-long-name.txt", "b/"))
    assert up.startswith('<tr class="even parentdir"><td class="indexcolicon"><a href="/"><svg')
    assert text.startswith('<tr class="odd txt">')
    assert '<a href="a-long-name.txt"><img src="/there/text.gif" alt="[TXT]" width="30" height="22" /></a>' in text
    assert ">a-long-..&gt;</a>" in text
    assert folder.startswith('<tr class="even dir">')


def test_columns_that_are_left_out(server: Server) -> None:
    reply = server.get("/few/")
    assert '<th class="indexcolname" aria-sort="ascending">Name</th></tr>\n' in reply.text
    for left_out in ("indexcolicon", "indexcolsize", "indexcollastmod", "indexcoldesc"):
        assert f'class="{left_out}' not in reply.text
    assert "<hr" not in reply.text
    assert f"Server at 127.0.0.1 Port {server.port}</address>" in reply.text


def test_versions_folders_and_dates(server: Server) -> None:
    reply = server.get("/sorts/")
    assert links(reply) == ["/", "zero/", "B11", "b10"]
    assert reply.header("Content-Type") == "application/xhtml+xml; charset=ISO-8859-1"
    assert re.search(r">\d\d-[A-Z][a-z][a-z]-20\d\d \d\d:\d\d<", row(reply, "B11"))
    assert ">by path<" in row(reply, "b10")
    assert links(server.get("/sorts/?C=N;O=A")) == ["/", "zero/", "b10", "B11"]
    assert links(server.get("/sorts/?C=N;O=D")) == ["/", "zero/", "B11", "b10"]


def test_titles_parts_and_validators(server: Server) -> None:
    reply = server.get("/titles/?C=N;O=D")  # (the query does not count)
    assert links(reply) == ["HEAD.txt", "one.htm", "secret.html"]
    assert ">The &lt;first&gt; <" in row(reply, "one.htm")  # twelve characters of it
    assert "><b>html</b><" in row(reply, "secret.html")  # a description is no title
    assert "<pre>a &lt; b</pre>" in reply.text
    assert "<p>foot foot.shtml</p>" in reply.text
    modified, tag = reply.header("Last-Modified"), reply.header("ETag")
    assert modified is not None
    assert tag is not None
    assert server.get("/titles/", headers={"If-None-Match": tag}).status == 304
    assert server.get("/titles/", headers={"If-None-Match": '"other"'}).status == 200


def test_what_the_client_may_not_have_is_not_shown(server: Server) -> None:
    assert links(server.get("/shut/")) == ["/", "open"]


@pytest.mark.parametrize(("method", "status"), [("POST", 404), ("PUT", 405), ("OPTIONS", 200), ("HEAD", 200)])
def test_methods(server: Server, method: str, status: int) -> None:
    assert server.request(method, "/plain/").status == status


def test_where_there_is_none(server: Server, loaded: Server) -> None:
    """Without LoadModule nobody said that there is such a module: then a directory is nothing that is there."""
    assert server.get("/off/").status == 404
    assert loaded.get("/off/").status == 403
    assert "AH01276: Cannot serve directory" in loaded.log()
    assert loaded.get("/plain/").status == 200


def test_through_filters(server: Server) -> None:
    reply = server.get("/packed/", headers={"Accept-Encoding": "gzip"})
    assert (reply.status, reply.header("Content-Encoding")) == (200, "gzip")


def test_in_a_browser(loaded: Server, tmp_path: Path) -> None:
    """On a phone nothing has to be moved sideways, and a tap on a heading sorts."""
    with browser(tmp_path, PHONE) as window:
        window.open(f"http://127.0.0.1:{loaded.port}/sorts/?F=1;P=b*")
        assert window.run("return document.documentElement.scrollWidth <= innerWidth")
        window.open(f"http://127.0.0.1:{loaded.port}/plain/?F=1")
        names = "return [...document.querySelectorAll('td.indexcolname')].map(cell => cell.innerText)"
        assert window.run(names) == ["Parent Directory", "C", "b10", "b9"]
        wraps = "return getComputedStyle(document.querySelector('th.indexcolname')).whiteSpace"
        assert window.run(wraps) == "nowrap"  # (a column of nothing is no narrower than its heading)
        window.click("th.indexcolname a")
        assert window.run(names) == ["Parent Directory", "b9", "b10", "C"]
        assert window.run("return document.querySelector('.folder, .parent').getBoundingClientRect().width") == 20
