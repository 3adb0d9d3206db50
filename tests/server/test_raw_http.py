"""Every case of tools/raw-http, for every kind of interpreter and MPM: what RFC 9110 and 9112 say of these bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from rawhttp.asking import ask_all, fault
from rawhttp.cases import CASES

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server

CONF = """
LimitRequestBody 1000000
KeepAliveTimeout 20
<LocationMatch ^/(?!file.txt|nofile.txt)>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler echo
</LocationMatch>
"""

ECHO = """
from mod_python import apache


def handler(req):
    if req.uri == "/hidden":
        req.status = 418
    body = b"" if req.uri == "/unread" else req.read()
    req.content_type = "application/octet-stream"
    req.set_content_length(len(body))
    req.write(body)
    return apache.OK
"""

#: When the file was written last, in seconds: between the dates that the cases name.
WRITTEN = 1_300_000_000


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """One server for all cases."""
    backend, mpm = request.param
    files = {"echo.py": ECHO, "file.txt": "0123456789" * 10}
    server = start_module_server(CONF, files, mode="foreground", backend=backend, mpm=mpm, workers=2, threads=4)
    os.utime(server.www / "file.txt", (WRITTEN, WRITTEN))
    yield server
    server.close()


def test_there_are_400_cases_each_with_a_name_of_its_own() -> None:
    names = [case.name for cases in CASES.values() for case in cases]
    assert len(names) >= 400
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("about", CASES)
def test_what_is_answered(server: Server, about: str) -> None:
    faults = {
        f"{case.section}, {case.name}": said
        for case, outcome in ask_all(("127.0.0.1", server.port), CASES[about])
        if (said := fault(case, outcome, case.accepted[:1]))
    }
    assert not faults, server.log()[-2000:]
    assert "Traceback" not in server.log()
