"""What a subinterpreter loads of httpd's modules: the hooks of those that its configuration needs, and no more.

(Process interpreters share with their server what it has loaded; loading by itself is tested in modules/test_hooks.py.)
"""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

CONF = """
<Location /bare>
    SetHandler mod_python
    PythonHandler app
    PythonPath "['${WWW}/app'] + sys.path"
    PythonInterpreter bare
</Location>
<Directory "${WWW}/pages">
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    AddHandler mod_python .py
    PythonHandler app
    PythonPath "['${WWW}/app'] + sys.path"
    PythonInterpreter pages
</Directory>
<Directory "${WWW}/gate">
    AuthType Basic
    AuthName gate
    Require valid-user
    AddHandler mod_python .py
    PythonAuthenHandler app::authen
    PythonHandler app
    PythonPath "['${WWW}/app'] + sys.path"
    PythonInterpreter gate
</Directory>
"""

APP = """
import sys
from mod_python import apache

def handler(req):
    req.write(" ".join(sorted(name for name in sys.modules if name.startswith("mpserver.modules."))), 0)
    return apache.OK

def authen(req):
    req.user = "joe"
    return apache.OK
"""

FILES: dict[str, str | bytes] = {
    "app/app.py": APP, "pages/page.shtml": '<!--#set var="x" value="1" -->[<!--#echo var="x" -->]', "pages/x.py": "",
    "gate/x.py": "",
}  # fmt: skip

#: Of the interpreters' modules, what only some of them may load: it takes its time and room.
HEAVY = {
    "cgi.exchange", "cgi.running", "cgi.subprocesses", "core.files", "core.symlinks", "expressions", "include.filter",
    "include.page", "include.tags", "include.variables", "python.debugger", "python.filters",
}  # fmt: skip


pytestmark = pytest.mark.skipif("own" not in BACKENDS, reason="this Python has no interpreters of their own")


@pytest.fixture(scope="module", params=["own", "shared"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of subinterpreter."""
    return start_module_server(CONF, FILES, backend=request.param)


def loaded(server: Server, path: str) -> tuple[set[str], set[str]]:
    """The modules whose hooks an interpreter has loaded, and what it has of the heavy parts."""
    names = {name.removeprefix("mpserver.modules.") for name in server.get(path).text.split()}
    return {name.removesuffix(".hooks") for name in names if name.endswith(".hooks")}, names & HEAVY


def test_a_handler_alone(server: Server) -> None:
    assert loaded(server, "/bare") == ({"core", "dir", "mime", "python"}, set())


def test_a_page_with_includes(server: Server) -> None:
    modules = {"authz_core", "core", "dir", "include", "mime", "python"}
    assert loaded(server, "/pages/x.py") == (modules, set())
    assert server.get("/pages/page.shtml").text == "[1]"
    hooks, heavy = loaded(server, "/pages/x.py")
    assert hooks == modules
    assert {"include.page", "include.variables"} <= heavy
    assert "python.debugger" not in heavy


def test_users(server: Server) -> None:
    hooks, heavy = loaded(server, "/gate/x.py")
    assert hooks == {"auth_basic", "authn_core", "authz_core", "core", "dir", "mime", "python"}
    assert heavy == set()


def test_scripts_filters_and_logs_are_nobodys(server: Server) -> None:
    for path in ("/bare", "/pages/x.py", "/gate/x.py"):
        assert loaded(server, path)[0].isdisjoint({"alias", "cgi", "filter", "log_config"})
