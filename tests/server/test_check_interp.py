"""``mpserver check-interp``: each application tried in processes that are thrown away."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from mpserver.cli.check_interp import FAILS, NO, YES, _outcome
from support.server import Server
from support.waiting import PATIENCE

CONF = """
PythonPath "sys.path + ['${WWW}']"
<Location /deep>
    SetHandler mod_python
    PythonHandler deep
    PythonInterpreter deep
</Location>
<Location /crash>
    SetHandler mod_python
    PythonHandler crash
    PythonInterpreter crash
    PythonInterpNice 1
</Location>
"""

FILES = {
    # (it asks the server, as applications do when they are loaded)
    "deep.py": "from mod_python import apache\napache.main_server.server_hostname\nimport inner",
    "inner.py": "import faulthandler",
    "crash.py": "import os\nos._exit(4)",
}


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "mpserver", "check-interp", *arguments],
        capture_output=True, text=True, timeout=3 * PATIENCE, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_applications_are_tried_and_the_refusing_module_is_named(tmp_path: Path) -> None:
    server = Server(tmp_path, CONF, FILES)
    server.close()
    done = check(str(server.conf))
    lines = done.stdout.splitlines()
    assert lines[0] == "interpreter 'deep'", done.stdout + done.stderr
    own, shared, process = (line.split(None, 2) for line in lines[1:4])
    if sys.version_info >= (3, 12):
        assert own == ["own", "no", "faulthandler refuses it"]
        assert shared == ["shared", "yes"]
    else:
        assert (own[1], shared[1]) == ("no", "no")
    assert process == ["process", "yes"]
    assert "interpreter 'crash'" in lines
    last = lines[lines.index("interpreter 'crash'") + 1].split(None, 2)
    assert last == ["process", "fails", "the process ended when it was loaded: status 4"]
    assert done.returncode == 1  # since one can't run at all


def test_bad_arguments_and_configurations_are_told(tmp_path: Path) -> None:
    assert "Usage: mpserver check-interp" in check().stderr
    done = check(str(tmp_path / "none.conf"))
    assert done.returncode == 1
    assert "none.conf" in done.stderr


@pytest.mark.parametrize(
    ("said", "status", "result", "why"),
    [
        ([(YES, ""), (YES, ""), ("end", "")], 0, YES, ""),
        ([(NO, "x refuses it")], 0, NO, "x refuses it"),
        ([(YES, ""), (NO, "x refuses it")], 0, NO, "the second time"),
        ([(FAILS, "x can't be loaded")], 0, FAILS, "x can't be loaded"),
        ([], -11, NO, "SIGSEGV"),
        ([(YES, "")], -6, NO, "destroyed or loaded again"),
        ([(YES, ""), None], -9, FAILS, "did not end"),
    ],
)
def test_what_the_end_of_a_try_means(said: list[tuple[str, str] | None], status: int, result: str, why: str) -> None:
    outcome = _outcome(said, status, 2)
    assert outcome.result == result
    assert why in outcome.why


ENCLOSED = """
PythonInterpNice 1
Alias /elsewhere "${WWW}/far"
<Location /app>
    PythonInterpreter app
    PythonPath "sys.path + ['${WWW}/lib']"
</Location>
<Location /app/hello>
    SetHandler mod_python
    PythonHandler hello
</Location>
<Location /apple>
    SetHandler mod_python
    PythonHandler hello
    PythonPath "sys.path + ['${WWW}/lib']"
    PythonInterpreter apple
</Location>
<Directory "${WWW}">
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}/lib2']"
</Directory>
<Directory "${WWW}/deep/down">
    PythonHandler second
    PythonInterpreter deep
</Directory>
<Directory "${WWW}/far">
    PythonHandler second
</Directory>
<Location /elsewhere>
    PythonInterpreter far
</Location>
<Directory "${WWW}/pages">
    PythonHandler second
</Directory>
<Location /pages/of>
    PythonInterpreter pages
    PythonPath "sys.path + ['${WWW}/lib', '${WWW}/lib2']"
</Location>
"""


def test_sections_have_what_encloses_them(tmp_path: Path) -> None:
    """PythonInterpreter and PythonPath of a path above, of a folder above, and of Locations that lead to a folder."""
    server = Server(tmp_path, ENCLOSED, {"lib/hello.py": "", "lib2/second.py": "", "deep/down/x": "", "far/x": ""})
    server.close()
    done = check(str(server.conf))
    found = {}
    for line in done.stdout.splitlines():
        if line.startswith("interpreter"):
            name = line.split("'")[1]
        elif line.split()[0] == "process":
            found[name] = line.split(None, 1)[1]
    assert found == dict.fromkeys(("app", "apple", "deep", "far", "pages", "localhost"), "yes"), done.stdout


BROKEN = """
PythonPath "sys.path + ['${WWW}']"
SetHandler mod_python
<Location /good>
    PythonHandler good
    PythonInterpreter good
</Location>
<Location /shop>
    PythonInterpreter shop
    PythonHandler shoop::buy
</Location>
<Location /news>
    PythonInterpreter news
    PythonHandler news
</Location>
"""


def test_the_check_of_the_configuration_may_load_the_applications(tmp_path: Path) -> None:
    files = {"good.py": "handler = len", "shop.py": "", "news.py": "\nimport no_such_library\n"}
    with contextlib.closing(Server(tmp_path, BROKEN, files)) as server:
        assert server.command("-t").stderr == "Syntax OK\n"
        done = server.command("-t", "--load", check=False)
        ok, shop, news = done.stderr.splitlines()
        assert (done.returncode, ok) == (1, "Syntax OK")
        start = (
            "interpreter 'shop': shoop can't be loaded: ModuleNotFoundError: No module named 'shoop'; looked for in "
        )
        line = server.conf.read_text().splitlines().index("    PythonHandler shoop::buy") + 1
        assert shop.startswith(start)
        assert shop.endswith(f"{server.www}; did you mean {server.www}/shop.py? (line {line} of {server.conf})")
        assert f"No module named 'no_such_library' ({server.www}/news.py line 2); looked for in " in news
        server.write("shoop.py", "buy = len")
        server.write("news.py", "def handler(req):\n    return 0\n")
        assert server.command("-t", "--load").stderr == "Syntax OK\nApplications OK\n"


NAMING = """
PythonPath "sys.path + ['${WWW}']"
SetHandler mod_python
<Location /a>
    PythonInterpreter a
    PythonHandler %s
</Location>
<Location /b>
    PythonInterpreter b
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application %s
</Location>
WSGIScriptAlias /c "${WWW}/c.wsgi" application-group=c%s
"""
NAMED = {
    "a.py": """
class Shop:
    def __init__(self, req):
        self.late = len
    def buy(self, req):
        return 0
handler = authenhandler = len
""",
    "b.py": """
def make():
    return app
def app(environ, start_response):
    return []
""",
    "c.wsgi": "def application(environ, start_response):\n    return []\n",
}


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [
        ("a", "b:app", ""),
        ("a::Shop.buy", "b::make()", ""),
        ("a::Shop.late\nPythonAuthenHandler a", "b:app\nPythonHandlerModule a", ""),
    ],
)
def test_objects_that_are_there(tmp_path: Path, a: str, b: str, c: str) -> None:
    """What a class on the way has shows with a request only."""
    with contextlib.closing(Server(tmp_path, NAMING % (a, b, c), NAMED)) as server:
        done = server.command("-t", "--load", check=False)
        assert (done.returncode, done.stderr) == (0, "Syntax OK\nApplications OK\n")


def test_objects_that_are_not_there_are_told(tmp_path: Path) -> None:
    """With who wants them, where, and what to do."""
    conf = NAMING % ("a::handlr", "b", " callable-object=app")
    files = {**NAMED, "c.wsgi": "x = 1\n"}
    with contextlib.closing(Server(tmp_path, conf, files)) as server:
        for words in (("-t", "--load"), ("-X", "--load")):
            done = server.command(*words, check=False)
            assert done.returncode == 1
            www, lines = server.www, server.conf.read_text().splitlines()
            places = [
                next(f"(line {number} of {server.conf})" for number, line in enumerate(lines, 1) if text in line)
                for text in ("a::handlr", "mod_python.wsgi.application b", "callable-object")
            ]
            found = [line for line in done.stderr.splitlines() if line.startswith("interpreter ")]
            undefined = "has no such object; define it there, or name another one"
            meant = "has no such object; did you mean"
            assert found == [
                f"interpreter 'a': a::handlr is not there: {www}/a.py {meant} a::handler? {places[0]}",
                f"interpreter 'b': b::application is not there: {www}/b.py {meant} b::app? {places[1]}",
                f"interpreter 'c': {www}/c.wsgi::app is not there: {www}/c.wsgi {undefined} {places[2]}",
            ]
