"""server-info: what it tells in every kind of interpreter, without secrets, and for whom."""

from __future__ import annotations

import re

import pytest

from conftest import StartServer
from mpserver.modules.all import TABLE
from support.server import BACKENDS, Server

CONF = """
LoadModule info_module modules/mod_info.so
ServerName info.test:80
AddModuleInfo mod_alias.c "see <a href='/x'>this</a>"
PythonOption db.password "topsecret"
Alias "/a<b>" "${WWW}"
<Location /server-info>
    SetHandler server-info
</Location>
<Location /closed>
    SetHandler server-info
    Require ip 192.0.2.1
</Location>
"""


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server of each kind."""
    return start_module_server(CONF, backend=request.param)


def test_all_of_it(server: Server) -> None:
    reply = server.get("/server-info")
    assert (reply.status, reply.header("Content-Type")) == (200, "text/html; charset=utf-8")
    page = reply.text
    assert "topsecret" not in page
    assert "<b>" not in page
    for known in TABLE:
        assert f"<h2 id='{known.source}'>" in page
    assert "<p>see <a href='/x'>this</a></p>" in page


def test_its_parts(server: Server) -> None:
    config = server.get("/server-info?config").text
    assert "Alias &quot;/a&lt;b&gt;&quot;" in config
    assert "db.password&quot; (not shown)" in config or "db.password (not shown)" in config
    assert re.search(
        r"\d+: &lt;Location /server-info&gt;\n +\d+: +SetHandler server-info\n +: &lt;/Location&gt;", config
    )
    assert "Module Directives" not in config
    listed = server.get("/server-info?list").text
    assert "mod_rewrite.c" in listed
    assert "worker.c" in listed
    assert "info.test:80" in server.get("/server-info?server").text
    providers = server.get("/server-info?providers").text
    assert "forward-dns" in providers
    assert "file" in providers
    alias = server.get("/server-info?mod_alias.c").text
    assert "RedirectMatch" in alias
    assert "SetHandler" not in alias


def test_only_this_machine_unless_the_location_says_more(server: Server) -> None:
    assert server.get("/closed").status == 403
    assert server.request("POST", "/server-info").status in (404, 405)
