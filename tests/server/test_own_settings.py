"""What handlers set of a request's options and directives holds for the rest of it, whatever plan it gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, EACH_IN_BOTH, Server

APP = """
import json
from mod_python import Session, apache


def early(req):
    options = req.get_options()
    req.get_config()
    if req.args == "set":
        options["early"] = "set"
        options["place"] = "by a handler"
        del options["gone"]
        req.get_config()["PythonAutoReload"] = "0"
    return apache.DECLINED


def look(req):
    req.get_options()
    return early(req)


def handler(req):
    req.content_type = "application/json"
    session = Session.FileSession(req)
    session.save()
    config = req.get_config()
    req.write(json.dumps({
        "options": {name: value for name, value in req.get_options().items() if "." not in name},
        "config": [config.get("PythonDebug"), config.get("PythonAutoReload")],
        "interpreter": apache.interpreter,
    }), 0)
    return apache.OK
"""

CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonOption place server
PythonOption gone server
PythonOption server here
PythonOption mod_python.session.database_directory ${ROOT}/run
PythonPostReadRequestHandler settings::early
PythonTransHandler settings::look
DirectoryIndex index.py
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler settings
    PythonOption place folder
    PythonOption mod_python.session.database_directory ${WWW}/app
    PythonDebug On
</Directory>
<Directory "${WWW}/other">
    SetHandler mod_python
    PythonHandler settings
    PythonInterpreter other
    PythonOption place folder
    PythonOption mod_python.session.database_directory ${WWW}/other
    PythonDebug On
</Directory>
<Directory "${WWW}/index">
    PythonAccessHandler settings::look
    <Files index.py>
        SetHandler mod_python
        PythonHandler settings
        PythonOption place folder
        PythonOption mod_python.session.database_directory ${WWW}/index
        PythonDebug On
    </Files>
</Directory>
"""

FILES: dict[str, str | bytes] = {"settings.py": APP, "app/a.py": "", "other/a.py": "", "index/index.py": ""}


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """Handlers that ask for settings before the request's directory is known, in one kind of interpreter and MPM."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


@pytest.mark.parametrize("path", ["/app/a.py", "/other/a.py", "/index/"])
def test_the_directorys_settings_hold_for_who_has_asked_before(server: Server, path: str) -> None:
    reply = server.get(path)
    assert reply.status == 200, server.said()
    told = json.loads(reply.text)
    assert told["options"] == {"place": "folder", "gone": "server", "server": "here"}
    assert told["config"] == ["1", None]
    assert told["interpreter"] == ("other" if "other" in path else "localhost")
    folder = Path(server.www) / path.split("/")[1]
    assert (folder / "mp_sess").is_dir()
    assert not (server.pid_file.parent / "mp_sess").exists()


@pytest.mark.parametrize("path", ["/app/a.py", "/other/a.py", "/index/"])
def test_what_a_handler_sets_goes_along(server: Server, path: str) -> None:
    told = json.loads(server.get(f"{path}?set").text)
    place = "by a handler" if "index" in path else "folder"  # (what its section says comes later, as in httpd)
    assert told["options"] == {"place": place, "server": "here", "early": "set"}
    assert told["config"] == ["1", "0"]
    assert json.loads(server.get(path).text)["options"] == {"place": "folder", "gone": "server", "server": "here"}


WSGI = """
from mod_python import apache

MADE = []


def choose(req):
    if req.args:
        req.get_options()["mod_python.wsgi.application"] = req.args
    return apache.OK


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"configured"]


def make():
    MADE.append(None)
    number = len(MADE)

    def made(environ, start_response):
        start_response("200 OK", [])
        return [b"made %d" % number]

    return made
"""

CHOSEN = "".join(
    f"""
<Location /{name}>
    SetHandler mod_python
    PythonPath "sys.path + ['${{WWW}}']"
    PythonFixupHandler app::choose
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
</Location>
"""
    for name in ("one", "two")
)


@pytest.mark.parametrize(("backend", "mpm"), EACH_AND_THREADS)
def test_the_application_that_a_handler_chooses(start_server: StartServer, backend: str, mpm: str) -> None:
    server = start_server(CHOSEN, {"app.py": WSGI}, backend=backend, mpm=mpm)
    for _ in range(2):  # (which is made once, and is that of no other request)
        assert server.get("/one?app:make()").text == "made 1"
        assert server.get("/one").text == "configured"
    for _ in range(2):
        assert server.get("/two").text == "configured"
        assert server.get("/two?app:make()").text == "made 2"
