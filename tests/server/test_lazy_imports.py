"""PythonInterpLazyImports: what an application imports is executed when it is first used."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from mpserver.cli import load
from mpserver.cli.options import parse
from mpserver.config.configuration import load as load_configuration
from mpserver.errors import ConfigErrors
from mpserver.modules.all import registry
from mpserver.phases import facts
from mpserver.phases.survey import finish
from support.server import EACH_IN_BOTH, Server
from support.waiting import wait_for

needs_lazy = pytest.mark.skipif(sys.version_info < (3, 15), reason="Python has lazy imports from 3.15 on (PEP 810)")

#: Tells what of its imports has been executed.
APP = """
import sys
import mine
import colorsys
import installed
import broken
from installed.part import value
from mod_python import apache, util

NAMES = ("mine", "colorsys", "installed", "installed.part", "mod_python.util")
AT_LOADING = [name for name in NAMES if name in sys.modules]
ENGINE = ("mpserver", "mod_python")


def waiting():
    kind = type(globals()["broken"])
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ENGINE:
            for one in vars(module).values():
                if type(one) is kind:
                    yield name


def handler(req):
    if req.args == "use":
        req.write(value + str(colorsys.rgb_to_hsv(0, 0, 0)) + "\\n")
    elif req.args == "break":
        broken.nothing
    import json
    req.write(json.dumps({
        "kind": apache._runtime.current().kind,
        "mode": sys.get_lazy_imports(),
        "loading": AT_LOADING,
        "now": [name for name in NAMES if name in sys.modules],
        "does": mine.DOES,
        "engine": [] if req.args == "break" else [*waiting()],
    }))
    return apache.OK
"""

FILES = {
    "app.py": APP,
    "mine.py": "import registered\nDOES = list(registered.DONE)\n",
    "registered.py": "import also\nDONE = ['also' in __import__('sys').modules]\n",
    "also.py": "",
    "lacks.py": "import nowhere_at_all\ndef handler(req):\n    return nowhere_at_all\n",
    "script.wsgi": "import sys, zipapp\n"
    "def application(environ, start_response):\n"
    "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
    "    return [f\"{sys.get_lazy_imports()} {'zipapp' in sys.modules}\".encode()]\n",
    "site-packages/installed/__init__.py": "",
    "site-packages/installed/part.py": "value = 'taken'\n",
    "site-packages/broken.py": "x = 1\nraise RuntimeError('it does not work today')\n",
}

CONF = """
PythonPath "sys.path + ['${WWW}', '${WWW}/site-packages']"
PythonInterpLazyImports On
WSGIScriptAlias /script ${WWW}/script.wsgi
SetHandler mod_python
PythonHandler app
<Location /script>
    SetHandler none
</Location>
<Location /lacks>
    PythonHandler lacks
</Location>
"""

#: Beside it, where interpreters are apart.
EAGER = """
<Location /eager>
    PythonInterpreter eager
    PythonInterpLazyImports Off
</Location>
"""


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids=str)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    kind, mpm = request.param
    return start_module_server(CONF + EAGER * (kind != "main"), FILES, backend=kind, mpm=mpm)


def told(server: Server, path: str) -> dict[str, Any]:
    reply = server.get(path)
    assert reply.status == 200, server.said()
    found: dict[str, Any] = json.loads(reply.text.splitlines()[-1])
    return found


@needs_lazy
def test_what_is_installed_waits_for_its_first_use(server: Server) -> None:
    before = told(server, "/")
    assert (before["kind"], before["mode"]) == (server.backend, "all")
    assert before["loading"] == before["now"] == ["mine", "mod_python.util"]
    assert before["does"] == [True]  # (its own modules are executed where they are imported)
    assert before["engine"] == []
    assert server.get("/?use").text.startswith("taken(0.0, 0.0, 0)\n")
    after = told(server, "/")
    assert after["now"] == ["mine", "colorsys", "installed", "installed.part", "mod_python.util"]
    assert after["loading"] == before["loading"]


@needs_lazy
def test_others_import_as_ever(server: Server) -> None:
    if server.backend == "main":
        pytest.skip("all applications are in one interpreter")
    assert server.get("/eager").status == 500  # (the module that fails does so when it is imported)
    said = server.wait_for_log("interpreter 'eager'")
    assert "RuntimeError: it does not work today" in said
    assert "lazy import of" not in said[said.index("interpreter 'eager'") :]


@needs_lazy
def test_an_error_that_comes_late_is_told_with_both_places(server: Server) -> None:
    assert server.get("/?break").status == 500
    server.wait_for_log("RuntimeError: it does not work today")
    for part in (
        f'File "{server.www}/app.py", line 6, in <module>',
        "lazy import of 'broken' raised an exception during resolution",
        "in handler",
        f'File "{server.www}/site-packages/broken.py", line 2, in <module>',
    ):
        server.wait_for_log(part)
    assert told(server, "/")["mode"] == "all"


@needs_lazy
def test_a_module_that_is_missing_is_told_when_the_application_is_loaded(server: Server) -> None:
    assert server.get("/lacks").status == 500
    said = server.wait_for_log("No module named 'nowhere_at_all'")
    line = next(line for line in said.splitlines() if "No module named 'nowhere_at_all'" in line)
    assert f"{server.www}/lacks.py line 1" in line


@needs_lazy
def test_scripts_of_wsgi_are_applications_too(server: Server) -> None:
    assert server.get("/script").text == "all False"


@needs_lazy
def test_what_refuses_subinterpreters_when_it_is_used_moves_the_application(start_server: StartServer) -> None:
    app = (
        "import faulthandler\nfrom mod_python import apache\n"
        "def handler(req):\n"
        "    if req.args == 'use':\n"
        "        faulthandler.is_enabled()\n"
        "    req.write(apache._runtime.current().kind)\n"
        "    return apache.OK\n"
    )
    server = start_server(CONF.partition("WSGI")[0] + "SetHandler mod_python\nPythonHandler app\n", {"app.py": app})
    assert server.get("/").text == "own"
    assert server.get("/?use").text == "process"
    wait_for(lambda: server.get("/").text == "process", "all requests to go there")


# ---- the configuration


def read(folder: Path, text: str) -> None:
    """Read a configuration as the server does."""
    server = Server(folder, text)
    server.close()
    load.read(parse(["-f", str(server.conf)]))


def python_of(folder: Path, version: str) -> Path:
    """A program that says of itself that it is a Python of a version."""
    file = folder / f"python{version.replace(' ', '.')}"
    file.write_text(f"#!/bin/sh\necho {version}\n")
    file.chmod(0o755)
    return file


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="this Python has lazy imports")
@pytest.mark.parametrize("around", ["%s\n", "<Location /a>\nPythonHandler h\n%s\n</Location>\n"])
def test_an_older_python_refuses_it(tmp_path: Path, around: str) -> None:
    read(tmp_path / "off", around % "PythonInterpLazyImports Off")
    with pytest.raises(ConfigErrors) as refused:
        read(tmp_path / "on", around % "PythonInterpLazyImports On")
    (fault,) = refused.value.errors
    version = ".".join(map(str, sys.version_info[:2]))
    assert f"needs Python 3.15 or later, and this server runs with Python {version}: leave it out" in str(fault)


@pytest.mark.parametrize(("version", "good"), [("3 15", True), ("3 14", False)])
def test_a_python_of_its_own_counts(tmp_path: Path, version: str, good: bool) -> None:
    python = python_of(tmp_path, version)
    text = (
        f"<Location /a>\nPythonHandler h\nPythonInterpreter a\nPythonExecutable {python}\n"
        "PythonInterpLazyImports On\n</Location>\n"
    )
    if good:
        read(tmp_path / "good", text)
        return
    with pytest.raises(ConfigErrors) as refused:
        read(tmp_path / "bad", text)
    assert f"and {python} of interpreter 'a' is Python 3.14: leave it out" in str(refused.value)


#: What is refused in every Python, and how.
FAULTS = {
    "<Location /a>\nPythonHandler h\nPythonInterpLazyImports On\n</Location>\n"
    "<Location /b>\nPythonHandler h\nPythonInterpLazyImports Off\n</Location>": (
        "PythonInterpLazyImports says another thing of interpreter 'localhost' than line"
    ),
    "<Location /a>\nPythonHandler h\nPythonInterpLazyImports On\n</Location>\n"
    "<Location /b>\nPythonHandler h\n</Location>": (
        "PythonInterpLazyImports says another thing of interpreter 'localhost' than another section does"
    ),
    "<Directory /srv/a>\nPythonHandler h\nPythonInterpPerDirectory On\nPythonInterpLazyImports On\n</Directory>": (
        "give the section a PythonInterpreter name"
    ),
    "PythonInterpLazyImports Maybe": "On or Off",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_can_not_be_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        read(tmp_path, text)
    assert FAULTS[text] in str(refused.value)


def test_it_counts_by_name(tmp_path: Path) -> None:
    (tmp_path / "httpd.conf").write_text(
        "ServerName main\nPythonHandler h\nWSGIScriptAlias /s /srv/s.wsgi\n"
        "<Location /a>\nPythonInterpreter a\nPythonInterpLazyImports On\n</Location>\n"
        "<VirtualHost *>\nServerName two\nPythonInterpLazyImports On\nWSGIScriptAlias /t /srv/t.wsgi\n</VirtualHost>\n"
    )
    there = finish(load_configuration("httpd.conf", registry(), root=os.fspath(tmp_path)))
    names = ("main", "main|/s", "a", "two", "two|/t", "unheard-of")
    assert [name for name in names if facts.imports_lazily(there, name)] == ["a", "two", "two|/t"]
