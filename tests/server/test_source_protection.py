"""SourceProtection: source code is not sent where a handler is missing or misspelled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

NAMES = ("app.py", "APP2.PY", "app.pyc", "page.psp", "site.wsgi", ".htsecret")

CONF = """
AddHandler mod_pithon .py
Alias /elsewhere ${WWW}
<Directory ${WWW}/open>
    SourceProtection Off
</Directory>
"""


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    files = {f"{folder}{name}": "secret" for folder in ("", "open/") for name in (*NAMES, "page.html", "xpy")}
    server = start_module_server(CONF, files, mode="foreground", backend=request.param)
    yield server
    server.close()


@pytest.mark.parametrize("name", NAMES)
def test_sources_are_refused(server: Server, name: str) -> None:
    escaped = "".join(f"%{ord(character):02x}" for character in name)
    for path in (f"/{name}", f"/{escaped}", f"/elsewhere/{name}", f"/x/..//{name}", f"/{name}?a"):
        for _ in range(2):
            reply = server.get(path)
            assert (reply.status, "secret" in reply.text) == (403, False), path
    assert "SourceProtection Off sends it as it is" in server.log()


@pytest.mark.parametrize("name", [*(f"open/{name}" for name in NAMES), "page.html", "xpy"])
def test_others_and_what_is_open_are_served(server: Server, name: str) -> None:
    reply = server.get(f"/{name}")
    assert (reply.status, reply.text) == (200, "secret")
