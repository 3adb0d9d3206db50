"""PythonDebug: an error in the form that the client takes; and the style of the server's own pages."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from support.browser import DESK, PHONE, browser
from support.server import BACKENDS, Server

APP = """
import json

from mod_python import apache


class Odd:
    def __repr__(self):
        raise ValueError("it has no text")


class dict_of_options(dict):
    pass


def price(basket, password="hunter2"):
    settings = {"colour": "red", "api_key": "-".join(["key", "of"]), "deep": {"token": "-".join(["deep", "token"])}}
    odd = Odd()
    options = dict_of_options(db_password="-".join(["deep", "option"]))
    url = "postgres://user:" + "-".join(["deep", "url"]) + "@db/x"
    return json.loads("{broken")


def handler(req):
    req.headers_out["ETag"] = '"x"'
    if req.args == "late":
        req.write("begun", 1)
    try:
        price(["tea"])
    except ValueError as error:
        raise LookupError("no <b>price</b>") from error


def silly(req):
    class Silly(Exception):
        def __str__(self):
            raise RuntimeError("no text")
    raise Silly
"""

CONF = """
ErrorDocument 404 "nothing here"
PythonPath "sys.path + ['${WWW}']"
PythonOption shop.password sesame
PythonOption colour green
PythonInterpreter shop
<Location /debug>
    SetHandler mod_python
    PythonHandler app
    PythonDebug On
</Location>
<Location /silly>
    SetHandler mod_python
    PythonHandler app::silly
    PythonDebug On
</Location>
<Location /syntax>
    SetHandler mod_python
    PythonHandler syntax
    PythonDebug On
</Location>
<Directory "${WWW}/psp">
    SetHandler mod_python
    PythonHandler mod_python.psp
    PythonDebug On
</Directory>
<Location /off>
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /off/document>
    ErrorDocument 500 "told by hand"
</Location>
"""

FILES = {"app.py": APP, "syntax.py": "x = 1\ny = = 2\n", "psp/page.psp": "<html>\n<%\nif x\n%></html>\n"}

#: What a browser says that it takes.
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Authorization": "Basic c2VjcmV0"}
CLASSIC = '\n<pre>\nMod_python error: "PythonHandler app"\n\nTraceback (most recent call last):\n'


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose handlers fail."""
    with Server(tmp_path_factory.mktemp("debug"), CONF, FILES, backend=request.param) as found:
        yield found


def test_a_browser_gets_a_page(server: Server) -> None:
    reply = server.get("/debug/x?a=1", {**PAGE, "Cookie": "id=of-session", "X-Colour": "blue"})
    assert (reply.status, reply.header("Content-Type"), reply.header("ETag")) == (500, "text/html", None)
    text = reply.text
    assert "<title>LookupError: no &lt;b&gt;price&lt;/b&gt;</title>" in text
    assert "<h1><b>LookupError</b>no &lt;b&gt;price&lt;/b&gt;</h1>" in text
    # the exception first, then what led to it: frames of the application are open, others folded
    assert text.index("<h1>") < text.index("It was raised because of JSONDecodeError") < text.index("<h2>Request</h2>")
    own = f"<details class=own open><summary>{server.www}/app.py line "
    assert text.count(own) == 3
    assert re.search(r"<details><summary>\S+/json/__init__.py line \d+, in loads</summary>", text)
    assert "mpserver/modules" not in text
    line = html.escape('    return json.loads("{broken")')
    assert re.search(rf"<span class=at><i>\d+</i>{re.escape(line)}</span>", text)
    # the request and the variables, without their secrets
    assert "<tr><th>X-Colour</th><td>blue</td></tr>" in text
    assert "<tr><th>colour</th><td>green</td></tr>" in text
    for name in ("Authorization", "Cookie", "shop.password", "password"):
        assert f"<tr><th>{name}</th><td>(not shown)</td></tr>" in text
    assert not [
        word
        for word in ("c2VjcmV0", "of-session", "sesame", "key-of", "deep-token", "deep-option", "deep-url")
        if word in text
    ]
    assert "&lt;Odd: its repr raised ValueError&gt;" in text
    # and what programs know of mod_python's own
    assert CLASSIC in text


def test_what_can_not_be_compiled_is_shown_where_it_stands(server: Server) -> None:
    for path, file, line, source in (
        ("/syntax", "syntax.py", 2, "y = = 2"),
        ("/psp/page.psp", "psp/page.psp", 3, "if x"),
    ):
        text = server.get(path, PAGE).text
        assert f"<details class=own open><summary>{server.www}/{file} line {line}</summary>" in text
        assert f"<span class=at><i>{line}</i>{source}</span>" in text


def test_a_program_gets_the_text(server: Server) -> None:
    for accept in ("*/*", "text/plain", "text/plain, text/html;q=0.5", "application/json"):
        reply = server.get("/debug", {"Accept": accept})
        assert (reply.status, reply.header("Content-Type")) == (500, "text/plain; charset=utf-8")
        assert reply.text.startswith('Mod_python error: "PythonHandler app"\n\nTraceback (most recent call last):\n')
        assert reply.text.endswith("\nLookupError: no <b>price</b>\n")


def test_who_says_nothing_gets_what_mod_python_sends(server: Server) -> None:
    reply = server.get("/debug")
    assert reply.header("Content-Type") == "text/html"
    assert reply.text.startswith(CLASSIC)
    assert reply.text.endswith("LookupError: no &lt;b&gt;price&lt;/b&gt;\n\n</pre>\n")


def test_a_response_that_has_begun_goes_on_with_it(server: Server) -> None:
    reply = server.get("/debug?late", PAGE)
    assert reply.status == 200
    assert reply.text.startswith("begun" + CLASSIC)


def test_exceptions_without_a_text(server: Server) -> None:
    reply = server.get("/silly", PAGE)
    assert reply.status == 500
    assert "<h1>" in reply.text
    assert "Silly" in reply.text


def test_without_it_nothing_is_told(server: Server) -> None:
    for path in ("/off", "/off/document"):
        reply = server.get(path, PAGE)
        assert reply.status == 500
        assert "price" not in reply.text
    assert reply.text == "told by hand"
    assert server.get("/none", PAGE).text == "nothing here"


def test_an_error_page_names_an_administrator_only_where_there_is_one(server: Server) -> None:
    text = server.get("/off").text
    assert "<title>500 Internal Server Error</title>" in text
    assert "no address given" not in text
    assert "tell the administrator\nwhen it happened" in text


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_pages_fit_on_phones_and_desks(
    server: Server, tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int]
) -> None:
    if server.backend != BACKENDS[-1]:
        pytest.skip("the pages are the same in all kinds")
    with browser(tmp_path_factory.mktemp("chromium"), size) as window:
        for path in ("/debug", "/off"):
            window.open(f"http://127.0.0.1:{server.port}{path}")
            assert window.run("return document.documentElement.scrollWidth <= window.innerWidth"), path
            breaks = "return [...document.querySelectorAll('summary')].map(one => getComputedStyle(one).wordBreak)"
            assert set(window.run(breaks)) <= {"normal"}  # (words of a place are broken where they don't fit alone)
            assert window.run("return getComputedStyle(document.body).maxWidth") in ("1024px", "640px")
        window.open(f"http://127.0.0.1:{server.port}/debug")
        assert window.text("h1") == "LookupError\nno <b>price</b>"
        assert window.run("return document.querySelectorAll('details.own[open]').length") == 3
