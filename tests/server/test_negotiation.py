"""Forms of a document: MultiViews and type maps choose as Apache httpd 2.4 does."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.checking import refusal
from support.server import BACKENDS, Server

CONF = """
AddLanguage en .en
AddLanguage fr .fr
AddLanguage de .de
AddLanguage en-gb .gb
AddEncoding x-gzip .gz
AddHandler type-map .var
AddHandler cgi-script .cgi
AddCharset utf-8 .utf8
AddCharset iso-8859-1 .lat
<Directory "${WWW}">
Options +MultiViews +ExecCGI
</Directory>
<Directory "${WWW}/prio">
LanguagePriority fr de
</Directory>
<Directory "${WWW}/force">
LanguagePriority fr de en
ForceLanguagePriority Fallback
</Directory>
<Directory "${WWW}/both">
LanguagePriority fr de en
ForceLanguagePriority Prefer Fallback
</Directory>
<Directory "${WWW}/cgi">
MultiviewsMatch Handlers
</Directory>
<Directory "${WWW}/any">
MultiviewsMatch Any
</Directory>
<Directory "${WWW}/off">
Options -MultiViews
</Directory>
<Files secret.*>
Require all denied
</Files>
<Files "p.html.fr">
    Header set X-Form french
</Files>
"""

FORMS = {"p.html.en": "english", "p.html.fr": "francais!", "p.html.de": "deutsch"}
MAP = """\
URI: m

# a comment
URI: p.html.en
Content-Type: text/html; qs=0.5
Content-Language: en

URI: p.html.fr
Content-Type: text/html
Content-Language: fr

URI: p.html.de
Content-Type: text/html;qs=0.2
Content-Language: de
"""
#: (of à and Å in UTF-8 one byte is a blank in latin-1)
ACCENTS = """\
URI: voilà Åsa.html
Content-Type: text/html
Content-Language: en

URI:\tvoilà.html\t
Content-Type: text/html
Content-Language: fr
"""
BODIES = """\
Content-Language: en
Content-Type: text/plain
Body:----xx----
body en
----xx----

Content-Language: fr
Content-Type: text/plain
Body:----yy----
body fr
----yy----
"""
SCRIPT = "#!/bin/sh\necho Content-Type: text/plain\necho\necho cgi $PATH_INFO\n"

FILES: dict[str, str | bytes] = {
    **{folder + name: text for folder in ("", "prio/", "force/", "both/", "off/") for name, text in FORMS.items()},
    "page.html": "html",
    "t.html": "<p>long html</p>",
    "t.txt": "txt",
    "eq.html": "long long",
    "eq.htm": "s",
    "z.html": "zz",
    "z.html.gz": "gz",
    "one.html": "one",
    "cgi/s.cgi": SCRIPT,
    "s.cgi": SCRIPT,
    "any/u.weird": "weird",
    "u.weird": "w",
    "secret.html": "x",
    "gb.html.gb": "gb",
    "gb.html.fr": "fr",
    "dir/index.html.en": "ien",
    "dir/index.html.fr": "ifr",
    "c.html.utf8": "u8",
    "c.html.lat": "lat",
    "img.png": "png",
    "m.var": MAP,
    "b.var": BODIES,
    "broken.var": "URI: x\nno header\n",
    "endless.var": "Content-Type: text/plain\nBody:--x--\nnever\n",
    "accents.var": ACCENTS,
    "voilà": "Zoë",
    "voilà.html": "voilà!",
    "none.var": "# nothing\n",
    "ex.html": "e",
    "ex.html.bak": "bak",
    "q.en.html": "qe",
    "q.fr.html": "qf!",
    "some.en.html": "in english",
    "some.txt": "any",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter."""
    return start_module_server(CONF, FILES, backend=request.param)


@pytest.mark.parametrize(
    ("path", "asked", "status", "body", "tcn", "vary"),
    [
        ("/p", "", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/p.html", "", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/p", "Accept-Language: fr", 200, "francais!", "choice", "negotiate,accept-language"),
        ("/p", "Accept-Language: de;q=0.5, fr;q=0.2", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/p", "Accept-Language: es", 406, "", "list", "negotiate,accept-language"),
        ("/p", "Accept-Language: en-US", 200, "english", "choice", "negotiate,accept-language"),
        ("/p", "Accept-Language: *", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/p", "Accept-Language: fr;q=0, *", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/prio/p", "", 200, "francais!", "choice", "negotiate,accept-language"),
        ("/prio/p", "Accept-Language: es", 406, "", "list", "negotiate,accept-language"),
        ("/force/p", "", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/force/p", "Accept-Language: es", 200, "francais!", "choice", "negotiate,accept-language"),
        ("/force/p", "Accept-Language: es, en;q=0.1", 200, "english", "choice", "negotiate,accept-language"),
        ("/both/p", "", 200, "francais!", "choice", "negotiate,accept-language"),
        ("/both/p", "Accept-Language: en, de", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/both/p", "Accept-Language: en;q=1, de;q=0.5", 200, "english", "choice", "negotiate,accept-language"),
        ("/gb", "Accept-Language: en-gb, fr;q=0.9", 200, "gb", "choice", "negotiate,accept-language"),
        ("/gb", "Accept-Language: en, fr;q=0.9", 200, "gb", "choice", "negotiate,accept-language"),
        ("/gb", "Accept-Language: en-us, fr;q=0.9", 200, "fr", "choice", "negotiate,accept-language"),
        ("/t", "", 200, "txt", "choice", "negotiate,accept"),
        ("/t", "Accept: text/plain", 200, "txt", "choice", "negotiate,accept"),
        ("/t", "Accept: text/html;level=1", 406, "", "list", "negotiate,accept"),
        ("/t", "Accept: text/*;q=0.5, text/plain;q=0.4", 200, "<p>long html</p>", "choice", "negotiate,accept"),
        ("/t", "Accept: image/png", 406, "", "list", "negotiate,accept"),
        ("/t", "Accept: */*", 200, "txt", "choice", "negotiate,accept"),
        ("/t", "Accept: text/html, */*", 200, "<p>long html</p>", "choice", "negotiate,accept"),
        ("/eq", "", 200, "s", "choice", "negotiate"),
        ("/z", "", 200, "zz", "choice", "negotiate,accept-encoding"),
        ("/z", "Accept-Encoding: gzip", 200, "gz", "choice", "negotiate,accept-encoding"),
        ("/z", "Accept-Encoding: gzip;q=0", 200, "zz", "choice", "negotiate,accept-encoding"),
        ("/z.html", "Accept-Encoding: gzip", 200, "zz", "", ""),
        ("/one", "", 200, "one", "choice", "negotiate"),
        ("/one/pi", "", 404, "", "", ""),
        ("/cgi/s", "", 200, "cgi\n", "choice", "negotiate"),
        ("/cgi/s/pi", "", 200, "cgi /pi\n", "", ""),
        ("/s", "", 404, "", "", ""),
        ("/any/u", "", 404, "", "", ""),
        ("/u", "", 404, "", "", ""),
        ("/secret", "", 404, "", "", ""),
        ("/nothing", "", 404, "", "", ""),
        ("/gb", "", 200, "fr", "choice", "negotiate,accept-language"),
        ("/dir/", "", 200, "ien", "choice", "negotiate,accept-language"),
        ("/dir/", "Accept-Language: fr", 200, "ifr", "choice", "negotiate,accept-language"),
        ("/c", "", 200, "u8", "choice", "negotiate,accept-charset"),
        ("/c", "Accept-Charset: iso-8859-1", 200, "lat", "choice", "negotiate,accept-charset"),
        ("/img", "", 200, "png", "choice", "negotiate"),
        ("/img", "Accept: text/html", 406, "", "list", "negotiate"),
        ("/off/p", "", 404, "", "", ""),
        ("/m.var", "", 200, "francais!", "choice", "negotiate,accept-language"),
        ("/m.var", "Accept-Language: de", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/accents.var", "Accept-Language: fr", 200, "voilà!", "choice", "negotiate,accept-language"),
        ("/accents.var", "Accept-Language: en", 200, "Zoë", "choice", "negotiate,accept-language"),
        ("/m", "", 404, "", "", ""),
        ("/m", "Accept-Language: fr", 404, "", "", ""),
        ("/b.var", "", 200, "body en\n", "", "accept-language"),
        ("/b.var", "Accept-Language: fr", 200, "body fr\n", "", "accept-language"),
        ("/ex", "", 200, "e", "choice", "negotiate"),
        ("/q", "", 200, "qe", "choice", "negotiate,accept-language"),
        ("/q.html", "Accept-Language: fr", 404, "", "", ""),
        ("/some", "", 200, "in english", "choice", "negotiate,accept,accept-language"),
        ("/some", "Accept-Language: fr", 200, "any", "choice", "negotiate,accept,accept-language"),
        ("/p?x=1", "", 200, "deutsch", "choice", "negotiate,accept-language"),
        ("/p.htm", "", 404, "", "", ""),
    ],
)
def test_what_is_chosen(server: Server, path: str, asked: str, status: int, body: str, tcn: str, vary: str) -> None:
    headers = dict(line.split(": ", 1) for line in [asked] if line)
    reply = server.get(path, headers=headers)
    assert reply.status == status
    assert (reply.header("TCN") or "", reply.header("Vary") or "") == (tcn, vary)
    if status == 200:
        assert reply.text == body


def test_what_is_told_of_it(server: Server) -> None:
    reply = server.get("/p", headers={"Accept-Language": "fr"})
    told = {name: reply.header(name) for name in ("Content-Location", "Content-Language", "Content-Type", "X-Form")}
    assert told == {
        "Content-Location": "p.html.fr", "Content-Language": "fr", "Content-Type": "text/html", "X-Form": "french",
    }  # fmt: skip
    other = server.get("/p", headers={"Accept-Language": "en"})
    assert (other.text, other.header("X-Form")) == ("english", None)
    packed = server.get("/z", headers={"Accept-Encoding": "gzip"})
    assert packed.header("Content-Encoding") == "gzip"
    assert server.get("/z", headers={"Accept-Encoding": "x-gzip"}).header("Content-Encoding") == "x-gzip"


def test_where_nothing_pleases(server: Server) -> None:
    reply = server.get("/p", headers={"Accept-Language": "es"})
    assert reply.status == 406
    assert reply.header("Alternates") == (
        '{"p.html.de" 1 {type text/html} {language de} {length 7}}, '
        '{"p.html.en" 1 {type text/html} {language en} {length 7}}, '
        '{"p.html.fr" 1 {type text/html} {language fr} {length 9}}'
    )
    assert '<li><a href="p.html.de">p.html.de</a>, type text/html, language de</li>' in reply.text


def test_other_methods_and_versions(server: Server) -> None:
    posted = server.request("POST", "/p", body="")
    assert (posted.text, posted.header("TCN"), posted.header("Vary")) == ("deutsch", None, "accept-language")
    head = server.request("HEAD", "/p")
    assert (head.status, head.body, head.header("Content-Location")) == (200, b"", "p.html.de")


@pytest.mark.parametrize(("path", "status"), [("/broken.var", 500), ("/endless.var", 500), ("/none.var", 404)])
def test_faulty_maps(server: Server, path: str, status: int) -> None:
    assert server.get(path).status == status
    assert f"type map file {server.www}{path}" in server.log()


def test_paths_that_lead_out(server: Server) -> None:
    for path in ("/p/../../etc/passwd", "/%2e%2e/p", "/secret", "/dir/..%2fp", "/p%00"):
        assert server.get(path).status in (400, 404)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("ForceLanguagePriority Sometimes", "must be None, or one or both of Prefer and Fallback"),
        ("MultiviewsMatch Some", "unrecognized option"),
        ("MultiviewsMatch Any Handlers", "stand alone"),
    ],
)
def test_faults(server: Server, line: str, error: str) -> None:
    assert error in refusal(server, "-c", line)
