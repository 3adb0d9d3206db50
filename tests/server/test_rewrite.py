"""RewriteRule and its kin on a real server: what httpd 2.4 answers to the same configuration.

`rewriting/rules.conf` has the rules, `rewriting/answers.txt` what httpd itself said. Deliberate: escapes of redirects
have upper-case digits (RFC 3986 2.1), where httpd's have lower-case ones.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

FOLDER = Path(__file__).with_name("rewriting")

#: What a request has come to: its target and query, variables, and whether it was redirected.
SHOW = "|".join(
    f'<!--#echo var="{name}" -->'
    for name in (
        "REQUEST_URI", "QUERY_STRING", "VAR", "REDIRECT_VAR", "OTHER", "GONE", "HTTP_AUTHORIZATION", "REDIRECT_STATUS",
    )
)  # fmt: skip

#: As every application with one entrance has it.
FRONT = r"""
RewriteEngine On
RewriteBase /front/
RewriteRule ^index\.shtml$ - [L]
RewriteRule .* - [E=VAR:%{HTTP:Authorization}]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule ^(.*)$ index.shtml?q=$1 [L,QSA]
"""

NO_BASE = """
RewriteEngine On
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^(.*)$ index.shtml/$1 [L,DPI]
RewriteCond %{ENV:REDIRECT_STATUS} ^$
RewriteRule ^index.shtml$ - [F]
"""

DIRS = r"""
RewriteEngine On
RewriteRule ^f$ - [F]
RewriteRule ^abs$ /page.txt [L]
RewriteRule ^red$ /page.txt [R=301,L]
RewriteRule ^rel$ sub [R,L]
RewriteRule ^away$ http://o.example/ [L]
RewriteRule ^type$ - [T=application/x-odd]
RewriteRule ^type$ page.txt [T=application/x-odd]
RewriteRule ^here\.txt$ - [T=application/x-odd]
RewriteRule ^loop loop2
RewriteRule ^endless(.*)$ endless$1x
RewriteRule ^end$ step [END]
RewriteRule ^step$ page.txt
RewriteRule ^env$ show.shtml [E=VAR:inner]
RewriteRule ^$ page.txt
RewriteRule ^chained/(.*)$ x/$1
RewriteRule ^x/(.*)$ page.txt?$1
"""

FILES = {
    "page.txt": "page",
    "show.shtml": SHOW,
    "alias/in.txt": "aliased",
    "empty.txt": "",
    "list.txt": "# comment\nkey value\nq ?x=1\nodd two words\n",
    "pick.txt": "one a|a|a\n",
    "d/hop": "hop",
    "d/hopped.txt": "hopped",
    "d/other.txt": "other",
    "front/.htaccess": FRONT,
    "front/index.shtml": SHOW,
    "front/real.txt": "real",
    "front/sub/x.txt": "x",
    "nobase/.htaccess": NO_BASE,
    "nobase/index.shtml": SHOW,
    "nobase/real.txt": "real",
    "dirs/.htaccess": DIRS,
    "dirs/page.txt": "dirpage",
    "dirs/here.txt": "here",
    "dirs/step": "step",
    "dirs/show.shtml": SHOW,
    "dirs/deep/y.txt": "y",
    "dirs/deep2/.htaccess": "RewriteEngine On\n",
    "dirs/deep2/f": "f",
    "dirs/deep3/.htaccess": "RewriteEngine On\nRewriteOptions Inherit\nRewriteRule ^z$ /page.txt\n",
    "dirs/deep4/.htaccess": "RewriteEngine Off\n",
    "dirs/deep4/f": "f",
    "iff/a": "a",
    "files/abc": "abc",
    "files/abd": "abd",
    "files/zz": "zz",
    "nolinks/x": "x",
    "redirected/x": "not redirected",
    "loc/a": "a",
    "redirected/y": "",
    "alias/.htaccess": "RewriteEngine On\nRewriteRule ^ctx$ in.txt\n",
}


class Exchange(NamedTuple):
    """A request, and what httpd answers; None: nothing."""

    host: str
    path: str
    header: str | None
    status: int
    location: str | None
    vary: str | None
    cookie: str | None
    type: str | None
    body: str | None


def exchanges() -> list[Exchange]:
    """The lines of the file."""
    found = []
    for line in (FOLDER / "answers.txt").read_text().splitlines():
        if not line.startswith("#"):
            words = [None if word == "-" else word for word in line.split("\t")]
            found.append(Exchange(str(words[0]), str(words[1]), words[2], int(str(words[3])), *words[4:]))
    return found


#: (files are served beside the applications' interpreters: the kind of these does not matter)
KINDS = [("main", "prefork"), (BACKENDS[0], "worker")]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One with all the rules."""
    backend, mpm = request.param
    server = start_module_server((FOLDER / "rules.conf").read_text(), FILES, backend=backend, mpm=mpm)
    (server.www / "link").symlink_to("page.txt")
    return server


@pytest.mark.parametrize("exchange", exchanges(), ids=lambda its: f"{its.host}{its.path}")
def test_as_httpd(server: Server, exchange: Exchange) -> None:
    headers = {"Host": exchange.host}
    if exchange.header is not None:
        name, _, value = exchange.header.partition(": ")
        headers[name] = value
    reply = server.get(exchange.path, headers=headers)
    root, port = str(server.root), f":{server.port}"

    def plain(text: str | None) -> str | None:
        return None if text is None else text.replace(root, "ROOT").replace(port, ":PORT")

    found = Exchange(
        exchange.host, exchange.path, exchange.header, reply.status, plain(reply.header("Location")),
        reply.header("Vary"), reply.header("Set-Cookie"), reply.header("Content-Type") if reply.status == 200 else None,
        plain(reply.body.decode("latin-1")) if reply.status == 200 else None,
    )  # fmt: skip
    assert found == exchange


def test_a_first_segment_of_the_clients_is_no_file_unless_allowed(server: Server) -> None:
    page = str(server.www / "page.txt")
    assert server.get("/s/prefix" + page, host="main.example").text == "page"
    assert server.get("/s/back" + page, host="main.example").status == 404


def test_a_lifetime_makes_a_date() -> None:
    from mpserver.modules.rewrite import cookies

    made: dict[str, str] = {}
    cookies.add(made, "a:b:.example:60")
    assert re.fullmatch(r"a=b; path=/; domain=\.example; expires=\w{3}, \d\d-\w{3}-\d{4} \d\d:\d\d:\d\d GMT", made["a"])


def test_the_log_tells_the_way(server: Server) -> None:
    server.get("/s/query/logged", headers={"Host": "main.example"})
    text = server.wait_for_log("rewrite '/s/query/logged' -> '/show.shtml?p=logged'")
    assert "[rewrite:trace3]" in text
    assert "applying pattern '^/s/plain$' to uri '/s/query/logged'" in text
