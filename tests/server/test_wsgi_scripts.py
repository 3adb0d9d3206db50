"""mod_wsgi's directives on a real server: scripts, their paths, groups and environs are those of Apache."""

from __future__ import annotations

import json
import os

import pytest

from conftest import StartServer
from support.checking import refused, untold
from support.server import EACH_AND_THREADS, Server
from support.waiting import wait_for

SCRIPT = """
import json, os, sys, threading

STATE = {"name": __name__, "pid": os.getpid(), "main": threading.main_thread().ident, "cwd": os.getcwd()}

def application(environ, start_response):
    told = {name: value for name, value in environ.items() if isinstance(value, (str, bool, tuple))}
    told.update(STATE, path=sys.path[:3], body=environ["wsgi.input"].read().decode())
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

def other(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the other"]
"""

CONF = """
LoadModule wsgi_module modules/mod_wsgi.so
<IfModule mod_wsgi.c>
WSGISocketPrefix /var/run/wsgi
WSGIPythonPath ${ROOT}/embedded
WSGIDaemonProcess grp display-name=%{GROUP} processes=2 python-path='${ROOT}/lib:${ROOT}/lib2' home="${ROOT}/home"
WSGIDaemonProcess slow request-timeout=1
WSGIScriptAlias /a ${ROOT}/app/env.wsgi
WSGIScriptAlias /d ${ROOT}/app/env.wsgi process-group=grp
WSGIScriptAlias /g ${ROOT}/app/env.wsgi process-group=grp application-group=%{GLOBAL}
WSGIScriptAlias /main ${ROOT}/app/env.wsgi application-group=%{GLOBAL}
WSGIScriptAlias /named ${ROOT}/app/env.wsgi application-group=shop callable-object=other
WSGIScriptAlias /passes ${ROOT}/app/env.wsgi pass-authorization=On
WSGIScriptAlias /sl/ ${ROOT}/app/env.wsgi
WSGIScriptAlias /dir/ ${ROOT}/app/
WSGIScriptAlias /dirn ${ROOT}/app
WSGIScriptAlias /none ${ROOT}/app/none.wsgi
WSGIScriptAlias /bare ${ROOT}/app/bare.wsgi
WSGIScriptAlias /misnamed ${ROOT}/app/env.wsgi callable-object=app
WSGIScriptAlias /denied ${ROOT}/denied/env.wsgi
WSGIScriptAlias /touched ${ROOT}/app/touched.wsgi
WSGIScriptAlias /kept ${ROOT}/app/kept.wsgi
WSGIScriptAlias /slow ${ROOT}/app/slow.wsgi process-group=slow
WSGIScriptAliasMatch ^/m/([a-z]+) ${ROOT}/app/$1.wsgi
WSGIScriptAliasMatch ^/any/[^/]+ ${ROOT}/app/counts.wsgi
WSGIImportScript ${ROOT}/app/early.wsgi process-group=grp application-group=early
<Directory ${ROOT}/denied>
    Require all denied
</Directory>
<Files kept.wsgi>
    WSGIScriptReloading Off
</Files>
<Directory ${WWW}/raw>
    Options ExecCGI
    AddHandler wsgi-script .wsgi
    WSGICallableObject other
</Directory>
<Directory ${WWW}/whole>
    Options ExecCGI
    SetHandler wsgi-script
</Directory>
<Directory ${WWW}/noexec>
    Options None
    SetHandler wsgi-script
</Directory>
Alias /static ${WWW}/raw
WSGIScriptAlias / ${ROOT}/app/env.wsgi
</IfModule>
"""

SLOW = """
import time
def application(environ, start_response):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.01)
"""

COUNTS = """
import gc

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    mounts = [one for one in gc.get_objects() if type(one).__name__ == "ScriptMount"]
    mounts = sum(environ["SCRIPT_FILENAME"] in one._name for one in mounts)
    told = environ["SCRIPT_NAME"], environ["mod_wsgi.script_name"], environ["PATH_INFO"], mounts
    return [" ".join(map(str, told)).encode()]
"""

FILES = {"raw/env.wsgi": SCRIPT, "raw/x.txt": "hello", "whole/env.wsgi": SCRIPT, "noexec/env.wsgi": SCRIPT}


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter."""
    backend, mpm = request.param
    inside = {f"../{name}": SCRIPT for name in ("app/env.wsgi", "denied/env.wsgi")}
    early = "import os\nopen(os.path.join(os.path.dirname(__file__), f'early.{os.getpid()}'), 'w').close()\n"
    inside |= {"../app/counts.wsgi": COUNTS, "../app/early.wsgi": early, "../app/bare.wsgi": "app = 1\n"}
    inside |= {"../home/x": "", "../app/slow.wsgi": SLOW}
    inside |= {f"../app/{name}.wsgi": _version(1) for name in ("touched", "kept")}
    return start_module_server(CONF, FILES | inside, backend=backend, mpm=mpm, mode="foreground")


def _version(number: int) -> str:
    return (
        f"VERSION = b'{number}'\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [VERSION]\n"
    )


@pytest.mark.parametrize(
    ("path", "script_name", "path_info", "process_group", "application_group"),
    [
        ("/a", "/a", "", "", "localhost:{port}|/a"),
        ("/a/b%20c/d?q=1", "/a", "/b c/d", "", "localhost:{port}|/a"),
        ("/d/x", "/d", "/x", "grp", "localhost:{port}|/d"),
        ("/g", "/g", "", "grp", ""),
        ("/main/x", "/main", "/x", "", ""),
        ("/sl", "", "/sl", "", "localhost:{port}|"),
        ("/dir/env.wsgi/x", "/dir/env.wsgi", "/x", "", "localhost:{port}|/dir/env.wsgi"),
        ("/m/env/yy", "/m/env", "/yy", "", "localhost:{port}|/m/env"),
        ("/whole/env.wsgi/z", "", "/whole/env.wsgi/z", "", "localhost:{port}|"),
        ("/", "", "/", "", "localhost:{port}|"),
        ("/foo/bar", "", "/foo/bar", "", "localhost:{port}|"),
    ],
)
def test_environ(
    server: Server, path: str, script_name: str, path_info: str, process_group: str, application_group: str
) -> None:
    told = json.loads(server.get(path, auth=("a", "b")).text)
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == (script_name, path_info)
    assert told["mod_wsgi.process_group"] == process_group
    assert told["mod_wsgi.application_group"] == application_group.format(port=server.port)
    assert told["mod_wsgi.script_name"] == script_name
    assert told["mod_wsgi.path_info"] == path_info
    assert told["mod_wsgi.callable_object"] == "application"
    assert told["mod_wsgi.version"] == [5, 0, 2]
    assert (told["mod_wsgi.listener_host"], told["mod_wsgi.listener_port"]) == ("127.0.0.1", str(server.port))
    assert told["SCRIPT_FILENAME"].endswith("app/env.wsgi")
    assert "HTTP_AUTHORIZATION" not in told
    assert told["name"].startswith("_mod_wsgi_")
    if process_group:
        assert told["path"][:3] == [f"{server.root}/{name}" for name in ("home", "lib", "lib2")]
        assert told["cwd"] == f"{server.root}/home"
    else:
        assert told["path"][0] == f"{server.root}/embedded"


def test_paths_that_clients_write_leave_nothing_behind(server: Server) -> None:
    """All of them lead to one script, which is mounted once, and each request has its own."""
    with server.connection() as connection:
        for number in range(20):
            for path in (f"/any/{number}", "/any/0"):
                connection.request("GET", f"{path}/more")
                assert connection.getresponse().read() == f"{path} {path} /more 1".encode()


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/sl/foo", 404, ""),
        ("/none/x", 404, ""),
        ("/bare", 404, ""),
        ("/misnamed/x", 404, ""),
        ("/dirn/", 403, ""),
        ("/denied", 403, ""),
        ("/static/x.txt", 200, "hello"),
        ("/static/env.wsgi/z", 200, "the other"),
        ("/named", 200, "the other"),
    ],
)
def test_answers(server: Server, path: str, status: int, text: str) -> None:
    reply = server.get(path)
    assert reply.status == status
    assert not text or reply.text == text


def test_what_is_refused_is_told(server: Server) -> None:
    server.get("/none/x")
    server.wait_for_log(f"Target WSGI script not found or unable to stat: {server.root}/app/none.wsgi")
    server.get("/bare")
    told = (
        f"Target WSGI script '{server.root}/app/bare.wsgi' does not contain WSGI application 'application': call it so"
    )
    assert "PythonOption" not in server.wait_for_log(told)
    server.get("/misnamed/x")
    server.wait_for_log(f"Target WSGI script '{server.root}/app/env.wsgi' does not contain WSGI application 'app'")
    server.get("/dirn/")
    server.wait_for_log("Attempt to invoke directory as WSGI application")


def test_credentials_where_they_are_passed(server: Server) -> None:
    told = json.loads(server.get("/passes", auth=("a", "b")).text)
    assert told["HTTP_AUTHORIZATION"] == "Basic YTpi"


def test_bodies(server: Server) -> None:
    told = json.loads(server.request("POST", "/d/form", body=b"some text").text)
    assert (told["body"], told["REQUEST_METHOD"]) == ("some text", "POST")


def test_a_group_for_each_application(server: Server) -> None:
    """The groups of one process group are processes of their own; what is named alike is one."""
    pids = {path: json.loads(server.get(path).text)["pid"] for path in ("/d", "/g", "/d/again")}
    assert pids["/d"] != pids["/g"]
    assert pids["/d"] == pids["/d/again"]


def test_a_script_that_is_imported_at_the_start(server: Server) -> None:
    wait_for(lambda: list((server.root / "app").glob("early.[0-9]*")), "the script to be imported")


def test_reloading(server: Server) -> None:
    """A script whose file has changed is loaded anew, unless WSGIScriptReloading is Off."""
    for name in ("touched", "kept"):
        assert server.get(f"/{name}").text == "1"
        file = server.write(f"../app/{name}.wsgi", _version(2))
        os.utime(file, (2_000_000_000, 2_000_000_000))
    wait_for(lambda: server.get("/touched").text == "2", "the new script")
    assert server.get("/kept").text == "1"
    assert not (server.root / "app" / "__pycache__").exists()
    for name in ("touched", "kept"):
        server.write(f"../app/{name}.wsgi", _version(1))


def test_the_time_of_a_group(server: Server) -> None:
    assert server.get("/slow").status == 500


RAW = """
<Directory ${WWW}>
    Options ExecCGI
    AddHandler wsgi-script .wsgi
</Directory>
<Directory ${WWW}/noexec>
    Options None
</Directory>
<Directory ${WWW}/whole>
    SetHandler wsgi-script
</Directory>
"""


#: What `mod_python.wsgi.application` may be, with what is answered.
NAMES = {
    "module": "application of 1",
    "module:app": "app of 1",
    "module::app": "app of 1",
    "module:inner.app": "inner of 1",
    "module:make()": "made of 1",
    "${ROOT}/www/by_file.wsgi:app": "app of a file",
}

MODULE = """
def answering(text):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]
    return application

MADE = 0

def make():
    global MADE
    MADE += 1
    return answering(f"made of {MADE}")

application, app = answering("application of 1"), answering("app of 1")

class inner:
    app = staticmethod(answering("inner of 1"))
"""

NAMED = "PythonPath \"sys.path + ['${WWW}']\"\n" + "".join(
    f"<Location /named{number}>\nSetHandler mod_python\nPythonHandler mod_python.wsgi\n"
    f"PythonOption mod_python.wsgi.application {name}\n</Location>\n"
    for number, name in enumerate(NAMES)
)


@pytest.fixture(scope="module")
def plain(start_module_server: StartServer) -> Server:
    """A server whose scripts are found as files, or named in the ways of other servers."""
    named = {"module.py": MODULE, "by_file.wsgi": MODULE.replace("app of 1", "app of a file")}
    return start_module_server(RAW + NAMED, FILES | named)


@pytest.mark.parametrize(("number", "text"), list(enumerate(NAMES.values())), ids=NAMES)
def test_names_of_applications(plain: Server, number: int, text: str) -> None:
    """Modules, objects and factories, as all servers for WSGI write them; a factory is called once."""
    assert [plain.get(f"/named{number}").text for _ in range(2)] == [text, text]


@pytest.mark.parametrize(
    ("path", "status", "group"),
    [
        ("/raw/env.wsgi", 200, "localhost:{port}|/raw/env.wsgi"),
        ("/whole/env.wsgi/z", 200, "localhost:{port}|/whole/env.wsgi"),
        ("/noexec/env.wsgi", 403, ""),
        ("/raw/none.wsgi", 404, ""),
        ("/raw/x.txt", 200, ""),
    ],
)
def test_scripts_by_their_handler(plain: Server, path: str, status: int, group: str) -> None:
    reply = plain.get(path)
    assert reply.status == status
    if group:
        told = json.loads(reply.text)
        assert told["mod_wsgi.application_group"] == group.format(port=plain.port)
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == (
            group.partition("|")[2],
            path.removeprefix(group.partition("|")[2]),
        )


FAULTS = {
    "WSGIScriptAlias app /srv/app.wsgi": "WSGIScriptAlias app: a path begins with a slash: write /app",
    "WSGIScriptAlias /x /srv/app.wsgi group=y": "Invalid option to WSGIScriptAlias: group: it may be one of",
    "WSGIDaemonProcess x nonsense=1": "Invalid option to WSGIDaemonProcess: nonsense: it may be one of python-home,",
    "WSGIDaemonProcess y umask=0007": "WSGIDaemonProcess umask can't be had: set it where the server is started",
    "WSGIDaemonProcess z group=staff": "WSGIDaemonProcess group=staff needs user= beside it",
    "WSGIDaemonProcess w 'python path'": "Invalid option to WSGIDaemonProcess: \"'python path'\": write name=value",
    "WSGIApplicationGroup %{ENV:GROUP}": "a group that depends on the request can't be had",
    "<Location /x>\nWSGIAuthUserScript /a.wsgi\n</Location>": "WSGIAuthUserScript can't be had: use a Python",
    "WSGIErrorOverride On": "WSGIErrorOverride On can't be had: pages of errors are the application's; write Off",
    "WSGIImportScript /srv/app.wsgi process-group=%{GLOBAL}": "WSGIImportScript needs the interpreter that loads it",
}


def test_faults(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert untold(tmp_path_factory.mktemp("faults"), FAULTS) == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "WSGIProcessGroup nobody",
            "no WSGI daemon process called 'nobody' has been configured: add WSGIDaemonProcess nobody",
        ),
        (
            "WSGIDaemonProcess x python-home=/nowhere/venv",
            "WSGIDaemonProcess: there is no /nowhere/venv/bin/python3: name the executable of a Python",
        ),
        ("WSGIDaemonProcess x home=/nowhere", "there is no folder /nowhere: name one that exists"),
        ("WSGIDaemonProcess x user=no.such.account", "WSGIDaemonProcess: bad user name no.such.account"),
    ],
)
def test_what_is_not_there(tmp_path_factory: pytest.TempPathFactory, line: str, text: str) -> None:
    assert text in refused(tmp_path_factory.mktemp("missing"), line)
