"""What the configuration puts into the ``os.environ`` of applications (PythonInterpEnv)."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from mpserver.cli import load
from mpserver.cli.options import parse
from mpserver.errors import ConfigErrors
from support.server import EACH_IN_BOTH, Server
from support.waiting import wait_for

#: Each application keeps what it finds when it is loaded, and asks a program what that finds.
APP = """
import json
import os
import subprocess
from mod_python import apache

NAMES = ("SERVERS", "SETTINGS", "SECTIONS", "HOME")
AT_LOADING = {name: os.environ.get(name) for name in NAMES}


def handler(req):
    if req.args == "change":
        os.environ["SETTINGS"] = "changed"
    child = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout.splitlines()
    req.content_type = "application/json"
    req.write(json.dumps({
        "kind": apache._runtime.current().kind,
        "loading": AT_LOADING,
        "now": {name: os.environ.get(name) for name in NAMES},
        "child": {name: value for name, _, value in (line.partition("=") for line in child) if name in NAMES},
    }), 0)
    return apache.OK


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([AT_LOADING["SETTINGS"], environ.get("SETTINGS")]).encode()]
"""

CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonInterpEnv SERVERS "of the server"
<Location /one>
    SetHandler mod_python
    PythonHandler app
    PythonInterpreter one
    PythonInterpEnv SETTINGS one
    PythonInterpEnv HOME "a path with=signs"
</Location>
<Location /one/below>
    PythonInterpEnv SECTIONS "of another section"
</Location>
<Location /two>
    SetHandler mod_python
    PythonHandler app
    PythonInterpreter two
    PythonInterpEnv SETTINGS two
    PythonInterpEnv SERVERS
</Location>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
    PythonInterpreter wsgi
    PythonInterpEnv SETTINGS wsgi
</Location>
"""

PER_DIRECTORY = """
PythonInterpEnv SERVERS "of the server"
<Directory "${WWW}/folders">
    SetHandler mod_python
    PythonHandler app
    PythonInterpPerDirectory On
</Directory>
"""


@pytest.fixture(scope="module", params=[*(one for one in EACH_IN_BOTH if one[0] != "main"), ("auto", "prefork")])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    backend, mpm = request.param
    files = {"app.py": APP, "folders/app.py": APP, "folders/x": ""}
    return start_module_server(CONF + PER_DIRECTORY, files, backend=backend, mpm=mpm)


def told(server: Server, path: str) -> dict[str, Any]:
    reply = server.get(path)
    assert reply.status == 200, server.said()
    found: dict[str, Any] = json.loads(reply.body)
    return found


def test_each_application_has_its_own(server: Server) -> None:
    one = {"SERVERS": "of the server", "SETTINGS": "one", "SECTIONS": "of another section", "HOME": "a path with=signs"}
    found = told(server, "/one")
    assert (found["loading"], found["now"], found["child"]) == (one, one, one)
    found = told(server, "/two")
    assert (found["now"]["SETTINGS"], found["now"]["SERVERS"], found["now"]["SECTIONS"]) == ("two", "", None)
    assert found["loading"] == found["now"]
    assert found["now"]["HOME"] != "a path with=signs"
    assert told(server, "/folders/x")["loading"]["SERVERS"] == "of the server"


def test_it_is_no_variable_of_requests(server: Server) -> None:
    assert json.loads(server.get("/wsgi").body) == ["wsgi", None]


def test_what_the_application_changes_stays(server: Server) -> None:
    server.get("/two?change")
    assert told(server, "/two")["now"]["SETTINGS"] == "changed"
    assert told(server, "/one")["now"]["SETTINGS"] == "one"


def test_the_main_interpreter_has_that_of_all(start_server: StartServer) -> None:
    conf = CONF.partition("<Location /two>")[0]
    found = told(start_server(conf, {"app.py": APP}, backend="main"), "/one")
    assert (found["loading"]["SETTINGS"], found["child"]["SETTINGS"]) == ("one", "one")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")
def test_it_makes_no_process_and_goes_along_with_who_moves(start_server: StartServer) -> None:
    server = start_server(CONF, {"app.py": APP}, backend="auto")
    assert told(server, "/one")["kind"] == "own"
    server.write("app.py", "import faulthandler\n" + APP)
    server.stop()
    server.start()
    found = told(server, "/one")
    assert (found["kind"], found["loading"]["SETTINGS"], found["child"]["SETTINGS"]) == ("process", "one", "one")


@pytest.mark.parametrize("backend", ["own", "process"])
def test_a_graceful_restart_has_the_new_ones(start_server: StartServer, backend: str) -> None:
    if backend == "own" and sys.version_info < (3, 12):
        pytest.skip("there are no own interpreters")
    server = start_server(CONF, {"app.py": APP}, backend=backend, mode="foreground")
    assert told(server, "/one")["now"]["SETTINGS"] == "one"
    server.conf.write_text(server.conf.read_text().replace("SETTINGS one", "SETTINGS anew"))
    server.send(signal.SIGUSR1)
    wait_for(lambda: told(server, "/one")["now"]["SETTINGS"] == "anew", "the new generation")


#: What is refused, and how.
FAULTS = {
    "PythonInterpEnv A=B x": "write name and value apart",
    "PythonInterpEnv A B C": "takes 1-2 arguments",
    "PythonInterpBackend main\n<Location /a>\nPythonHandler h\nPythonInterpEnv A 1\n</Location>\n"
    "<Location /b>\nPythonHandler h\nPythonInterpEnv A 2\n</Location>": (
        "PythonInterpEnv A says another thing of interpreter 'main_interpreter' than line"
    ),
    "<Location /a>\nPythonHandler h\nPythonInterpEnv A 1\n</Location>\n"
    "<Location /b>\nPythonHandler h\nPythonInterpEnv A 2\n</Location>": (
        "PythonInterpEnv A says another thing of interpreter 'localhost' than line"
    ),
    "<Directory /srv/a>\nPythonHandler h\nPythonInterpPerDirectory On\nPythonInterpEnv A 1\n</Directory>": (
        "give the section a PythonInterpreter name"
    ),
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_can_not_be_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        read(tmp_path, text)
    assert FAULTS[text] in str(refused.value)


def test_a_section_without_handlers_says_nothing_against_others(tmp_path: Path) -> None:
    text = "PythonInterpEnv A 1\n<Location /a>\nPythonHandler h\nPythonInterpEnv A 2\n</Location>"
    read(tmp_path, text)  # (it raises nothing)


def read(folder: Path, text: str) -> None:
    """Read a configuration as the server does."""
    server = Server(folder, text)
    server.close()
    load.read(parse(["-f", str(server.conf)]))
