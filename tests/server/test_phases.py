"""The phases on a real server, for every kind of interpreter: their order, what they see, what handlers can add."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

CONF = """
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHeaderParserHandler app::first
    PythonFixupHandler app::fixup
    PythonHandler app
</Directory>
<Directory "${WWW}/gate">
    SetHandler mod_python
    PythonAuthenHandler app::authen
    PythonHandler app
    AuthType Basic
    AuthName gate
    Require valid-user
</Directory>
<Directory "${WWW}/shown">
    SetHandler mod_python
    PythonHandler app
    PythonDebug On
</Directory>
<Directory ~ "${WWW}/regex[0-9]">
    SetHandler mod_python
    PythonHandler app
</Directory>
<VirtualHost *:${PORT}>
    ServerName plain.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName early.test
    PythonPostReadRequestHandler app::early
    PythonTransHandler app::early
    PythonInitHandler app::early
    PythonPath "sys.path + ['${WWW}/app']"
</VirtualHost>
"""

APP = """
from mod_python import apache


def note(req, what):
    req.seen = getattr(req, "seen", []) + [what]


def do(req, where):
    for item in (req.headers_in.get("X-Do") or "").split(";"):
        place, _, deed = item.partition("=")
        if place == where:
            verb, _, rest = deed.partition(":")
            if verb == "add":
                req.add_handler(rest, "app::added")
            elif verb == "handler":
                req.handler = rest or None
            elif verb == "raise":
                raise ValueError("<asked to>")
            elif verb == "none":
                return None
            else:
                return int(verb)
    return apache.OK


def first(req):
    note(req, "first")
    return do(req, "first")


def early(req):
    note(req, req.phase)
    result = do(req, req.phase)
    if req.phase == "PythonTransHandler" and result == apache.OK and "X-Ok" not in req.headers_in:
        return apache.DECLINED
    return result


def authen(req):
    note(req, "authen")
    req.user = "joe"
    return do(req, "authen")


def fixup(req):
    note(req, f"fixup {req.handler}")
    return do(req, "fixup")


def added(req):
    note(req, f"added {req.phase}")
    if req.phase == "PythonHandler":
        req.write(" and added")
    return do(req, "added")


def handler(req):
    result = do(req, "handler")
    if result == apache.OK:
        req.write(f"{getattr(req, 'seen', [])} {req.hlist.directory}")
    return result
"""
FILES: dict[str, str | bytes] = {
    "app/app.py": APP, "app/x": "the file", "gate/app.py": APP, "gate/x": "", "shown/app.py": APP, "shown/x": "",
    "regex1/deep/x": "", "regex1/app.py": APP, "page.txt": "the page",
}  # fmt: skip


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    return start_module_server(CONF, FILES, backend=request.param)


def test_fixups_see_the_handler_and_choose_it(server: Server) -> None:
    assert server.get("/app/x").text.startswith("['first', 'fixup mod_python'] ")
    assert server.get("/app/x", {"X-Do": "fixup=handler:"}).text == "the file"


@pytest.mark.parametrize("phase", ["PythonAccessHandler", "PythonTypeHandler", "PythonFixupHandler"])
def test_added_to_a_phase_without_handlers(server: Server, phase: str) -> None:
    text = server.get("/app/x", {"X-Do": f"first=add:{phase}"}).text
    assert f"'added {phase}'" in text
    refused = server.get("/app/x", {"X-Do": f"first=add:{phase};added=403"})
    assert refused.status == 403


def test_added_to_content(server: Server) -> None:
    assert server.get("/app/x", {"X-Do": "first=add:PythonHandler"}).text.endswith(" and added")


def test_a_401_has_a_challenge(server: Server) -> None:
    assert server.get("/gate/x").status == 200
    reply = server.get("/gate/x", {"X-Do": "authen=401"})
    assert (reply.status, reply.header("WWW-Authenticate")) == (401, 'Basic realm="gate"')


def test_the_page_of_pythondebug(server: Server) -> None:
    reply = server.get("/shown/x", {"X-Do": "handler=raise"})
    assert (reply.status, reply.header("Content-Type")) == (500, "text/html")
    assert reply.text.startswith('\n<pre>\nMod_python error: "PythonHandler app"\n\nTraceback (most recent call last')
    assert reply.text.endswith("ValueError: &lt;asked to&gt;\n\n</pre>\n")
    assert "mpserver/phases" not in reply.text


def test_a_result_that_is_none(server: Server) -> None:
    assert server.get("/app/x", {"X-Do": "handler=none"}).status == 500
    page = server.get("/shown/x", {"X-Do": "handler=none"}).text
    assert "exception with argument having non integer type. Type of value returned\nwas &lt;class" in page


def test_the_directory_of_a_regular_expression(server: Server) -> None:
    assert server.get("/regex1/deep/x").text.endswith(f" {server.www}/regex1/")


def test_the_order_of_early_phases(server: Server) -> None:
    text = server.get("/app/x", host="early.test").text
    names = ["PythonInitHandler", "PythonPostReadRequestHandler", "PythonTransHandler", "first"]
    assert text.startswith(str(names)[:-1])


def test_translated_to_nothing(server: Server) -> None:
    """A translation handler's OK without a file: no directory counts, so that nothing is there."""
    assert server.get("/app/x", {"X-Ok": "1"}, host="early.test").status == 404
    assert server.get("/page.txt", host="early.test").text == "the page"
