"""What an application has of its own: another Python, a user, limits, modules that its zygote loads."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from support.checking import refused
from support.processes import descendants, describe
from support.server import Server

APP = """
import json
import os
import sys
from mod_python import apache, util

NAME = "app"


def handler(req):
    if req.args == "memory":
        kept = bytearray(400 << 20)
    form = util.FieldStorage(req)
    title = open("/proc/self/cmdline").read().replace("\\0", " ").strip()
    try:
        import own_module
        own = own_module.WHERE
    except ImportError:
        own = None
    req.content_type = "application/json"
    req.write(json.dumps({
        "version": list(sys.version_info[:2]),
        "prefix": sys.prefix,
        "path": sys.path,
        "argv": sys.argv,
        "own": own,
        "uid": os.getuid(),
        "gid": os.getgid(),
        "nice": os.nice(0),
        "kind": apache._runtime.current().kind,
        "name": apache.interpreter,
        "title": title,
        "form": form.getfirst("a"),
        "preloaded": getattr(sys, "preloaded_in", None),
        "pid": os.getpid(),
        "psutil": _there("psutil"),
        "virtual_env": os.environ.get("VIRTUAL_ENV"),
    }), 0)
    return apache.OK


def _there(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True
"""

PRELOADED = """
import os
import sys
sys.preloaded_in = os.getpid()
"""

SECTION = """
<Location /{name}>
    SetHandler mod_python
    PythonHandler app
    PythonPath "sys.path + ['${{WWW}}']"
    PythonInterpreter {name}
    {directives}
</Location>
"""

FILES: dict[str, str | bytes] = {"app.py": APP, "preloaded.py": PRELOADED}


def conf(**sections: str) -> str:
    """A section for each name with its directives."""
    return "".join(SECTION.format(name=name, directives=text) for name, text in sections.items())


def ask(server: Server, path: str) -> Any:
    """What the application says of itself."""
    reply = server.get(path)
    assert reply.status == 200, server.said()
    return json.loads(reply.body)


def make_venv(folder: Path, python: str = sys.executable) -> Path:
    """A virtual environment with a module of its own."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "own_module.py").write_text("WHERE = 'in the environment'\n")
    return folder


@pytest.fixture(scope="module")
def server(start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Applications with something of their own, beside one without."""
    venv = make_venv(tmp_path_factory.mktemp("venv") / "v")
    text = conf(
        plain="",
        venv=f"PythonVirtualEnv {venv}",
        nice="PythonInterpNice 5",
        memory="PythonInterpMaxMemory 300M",
        preload="PythonInterpPreload preloaded",
    )
    return start_module_server(text, FILES, mode="daemon", variables={"VENV": str(venv)})


def test_a_virtual_environment(server: Server) -> None:
    found = ask(server, "/venv?a=1")
    assert (found["own"], found["kind"], found["form"]) == ("in the environment", "process", "1")
    assert found["argv"] == ["mod_python"]
    assert found["virtual_env"] == found["prefix"]
    assert not found["psutil"]  # the server's own libraries are not the application's
    assert found["title"] == "mpserver: interpreter venv (worker 0)"
    assert ask(server, "/plain")["own"] is None


def test_niceness(server: Server) -> None:
    assert ask(server, "/nice")["nice"] == ask(server, "/plain")["nice"] + 5


def test_memory_that_is_not_there_fails_the_request_alone(server: Server) -> None:
    pid = ask(server, "/memory")["pid"]
    assert server.get("/memory?memory").status == 500
    server.wait_for_log("MemoryError")
    assert ask(server, "/memory")["pid"] == pid
    assert ask(server, "/plain?memory")["form"] is None  # (another application has the memory)


def test_modules_that_the_zygote_loads(server: Server) -> None:
    found = ask(server, "/preload")
    assert found["preloaded"] not in (None, found["pid"])
    assert ask(server, "/plain")["preloaded"] is None


LARGE = 40 << 20


def test_processes_share_the_memory_of_what_their_zygote_loaded(start_server: StartServer) -> None:
    files: dict[str, str | bytes] = {**FILES, "preloaded.py": f"LOADED = b'x' * {LARGE}\n"}
    server = start_server(conf(preload="PythonInterpPreload preloaded"), files, mode="daemon", workers=2)
    ask(server, "/preload")
    assert server.master is not None
    named = {describe(process).partition(" ")[2]: process for process in descendants(server.master)}
    interpreters = [process for name, process in named.items() if name.startswith("mpserver: interpreter preload")]
    assert interpreters
    for process in interpreters:
        used = process.memory_full_info()
        assert used.rss > LARGE  # it has it
        assert used.uss < LARGE / 2  # but not for itself


def other_python() -> str:
    """Another version of Python that the engine runs in; skips the test where there is none."""
    ours = sys.version_info[:2]
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *Path(sys.base_prefix).parent.glob("*/bin")]
    for minor in (14, 13, 12, 11):
        for folder in folders:
            found = folder / f"python3.{minor}"
            if (3, minor) != ours and found.exists():
                return str(found)
    pytest.skip("no other Python from 3.11 on is here")


def test_another_python_beside_ours(start_server: StartServer) -> None:
    python = other_python()
    server = start_server(conf(plain="", other=f"PythonExecutable {python}"), FILES, mode="daemon")
    other, ours = ask(server, "/other?a=2"), ask(server, "/plain")
    assert other["version"] != list(sys.version_info[:2])
    assert ours["version"] == list(sys.version_info[:2])
    assert (other["kind"], other["form"], other["argv"]) == ("process", "2", ["mod_python"])
    assert other["title"] == "mpserver: interpreter other (worker 0)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run applications as other users")
def test_another_user(start_open_server: StartServer) -> None:
    server = start_open_server(conf(plain="", nobody="PythonInterpUser nobody"), FILES, mode="daemon")
    assert ask(server, "/nobody")["uid"] == pwd.getpwnam("nobody").pw_uid
    assert ask(server, "/plain")["uid"] == 0


# ---- what a section says holds for the interpreter's name


def test_sections_of_one_name_share_what_one_of_them_says(start_server: StartServer) -> None:
    text = conf(one="PythonInterpNice 3\nPythonInterpreter both", two="PythonInterpreter both")
    server = start_server(text.replace("PythonInterpreter one\n", "").replace("PythonInterpreter two\n", ""), FILES)
    one, two = ask(server, "/one"), ask(server, "/two")
    assert (one["name"], one["pid"]) == ("both", two["pid"])


def test_a_virtual_host_and_a_directory_that_has_something_else(start_server: StartServer) -> None:
    text = """
    PythonInterpNice 2
    <Directory "${WWW}">
        SetHandler mod_python
        PythonHandler app
        PythonInterpPerDirectory On
    </Directory>
    <Directory "${WWW}/b">
        PythonInterpreter b
        PythonInterpNice 4
    </Directory>
    """
    server = start_server(text, {**FILES, "b/x": ""})
    a, b = ask(server, "/"), ask(server, "/b/")
    assert b["nice"] == a["nice"] + 2
    assert a["name"].endswith("/www/")


FAULTS = {
    "PythonVirtualEnv /nonexistent": "is no virtual environment",
    "PythonExecutable /nonexistent/python": "there is no /nonexistent/python",
    "PythonExecutable /bin/false": "is no Python that runs",
    "PythonExecutable /etc/passwd": "can't be executed",
    "PythonInterpUser no-such-user": "bad user name no-such-user",
    "PythonInterpUser nobody no-such-group": "bad group name no-such-group",
    "PythonInterpNice 20": "must be a whole number from -20 to 19",
    "PythonInterpMaxMemory 10M": "must be a size from 64M on",
    "PythonInterpMaxMemory much": "must be a size from 64M on",
    "PythonInterpPreload os no-module": "is no module",
    "PythonInterpPreload os Off": "stands alone",
    "PythonInterpBackend own\nPythonInterpNice 1": "PythonInterpNice needs a process of its own",
    "PythonInterpBackend main\nPythonInterpNice 1": "PythonInterpNice needs a process of its own",
    "PythonInterpreter main_interpreter\nPythonInterpNice 1": "PythonInterpNice needs a process of its own",
}


@pytest.mark.parametrize("directives", FAULTS)
def test_faults_are_told_with_their_place(tmp_path: Path, directives: str) -> None:
    said = refused(tmp_path, conf(app=directives))
    assert FAULTS[directives] in said
    assert f"of {tmp_path / 'httpd.conf'}" in said


def test_two_environments_of_one_name_are_a_fault(tmp_path: Path) -> None:
    text = conf(one="PythonInterpNice 1", two="PythonInterpNice 2")
    text = text.replace("PythonInterpreter two", "PythonInterpreter one")
    assert "says another thing of interpreter 'one' than PythonInterpNice on line" in refused(tmp_path, text)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
@pytest.mark.parametrize("directive", ["PythonInterpNice -1", "PythonInterpUser root"])
def test_what_only_root_may_is_told(tmp_path: Path, directive: str) -> None:
    assert "only a server that root started" in refused(tmp_path, conf(app=directive))
