"""Behind real front ends: of all bytes of tools/raw-http no request comes out that the front end did not see."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from rawhttp.asking import ask, fault
from rawhttp.case import Case, get
from rawhttp.cases import CASES

from conftest import StartServer
from support.fronts import KINDS, before, normal
from support.server import BACKENDS, Server
from support.waiting import wait_for

CONF = """
LimitRequestBody 1000000
LogFormat "%r" seen
CustomLog ${ROOT}/logs/seen.log seen
<LocationMatch ^/(?!file.txt|nofile.txt)>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler echo
</LocationMatch>
"""

ECHO = """
from mod_python import apache


def handler(req):
    body = b"" if req.uri == "/unread" else req.read()
    if req.uri.startswith("/h0"):
        req.status = 418
    if req.uri.startswith("/m0"):
        body = req.uri.encode()
    req.set_content_length(len(body))
    req.write(body)
    return apache.OK
"""

ALL = [case for cases in CASES.values() for case in cases]

#: Seconds of silence after which a front end is taken to wait for more bytes.
PATIENCE = 0.5


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """One server for all front ends."""
    files = {"echo.py": ECHO, "file.txt": "0123456789" * 10}
    server = start_module_server(CONF, files, mode="foreground", backend=request.param, workers=2)
    os.utime(server.www / "file.txt", (1_300_000_000, 1_300_000_000))
    yield server
    server.close()


def marked(case: Case, number: int) -> Case:
    """The case with another path in place of /hidden, of the same length."""
    path = b"/h%05d" % number
    echo = case.echo and case.echo.replace(b"/hidden", path)
    return case._replace(sent=case.sent.replace(b"/hidden", path), echo=echo)


def following(number: int) -> Case:
    """A request after a case: that it gets its own answer shows that no other one was left over."""
    path = b"/m%05d" % number
    return Case("the next", "RFC 9112 9.3.2", get(target=path), ("200",), echo=path)


@pytest.mark.parametrize("name", KINDS)
def test_no_request_comes_out_that_nobody_saw(server: Server, name: str) -> None:
    log = server.logs / "seen.log"
    begun = log.stat().st_size if log.exists() else 0

    def ours() -> Counter[str]:
        lines = log.read_bytes()[begun:].decode().splitlines()
        return Counter(map(normal, lines))

    with before(server.port, name) as front:
        address = "127.0.0.1", front.port
        for number, case in enumerate(ALL):
            asked = marked(case, number)
            outcome = ask(address, asked, PATIENCE)
            if outcome.name == "200":
                assert fault(asked, outcome, ("200",)) is None, case.name
            after = following(number)
            assert fault(after, ask(address, after), after.accepted) is None, f"after {case.name}"
        last = f"GET /m{len(ALL) - 1:05d}"
        wait_for(lambda: ours()[last] and last in front.seen(), "the last request in both logs")
        unseen = ours() - front.seen()
        assert not unseen
        assert sum(ours().values()) > len(ALL)
