"""Patterns of the configuration that would take too long on long texts: these are answered soon, and as short ones."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import quickest

CONF = """
RewriteEngine On
RewriteRule ^/three/(.*)/(.*)/(.*)\\.html$ /page.txt?$1-$3 [R,L]
RewriteCond %{QUERY_STRING} (.*)=(.*)=(.*);$
RewriteRule ^/query$ /page.txt?%3 [R,L]
RedirectMatch ^/moved/(.*)-(.*)-(.*)!$ /page.txt/$3
SetEnvIf X-Long "^(.*),(.*),(.*);$" found=$2
Header set X-Found "%{found}e" env=found
<LocationMatch "^/at/(?<one>.*)/(.*)/(.*)\\.py$">
    Header set X-At yes
</LocationMatch>
<If "%{HTTP_COOKIE} =~ /^(.*)=(.*)=(.*);$/">
    Header set X-Cookie yes
</If>
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
Header edit X-Edited "^(.*)a(.*)b(.*)$(?<=c)" "$3$1"
"""

APP = """
from mod_python import apache

def handler(req):
    req.headers_out["X-Edited"] = req.headers_in["X-Edit"]
    req.write("app")
    return apache.OK
"""

LONG = "x" * 400


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One for each kind."""
    return start_module_server(CONF, {"page.txt": "page", "app/app.py": APP, "app/x": ""}, backend=request.param)


@pytest.mark.parametrize("text", ["z", LONG], ids=["short", "long"])
def test_what_long_texts_match(server: Server, text: str) -> None:
    reply = server.get(f"/three/{text}/b/{text}.html")
    assert (reply.status, (reply.header("Location") or "").partition("?")[2]) == (302, f"{text}-{text}")
    assert (server.get(f"/query?{text}=b={text};").header("Location") or "").endswith(f"/page.txt?{text}")
    assert (server.get(f"/moved/a-{text}-{text}!").header("Location") or "").endswith(f"/page.txt/{text}")
    assert server.get("/page.txt", {"X-Long": f"{text},{text},c;"}).header("X-Found") == text
    assert server.get(f"/at/{text}/b/{text}.py").header("X-At") is None  # (a 404, for which Header set is not)
    assert server.get("/page.txt", {"Cookie": f"{text}=b=c;"}).header("X-Cookie") == "yes"
    assert server.get("/app/x", {"X-Edit": f"1{text}a{text}b{text}c"}).header("X-Edited") == f"{text}c1{text}"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/three" + "/" * 7000, {}),
        ("/query?" + "=" * 7000, {}),
        ("/moved/" + "-" * 7000, {}),
        ("/at" + "/" * 7000, {}),
        ("/page.txt", {"X-Long": "," * 7000}),
        ("/page.txt", {"Cookie": "=" * 7000}),
        ("/app/x", {"X-Edit": "ab" * 2000}),
    ],
    ids=["rule", "condition", "redirect", "section", "variable", "expression", "edit"],
)
def test_what_long_texts_do_not_match(server: Server, path: str, headers: dict[str, str]) -> None:
    """With `re` alone each of these takes minutes."""
    took = quickest(lambda: server.get(path, headers), 2.0)
    assert min(took) < 2.0, took
