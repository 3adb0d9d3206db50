"""The test page in a real server: what it tells in every kind of interpreter, and how it reads on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import StartServer
from support.browser import PHONE, browser
from support.server import BACKENDS, Server

CONF = """
PythonOption of.server "its value"
PythonInterpreter info
<Location /mpinfo>
    SetHandler mod_python
    PythonHandler mod_python.testhandler
    PythonAccessHandler gate
    PythonPath "['${WWW}'] + sys.path"
    PythonOption of.request "another value"
    PythonDebug On
    LimitRequestBody 4711
    Require all granted
    ErrorDocument 404 "Not <here>"
</Location>
RemoteIPHeader X-Client
<Location /unsaid>
    SetHandler mod_python
    PythonHandler mod_python.testhandler
</Location>
<Location /told>
    SetHandler mod_python
    PythonHandler mod_python.testhandler
    Require ip 192.0.2.0/24
</Location>
<Directory "${WWW}">
    Require all granted
</Directory>
"""
GATE = "def accesshandler(req):\n    req.notes['passed'] = 'the gate'\n    return 0\n"


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server with the page."""
    return start_module_server(CONF, {"gate.py": GATE}, backend=request.param)


def shown(page: str) -> dict[str, str]:
    """The page's names and values; of equal names the last."""
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL))


def test_what_it_tells(server: Server) -> None:
    reply = server.get("/mpinfo?x=1", {"X-Asked": "<b>"})
    assert reply.status == 200
    found = shown(reply.text)
    place = "main_interpreter" if server.backend == "main" else "info"
    for name, value in {
        "kind": server.backend,
        "name": "info",
        "runs in": f"{place}, asked for as {server.backend}",
        "PythonHandler": "mod_python.testhandler in Location /mpinfo",
        "PythonAccessHandler": "gate in Location /mpinfo",
        "handler by SetHandler": "mod_python",
        "LimitRequestBody": "4711 bytes",
        "error documents": "404: Not &lt;here&gt;",
        "required": "all granted",
        "X-Asked": "&lt;b&gt;",
        "of.server": "its value",
        "of.request": "another value",
        "passed": "the gate",
        "args": "x=1",
        "mod_python.publisher": "yes",
        "mod_python.psp": "yes",
    }.items():
        assert found.get(name) == value, name
    assert "gate.py" in found["gate"] if "gate" in found else "gate.py" in reply.text
    assert "Listen 127.0.0.1:" in reply.text, "the configuration's tree"


@pytest.mark.parametrize(
    ("path", "client", "host", "status"),
    [
        ("/unsaid", "127.0.0.1", None, 200),
        ("/unsaid", "127.0.0.1", "localhost:80", 200),
        ("/unsaid", "127.0.0.1", "rebound.example", 403),
        ("/unsaid", "192.0.2.1", None, 403),
        ("/unsaid?log", "192.0.2.1", None, 403),
        ("/told", "192.0.2.1", "any.example", 200),
        ("/told", "127.0.0.1", None, 403),
    ],
)
def test_only_this_machine_unless_the_location_says_more(
    server: Server, path: str, client: str, host: str | None, status: int
) -> None:
    reply = server.get(path, {"X-Client": client}, host=host)
    assert reply.status == status
    assert ("mod_python works" in reply.text) == (status == 200)
    if path != "/told" and status == 403:
        server.wait_for_log("client denied: without a Require in its Location this page is for ")


def test_the_log_by_either_query(server: Server) -> None:
    for query in ("log", "view_log=1"):
        reply = server.get(f"/mpinfo?{query}")
        assert reply.header("Content-Type") == "text/plain; charset=utf-8"
        assert 0 < len(reply.text.splitlines()) <= 100


def test_it_reads_well_on_a_phone(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(CONF, {"gate.py": GATE})
    (tmp_path / "chromium").mkdir()
    with browser(tmp_path / "chromium", PHONE) as phone:
        phone.open(f"http://127.0.0.1:{server.port}/mpinfo?{'x' * 300}")
        assert phone.run("return innerWidth") == PHONE[0]
        titles = phone.run("return [...document.querySelectorAll('summary')].map(e => e.textContent)")
        for title in (
            "Server",
            "Interpreter",
            "Plan of the request",
            "Request headers",
            "Environment",
            "Modules",
        ):
            assert title in titles
        folded = phone.run("return document.documentElement.scrollHeight")
        phone.run("for (const part of document.querySelectorAll('details')) part.open = true")
        assert phone.run("return document.documentElement.scrollHeight") > 2 * folded
        width = "return Math.max(...[...document.querySelectorAll('body,h1,p,summary,dl,dt,dd,pre')]"
        assert phone.run(width + ".map(e => e.getBoundingClientRect().right))") <= PHONE[0]
        assert phone.run("return document.documentElement.scrollWidth") <= PHONE[0], "nothing to scroll sideways"
        smallest = "return Math.min(...[...document.querySelectorAll('p,summary,dt,dd,pre')]"
        assert phone.run(smallest + ".map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 13
        assert phone.run("return Math.min(...[...document.querySelectorAll('summary')].map(e => e.offsetHeight))") >= 24
        assert "info" in phone.text("p")
