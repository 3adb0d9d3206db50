"""httpd's modules on a real server: golden files of configurations, requests and answers, taken from httpd itself."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from conftest import StartServer
from support.golden import Case, differences, hosts, read
from support.server import BACKENDS, Server

GOLDEN = Path(__file__).with_name("golden")
CASES: list[Case] = [case for path in sorted(GOLDEN.glob("*.txt")) for case in read(path)]

CONF = """
AddHandler cgi-script .cgi
<Directory />
    Options +ExecCGI
</Directory>
"""

#: What the cases ask for.
FILES: dict[str, str | bytes] = {
    "big.txt": "hello world, this is text\n" * 400,
    "big.html": "hello world, this is text\n" * 400,
    "big.txt.foo": "hello world, this is text\n" * 400,
    "s68.txt": "x" * 68,
    "s69.txt": "x" * 69,
    "page.txt.zipped": gzip.compress(b"zipped text\n" * 50),
    "long.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nseq 300\n",
    "page.txt": "the page\n",
    "folder/index.html": "<p>a folder</p>\n",
    "untyped": "of no type\n",
    "index.html": "<p>an index</p>\n",
    "env.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nenv | grep -i '^VAR' | LC_ALL=C sort\n",
    "redirected.cgi": (
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
        "env | grep '^VAR\\|^REDIRECT_[SUV]' | LC_ALL=C sort\n"
    ),
    "headers.cgi": (
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\nSet-Cookie: c=1\\r\\nX-Powered-By: sh\\r\\n'\n"
        "printf 'Cache-Control: max-age=5\\r\\n\\r\\nbody'\n"
    ),
    "expires.cgi": (
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\\r\\n\\r\\nbody'\n"
    ),
}  # fmt: skip

#: (files and scripts are served beside the applications' interpreters: the kind of these does not matter)
KINDS = [("main", "prefork"), (BACKENDS[0], "worker")]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server of each MPM; a virtual host for each case."""
    backend, mpm = request.param
    return start_module_server(CONF + hosts(CASES, ""), FILES, backend=backend, mpm=mpm)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_golden(server: Server, number: int) -> None:
    for exchange in CASES[number].exchanges:
        headers = dict(exchange.headers)
        reply = server.request(exchange.method, exchange.path, None, headers, host=f"case{number}")
        found = differences(exchange, reply.status, list(reply.headers), reply.body.decode("latin-1"))
        assert list(found) == [], f"{exchange.method} {exchange.path} {headers}: {reply.headers}"
