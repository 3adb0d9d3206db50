"""Server side includes on a real server, in every kind of interpreter (httpd's mod_include; api 3.5 3.7)."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import untold
from support.processes import has_ended
from support.server import BACKENDS, Server
from support.waiting import wait_for

ERROR = "[an error occurred while processing this directive]"

CGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; echo \"$SERVER_PROTOCOL $REQUEST_METHOD $QUERY_STRING $x\"\n"

CONF = """
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
ScriptAlias /cgi-bin/ "${ROOT}/cgi/"
<Directory "${WWW}">
    Options +Includes
</Directory>
<Directory "${WWW}/noexec">
    Options +IncludesNOEXEC
</Directory>
<Directory "${WWW}/off">
    Options -Includes
</Directory>
<Directory "${WWW}/own">
    SSIErrorMsg "(oops)"
    SSITimeFormat "%Y"
    SSIUndefinedEcho "(nil)"
</Directory>
<Directory "${WWW}/denied">
    Require all denied
</Directory>
<Directory "${WWW}/slow">
    CGIScriptTimeout 1s
</Directory>
<Directory "${WWW}/bit">
    XBitHack Full
</Directory>
<Directory "${WWW}/dated">
    SSILastModified On
</Directory>
<Directory "${WWW}/tagged">
    SSIETag On
</Directory>
<Directory "${WWW}/debug">
    PythonDebug On
</Directory>
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
    SetOutputFilter INCLUDES
</Directory>
"""

#: A page's file, and what it shows for the query a=1&b=2; ``{...}`` of a page are facts of the test.
PAGES = {
    "echo": (
        (
            '<!--#echo var="DOCUMENT_NAME" --> <!--#echo var="DOCUMENT_URI"-->?<!--#echo var="QUERY_STRING" -->'
            ' <!--#echo var="NOPE" --> <!--#echo encoding="none" var="QUERY_STRING" var="DOCUMENT_NAME" -->'
        ),
        "echo.shtml /echo.shtml?a=1&amp;b=2 (none) a=1&b=2echo.shtml",
    ),
    "set": (
        (
            '<!--#set var="x" value="<a> Zoë" --><!--#echo var="x" --> <!--#echo encoding="url" var="x" -->'
            '<!--#set var="y" value="${x}-$QUERY_STRING-\\$z-$nope-" --> <!--#echo encoding="none" var="y"-->'
            '<!--#set encoding="base64" var="z" value="$x" --> <!--#echo decoding="base64" encoding="none" var="z" -->'
        ),
        "&lt;a&gt; Zoë %3ca%3e%20Zo%c3%ab <a> Zoë-a=1&b=2-$z-- <a> Zoë",
    ),
    "digits": ('<!--#echo var="²" -->, <!--#echo var="٣" -->!', "(none), (none)!"),
    "if": (
        (
            '<!--#if expr="v(\'QUERY_STRING\') =~ /a=(.)/" -->yes <!--#echo var="1" --><!--#else -->no<!--#endif -->'
            '<!--#if expr="false" -->1<!--#if expr="true"-->2<!--#else-->3<!--#endif-->4<!--#elif expr="-z \'\'"-->5'
            '<!--#else -->6<!--#endif --> <!--#if expr="true"-->7<!--#elif expr="true"-->8<!--#else-->9<!--#endif-->'
            '<!--#if expr="false"--><!--#exec cmd="echo bad"--><!--#include virtual="none"--><!--#endif-->!'
        ),
        "yes 15 7!",
    ),
    "faults": (
        (
            '1<!--#nonsense -->2<!--#if expr="(("-->3<!--#else-->4<!--#endif-->5<!--#echo -->6<!--#include file="../x"-->7'
            '<!--#include virtual="missing"-->8<!--#config errmsg="[bad]" --><!--#fsize file="none"-->9<!--#endif-->'
        ),
        f"1{ERROR}2{ERROR}5{ERROR}6{ERROR}7{ERROR}8[bad]9",
    ),
    "files": (
        (
            '<!--#fsize file="ten.txt" -->|<!--#config sizefmt="bytes" --><!--#fsize virtual="/sub/big.txt" -->|'
            '<!--#config timefmt="%Y" --><!--#flastmod file="ten.txt"-->|<!--#echo var="DATE_GMT"-->'
        ),
        " 10 |123,456|{year}|{year}",
    ),
    "include": (
        (
            '<!--#set var="x" value="here"--><!--#include file="ten.txt"-->|<!--#include virtual="sub/deep.shtml?q=2"-->|'
            '<!--#echo var="x"-->|<!--#echo encoding="none" var="QUERY_STRING"-->|<!--#include virtual="/denied/x.txt"-->|'
            '<!--#include virtual="/app/"-->|<!--#include virtual="sub/"-->'
        ),
        f"0123456789|deep here include.shtml q=2 456|changed|a=1&b=2|{ERROR}|python made 3|index",
    ),
    "exec": (
        (
            '<!--#set var="x" value="7"--><!--#exec cmd="echo $x \\$x; pwd; echo said >&2"-->|'
            '<!--#include virtual="/cgi-bin/facts?q"-->|<!--#exec cgi="/cgi-bin/facts"-->'
        ),
        "7 7\n{www}\n|INCLUDED GET q 7\n|INCLUDED GET a=1&b=2 7\n",
    ),
    "python": (
        (
            '<!--#python eval="1+1" --> <!--#python eval="None"--><!--#python exec="\n'
            "def shout(text):\n    filter.write(text.upper())\nfor i in range(3):\r\n    shout(&quot;&lt;b&gt;&quot;)\n"
            '" -->|<!--#python eval="i, __file__ == filter.req.filename, filter.name, filter.handler" -->|'
            '<!--#python eval="1/0" -->|<!--#python eval="req"-->|<!--#python -->|<!--#python eval="1" exec="2"-->|'
            '<!--#python eval=""-->|<!--#python run="1"-->'
        ),
        f"2 <B><B><B>|(2, True, 'includes', None)|{ERROR}|{ERROR}|{ERROR}|{ERROR}|{ERROR}|{ERROR}",
    ),
    "unfinished": ('shown <!--#if expr="true"-->this<!--#echo var="x', "shown this"),
    "own/x": ('<!--#nonsense--> <!--#echo var="x"--> <!--#echo var="DATE_LOCAL"-->', "(oops) (nil) {year}"),
    "noexec/x": (
        '<!--#exec cmd="echo bad"-->|<!--#python eval="1"-->|<!--#include virtual="/ten.txt"-->',
        f"{ERROR}|{ERROR}|0123456789",
    ),
    "off/x": ('<!--#echo var="DOCUMENT_NAME"-->', '<!--#echo var="DOCUMENT_NAME"-->'),
}

FILES: dict[str, str | bytes] = {
    **{f"{name}.shtml": page for name, (page, _shown) in PAGES.items()},
    "ten.txt": "0123456789",
    "sub/big.txt": "x" * 123456,
    "sub/in.txt": "456",
    "sub/index.html": "index",
    "sub/deep.shtml": 'deep <!--#echo var="x"--> <!--#echo var="DOCUMENT_NAME"--> <!--#echo var="QUERY_STRING"-->'
    ' <!--#include file="in.txt"--><!--#set var="x" value="changed"-->',
    **{f"bit/{name}.html": '<!--#echo var="DOCUMENT_NAME"-->' for name in ("plain", "user", "group")},
    **{f"{name}/x.shtml": '<!--#echo var="DOCUMENT_NAME"-->' for name in ("dated", "tagged")},
    "slow/x.shtml": '<!--#exec cmd="echo begun; sleep 60 & echo $$ $! >../../pids; sleep 60"-->!',
    "left.shtml": '<!--#exec cmd="sleep 60 & echo $$ $! >../pids; sleep 60"-->!',
    "denied/x.txt": "secret",
    "loop.shtml": '<!--#include virtual="loop.shtml"-->.',
    "long.shtml": "x" * 200_000 + '<!--#echo var="DOCUMENT_NAME"-->' + "y" * 200_000,
    "debug/x.shtml": '<!--#python eval="1/0" -->',
    "app/app.py": """
def handler(req):
    req.content_type = "text/html"
    for piece in ("python made <!--#py", "thon ev", "al='1+2' -", "->"):
        req.write(piece)
    return 0
""",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The pages in one kind of interpreter."""
    server = start_module_server(CONF, FILES, backend=str(request.param))
    (server.root / "cgi").mkdir()
    (server.root / "cgi" / "facts").write_text(CGI)
    (server.root / "cgi" / "facts").chmod(0o755)
    (server.www / "bit" / "user.html").chmod(0o744)
    (server.www / "bit" / "group.html").chmod(0o754)
    return server


@pytest.mark.parametrize("name", PAGES)
def test_pages(server: Server, name: str) -> None:
    reply = server.get(f"/{name}.shtml?a=1&b=2")
    expected = PAGES[name][1].replace("{year}", time.strftime("%Y")).replace("{www}", str(server.www))
    assert (reply.status, reply.text) == (200, expected)
    assert reply.header("Content-Type") == "text/html"
    if name != "off/x":
        assert (reply.header("Last-Modified"), reply.header("ETag")) == (None, None)


def test_pages_are_never_unmodified(server: Server) -> None:
    modified = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT", "If-None-Match": "*"}
    assert server.get("/echo.shtml", modified).text.startswith("echo.shtml")
    assert server.get("/include.shtml", modified).text.startswith("0123456789|deep")
    head = server.request("HEAD", "/echo.shtml")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("place", "kept", "condition"),
    [("dated", "Last-Modified", "If-Modified-Since"), ("tagged", "ETag", "If-None-Match")],
)
def test_pages_that_have_the_time_or_tag_of_their_file(server: Server, place: str, kept: str, condition: str) -> None:
    """SSILastModified and SSIETag. As with httpd, the page is sent whatever the client has of it."""
    reply = server.get(f"/{place}/x.shtml")
    assert (reply.status, reply.text) == (200, "x.shtml")
    assert [name for name in ("Last-Modified", "ETag") if reply.header(name) is not None] == [kept]
    assert server.get(f"/{place}/x.shtml", {condition: str(reply.header(kept))}).status == 200


def test_executable_files_are_pages_under_xbithack(server: Server) -> None:
    replies = {name: server.get(f"/bit/{name}.html") for name in ("plain", "user", "group")}
    assert [reply.text for reply in replies.values()] == [FILES["bit/plain.html"], "user.html", "group.html"]
    assert [reply.header("Last-Modified") is not None for reply in replies.values()] == [True, False, True]


def test_tags_may_come_in_pieces(server: Server) -> None:
    assert server.get("/app/").text == "python made 3"
    assert server.get("/long.shtml").text == "x" * 200_000 + "long.shtml" + "y" * 200_000


def test_inclusions_end_somewhere(server: Server) -> None:
    assert server.get("/loop.shtml").text == ERROR + "." * 11
    server.wait_for_log("AH00125: Request exceeded the limit of 10 subrequest nesting levels: loop.shtml")


def test_faults_are_told(server: Server) -> None:
    for name in ("faults", "python", "noexec/x", "unfinished", "exec", "off/x"):
        server.get(f"/{name}.shtml")
    www = server.www
    for said in (
        f'AH01371: unknown directive "nonsense" in parsed doc {www}/faults.shtml',
        f'AH01337: Could not parse expr "((" in {www}/faults.shtml: syntax error, unexpected end',
        f"AH01343: missing argument for echo element in {www}/faults.shtml",
        f'unable to include file "../x" in parsed file {www}/faults.shtml',
        f'unable to include "missing" in parsed file {www}/faults.shtml, subrequest returned 404',
        f"includes {www}/python.shtml: ZeroDivisionError: division by zero",
        f"missing 'eval/exec' parameter to tag 'python' in {www}/python.shtml",
        f"multiple 'eval/exec' parameters to tag 'python' in {www}/python.shtml",
        f"empty value for 'eval' parameter to tag 'python' in {www}/python.shtml",
        f"unexpected 'run' parameter to tag 'python' in {www}/python.shtml",
        f"#python used but not allowed in {www}/noexec/x.shtml",
        f"exec used but not allowed in {www}/noexec/x.shtml",
        f"AH01372: SSI directive was not properly finished at the end of parsed document {www}/unfinished.shtml",
        f"AH01373: missing closing endif directive in parsed document {www}/unfinished.shtml",
        f"stderr from {www}/exec.shtml: said",
        "AH01374: mod_include: Options +Includes (or IncludesNoExec) wasn't set, INCLUDES filter removed: /off/x.shtml",
    ):
        server.wait_for_log(said)


def test_a_failing_element_shows_its_traceback_where_pythondebug_is_on(server: Server) -> None:
    page = server.get("/debug/x.shtml").text
    assert "ZeroDivisionError: division by zero" in page and page.endswith(ERROR)


def test_all_variables_are_shown(server: Server) -> None:
    server.write("env.shtml", '<!--#set var="mine" value="<1>"--><!--#printenv -->')
    shown = dict(line.split("=", 1) for line in server.get("/env.shtml?a=1").text.splitlines())
    assert shown["mine"] == "&lt;1&gt;"
    assert shown.keys() >= {
        "DATE_LOCAL",
        "DATE_GMT",
        "LAST_MODIFIED",
        "DOCUMENT_URI",
        "USER_NAME",
        "SERVER_NAME",
    }
    assert re.fullmatch(r"\w+, \d\d-\w{3}-\d{4} \d\d:\d\d:\d\d \w+", shown["DATE_LOCAL"])


def running(server: Server) -> list[int]:
    """The processes that a page's command told of."""
    path = server.root / "pids"
    wait_for(lambda: path.exists() and len(path.read_text().split()) == 2, "the pids of a command")
    found = [int(word) for word in path.read_text().split()]
    path.unlink()
    return found


def test_commands_end_when_they_are_silent_and_when_the_client_leaves(server: Server) -> None:
    assert server.get("/slow/x.shtml").text == f"begun\n{ERROR}!"
    processes = running(server)
    wait_for(lambda: all(map(has_ended, processes)), "the end of a silent command")
    with server.dial() as sock:
        sock.sendall(b"GET /left.shtml HTTP/1.1\r\nHost: x\r\n\r\n")
        processes = running(server)
    wait_for(lambda: all(map(has_ended, processes)), "the end of a command whose client left")
    assert server.get("/echo.shtml").status == 200


@pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with a subinterpreter from 3.14 on")
def test_a_page_moves_to_a_process_that_can_import_what_it_needs(start_server: StartServer) -> None:
    page = """<!--#python eval="__import__('readline').__name__"-->"""
    server = start_server(CONF, {"moves.shtml": page}, mode="foreground")
    assert server.get("/moves.shtml").text == "readline"
    server.wait_for_log("can't be used in an isolated subinterpreter")


def test_faulty_directives_are_refused(tmp_path: Path) -> None:
    faults = {
        "<Directory />\nSSILegacyExprParser On\n</Directory>": "SSILegacyExprParser On is not supported",
        'SSIStartTag ""': "SSIStartTag",
    }
    assert untold(tmp_path, faults) == []
