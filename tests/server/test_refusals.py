"""What an isolated subinterpreter refuses counts by the deed, though an application catches the error (kind auto)."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.application import refused_modules
from mpserver.cli import load
from mpserver.cli.check_interp import NO, YES, Outcome, attempt, report
from mpserver.cli.options import parse
from mpserver.phases.facts import Wanted
from mpserver.phases.survey import finish
from support.server import Server
from support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")

#: An extension module that refuses, which may stand in any package.
SINGLE = importlib.util.find_spec("_testsinglephase")
needs_single = pytest.mark.skipif(SINGLE is None or SINGLE.origin is None, reason="this Python has no _testsinglephase")

APP = """
import os
import sys
import threading
from mod_python import apache


def say(req, text=""):
    req.content_type = "text/plain"
    req.write(apache._runtime.current().kind + text, 0)
    return apache.OK


def plain(req):
    return say(req)


def caught(req):
    try:
        import faulthandler
    except ImportError:
        pass
    return say(req)


def forks(req):
    try:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    except BaseException:
        pass
    return say(req)


def daemon(req):
    try:
        threading.Thread(target=print, daemon=True).start()
    except BaseException:
        pass
    return say(req)


def background(req):
    def work():
        try:
            import faulthandler
        except ImportError:
            pass
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return say(req)


def executor(req):
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(1) as pool:
        result = pool.submit(abs, -7).result(20)
    return say(req, " %d" % result)


def misspelled(req):
    import traceback
    try:
        req.no_such_name
    except AttributeError as error:
        text = " ".join(traceback.format_exception(error)).replace("\\n", " ")
    return say(req, " " + text)


def begun(req):
    req.write("x" * 100000)
    return daemon(req)


def full(req):
    try:
        import some.package._testsinglephase
    except ImportError:
        pass
    return say(req)


def twin(req):
    try:
        import mercurial.cext._testsinglephase
    except ImportError:
        import mercurial.pure._testsinglephase
    return say(req)


def uncaught(req):
    import some.package._testsinglephase
    return say(req)
"""

#: Handlers, and what was refused to them.
REFUSED = {
    "caught": "faulthandler",
    "forks": "os.fork",
    "daemon": "daemon threads",
    "background": "faulthandler",
}

NAMES = ("plain", "misspelled", *REFUSED, "executor", "begun", "full", "twin", "uncaught")

CONF = "PythonPath \"sys.path + ['${WWW}']\"\n" + "".join(
    f"<Location /{name}>\nSetHandler mod_python\nPythonHandler app::{name}\nPythonInterpreter {name}\n</Location>\n"
    for name in NAMES
)


def files() -> dict[str, str | bytes]:
    """The pages, and packages with the refusing module."""
    single = b"" if SINGLE is None or SINGLE.origin is None else Path(SINGLE.origin).read_bytes()
    return {
        "app.py": APP,
        "some/__init__.py": "",
        "some/package/__init__.py": "",
        "some/package/_testsinglephase.so": single,
        "mercurial/__init__.py": "",
        "mercurial/cext/__init__.py": "",
        "mercurial/cext/_testsinglephase.so": single,
        "mercurial/pure/__init__.py": "",
        "mercurial/pure/_testsinglephase.py": "",
    }


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server of each MPM that chooses the kinds by itself."""
    server: Server = start_module_server(CONF, files(), mode="foreground", workers=2, mpm=request.param)
    return server


def kind(server: Server, name: str) -> str:
    """The kind of the interpreter that a request was served in."""
    reply = server.request("POST", f"/{name}")
    assert reply.status == 200, server.said()
    return reply.text.lstrip("x").split()[0]


def told(server: Server, name: str) -> list[str]:
    """The lines of the log about what was refused to an application."""
    return re.findall(rf"interpreter '{name}': (.*)", server.log())


def becomes_process(server: Server, name: str) -> None:
    """Wait until an application is served by processes."""
    wait_for(lambda: server.request("POST", f"/{name}").text.endswith("process"), f"{name} to be a process")


@pytest.mark.parametrize("name", REFUSED)
def test_the_deed_counts_whatever_becomes_of_the_error(server: Server, name: str) -> None:
    assert kind(server, name) == "own"
    becomes_process(server, name)
    (line,) = told(server, name)
    refused = REFUSED[name]
    begin = f"{refused} can't be used in an isolated subinterpreter, so the application runs in processes from now on; "
    assert line.startswith(f"{begin}'PythonInterpBackend process' makes that permanent"), line
    assert line.endswith("and 'PythonInterpBackend own' keeps it where it was, without that") is (
        refused == "faulthandler"
    )
    assert kind(server, "plain") == "own"


def test_python_itself_does_without_a_module_and_nobody_is_moved_by_that(server: Server) -> None:
    for _ in range(3):
        text = server.request("POST", "/misspelled").text
        assert text.startswith("own ")
        assert "has no attribute 'no_such_name'" in text
    assert not told(server, "misspelled")


def test_a_deed_after_the_answer_began_counts(server: Server) -> None:
    assert kind(server, "begun") == "own"
    becomes_process(server, "begun")


def test_an_executor_whose_own_thread_meets_the_refusal(server: Server) -> None:
    server.request("POST", "/executor")
    wait_for(lambda: told(server, "executor"), "the log to tell")
    wait_for(lambda: server.request("POST", "/executor").text == "process 7", "the executor to work")
    assert len(told(server, "executor")) == 1
    assert "daemon threads can't be used" in told(server, "executor")[0]


@needs_single
@pytest.mark.parametrize("name", ["full", "uncaught"])
def test_a_module_is_named_in_full(server: Server, name: str) -> None:
    server.request("POST", f"/{name}")
    becomes_process(server, name)
    (line,) = told(server, name)
    assert line.startswith("some.package._testsinglephase can't be used in an isolated subinterpreter, so the"), line


@needs_single
def test_an_application_with_a_twin_stays_with_one_warning(server: Server) -> None:
    assert {kind(server, "twin") for _ in range(8)} == {"own"}
    wait_for(lambda: told(server, "twin"), "the log to tell")
    (line,) = told(server, "twin")
    assert line == (
        "mercurial.cext._testsinglephase can't be used in an isolated subinterpreter, and "
        "mercurial.pure._testsinglephase takes its place; with 'PythonInterpBackend process' the application has it, "
        "'PythonInterpBackend own' is content without"
    )


def test_own_by_name_is_content(start_server: StartServer) -> None:
    server = start_server(CONF, files(), mode="foreground", backend="own")
    for name in ("caught", "twin", "background", "daemon"):
        assert [kind(server, name) for _ in range(2)] == ["own", "own"]
        assert not told(server, name)


_PURE = "import mercurial.pure._testsinglephase\n"
_DAEMON = "import threading\nthreading.Thread(target=print, daemon=True).start()\n"

#: Modules, and what check-interp tells of them.
CHECKED = {
    "try:\n    import some.package._testsinglephase\nexcept ImportError:\n    pass\n": (
        YES, "but without some.package._testsinglephase, which refuses it"
    ),
    f"try:\n    import mercurial.cext._testsinglephase\nexcept ImportError:\n    {_PURE}": (
        YES, "with mercurial.pure._testsinglephase in the place of mercurial.cext._testsinglephase, which refuses it"
    ),
    _DAEMON: (NO, "daemon threads can't be used there"),
    "import some.package._testsinglephase": (NO, "some.package._testsinglephase refuses it"),
}  # fmt: skip


@needs_single
@pytest.mark.parametrize("code", CHECKED)
def test_check_interp_tells_what_is_missing(tmp_path: Path, code: str) -> None:
    server = Server(tmp_path, CONF, {**files(), "checked.py": code})
    server.close()
    finished = finish(load.read(parse(["-f", str(server.conf)])))
    outcome = attempt("own", finished, "checked", [Wanted("checked", str(server.www), None)])
    assert outcome == CHECKED[code]
    text = report("checked", {"own": outcome, "process": Outcome(YES)})
    moves = outcome.result == NO or outcome.why.startswith("but without")
    assert ("PythonInterpBackend auto makes it a process by itself" in text) is moves


def test_check_interp_calls_factories(tmp_path: Path) -> None:
    server = Server(tmp_path, CONF, {"made.py": "def make():\n    import faulthandler\n"})
    server.close()
    finished = finish(load.read(parse(["-f", str(server.conf)])))
    outcome = attempt("own", finished, "made", [Wanted("made", str(server.www), None, "make")])
    assert outcome == (NO, "faulthandler refuses it")


@pytest.mark.parametrize(
    ("refused", "loaded", "found"),
    [
        ("simplejson._speedups", "simplejson.encoder", "simplejson.encoder"),
        ("simplejson._speedups", "", ""),
        ("psycopg_binary.pq", "psycopg.pq.pq_ctypes", "psycopg.pq.pq_ctypes"),
        ("mercurial.cext.parsers", "mercurial.pure.parsers", "mercurial.pure.parsers"),
        ("mercurial.cext.parsers", "mercurial.pure.osutil", ""),
        ("lxml.etree", "xml.etree", ""),
        ("orjson.orjson", "json", "json"),
        ("brotlicffi._brotlicffi", "zlib", "zlib"),
        ("fastavro._read", "fastavro._read_py", "fastavro._read_py"),
        ("fastavro._read", "", ""),
    ],
)
def test_twins(monkeypatch: pytest.MonkeyPatch, refused: str, loaded: str, found: str) -> None:
    monkeypatch.setitem(sys.modules, loaded or "nothing", sys)
    assert refused_modules.twin(refused) == found
