"""The kind auto: what it chooses shows before the first request, and is known after a restart."""

from __future__ import annotations

import json
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.cli import load
from mpserver.cli.options import parse
from mpserver.config.finished import Finished
from mpserver.interpreters.verdicts import Verdicts
from mpserver.phases.plan import InterpreterId
from mpserver.phases.survey import finish
from support.server import Mode, Server
from support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")

COMMON = """
import os
from mod_python import apache


def note(name):
    with open(os.path.join(os.path.dirname(__file__), "runs"), "a") as file:
        file.write(name + "\\n")


def answer(req, name):
    note(name)
    size = 0
    while part := req.read(65536):
        size += len(part)
    req.content_type = "text/plain"
    req.write("x" * 100000)
    req.write(" %s %d" % (apache._runtime.current().kind, size))
    return apache.OK
"""

HANDLER = """
from common import answer


def handler(req):
    return answer(req, __name__)
"""


DAEMON = """
import threading
try:
    threading.Thread(target=len, args=("",), daemon=True).start()
except BaseException:
    pass
"""

FORKS = """
import os
try:
    pid = os.fork()
except BaseException:
    pass
else:
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
"""

WSGI = """
from common import apache, note


def application(environ, start_response):
    note(__name__)
    size = 0
    while part := environ["wsgi.input"].read(65536):
        size += len(part)
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"x" * 100000)
    return [b" %s %d" % (apache._runtime.current().kind.encode(), size)]
"""

#: What a module, or what makes an application, does when it is loaded, or called, and what is refused to it.
MODULES = {
    "imports": ("import faulthandler\n", "faulthandler"),
    "catches": ("try:\n    import faulthandler\nexcept ImportError:\n    pass\n", "faulthandler"),
    "deep": ("import inner\n", "faulthandler"),
    "daemon": (DAEMON, "daemon threads"),
    "forks": (FORKS, "os.fork"),
}


def make(code: str) -> str:
    """A factory of the application, which does something before."""
    return "\n\ndef make():\n" + textwrap.indent(code + "return application\n", "    ")


FILES: dict[str, str | bytes] = {
    "common.py": COMMON,
    "inner.py": "import faulthandler\n",
    "fits.py": HANDLER,
    "fails.py": "from common import note\nnote('load')\nraise OSError('it can not be')\n",
    "broken.py": "def handler(req:\n",
    "site-packages/x": "",
    **{f"{name}.py": code + HANDLER for name, (code, _refused) in MODULES.items()},
    **{f"wsgi_{name}.py": code + WSGI for name, (code, _refused) in MODULES.items()},
    **{f"made_{name}.py": WSGI + make(code) for name, (code, _refused) in MODULES.items()},
    "made_fits.py": WSGI + make("import os\nnote('made %d' % os.getpid())\n"),
    "made_fails.py": WSGI + make("raise OSError('it can not be made')\n"),
    "made_finds.py": WSGI.replace("    size = 0", "    import found_later\n    size = 0")
    + make("import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), 'more'))\n"),
    "more/found_later.py": "",
}

CONF = "PythonPath \"sys.path + ['${WWW}', '${WWW}/site-packages']\"\n" + "".join(
    f"<Location /{name}>\nSetHandler mod_python\nPythonHandler {name}\nPythonInterpreter {name}\n</Location>\n"
    for name in ("fits", "fails", "broken", *MODULES)
)
CONF += "".join(
    f"<Location /{name}>\nSetHandler mod_python\nPythonHandler mod_python.wsgi\n"
    f"PythonOption mod_python.wsgi.application {name}{call}\nPythonInterpreter {name}\n</Location>\n"
    for name, call in (
        *((f"wsgi_{name}", "") for name in MODULES),
        *((f"made_{name}", ":make()") for name in (*MODULES, "fits", "fails", "finds")),
    )
)

BROUGHT = """
PythonImport deep brought
<Location /brought>
    SetHandler mod_python
    PythonHandler fits
    PythonInterpreter brought
</Location>
"""

BODY = b"b" * (3 << 20)

MOVES = "so the application runs in processes from now on"


@pytest.fixture(scope="module", params=["prefork", "worker"])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server of each MPM that chooses the kinds by itself."""
    server: Server = start_module_server(CONF + BROUGHT, FILES, mode="foreground", workers=2, mpm=request.param)
    return server


def ask(server: Server, name: str, kind: str) -> None:
    """Have a body served, by a kind of interpreter."""
    reply = server.request("POST", f"/{name}", body=BODY)
    assert (reply.status, reply.text.lstrip("x")) == (200, f" {kind} {len(BODY)}"), server.said()


def runs(server: Server) -> list[str]:
    """What has run since the last call."""
    file = server.www / "runs"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize("name", [f"{kind}{name}" for kind in ("", "wsgi_", "made_") for name in MODULES])
def test_the_first_request_is_as_good_as_any_other(server: Server, name: str) -> None:
    runs(server)
    for _ in range(3):
        ask(server, name, "process")
    assert runs(server) == [name] * 3
    told = [line for line in server.log().splitlines() if f"interpreter '{name}': " in line and MOVES in line]
    assert len(told) == 1
    assert f"'{name}': {MODULES[name.rpartition('_')[2]][1]} can't be used" in told[0]


def test_what_is_imported_at_the_start_counts(server: Server) -> None:
    """The module of PythonImport is refused; the handler itself would fit."""
    ask(server, "brought", "process")
    log = server.wait_for_log("interpreter 'brought': ")
    told = [line for line in log.splitlines() if "interpreter 'brought': " in line]
    assert len(told) == 1, told
    assert f"'brought': faulthandler can't be used in an isolated subinterpreter, {MOVES}" in told[0]
    assert "error importing" not in server.log()


def test_who_fits_stays(server: Server) -> None:
    ask(server, "fits", "own")


def test_a_module_that_fails_is_executed_once_for_its_first_request(server: Server) -> None:
    runs(server)
    assert server.get("/fails").status == 500
    assert runs(server) == ["load"]
    log = server.wait_for_log("OSError: it can not be")
    assert log.count("OSError: it can not be") == 1
    assert server.get("/broken").status == 500
    assert "SyntaxError" in server.wait_for_log("broken.py")
    assert "as before" not in server.log()


def test_a_factory_is_called_once_before_the_first_request(server: Server) -> None:
    runs(server)
    for _ in range(4):
        ask(server, "made_fits", "own")
    found = runs(server)
    made = [line for line in found if line.startswith("made ")]
    assert found[0] in made
    assert len(made) == len({*made}), found  # (once in each worker)
    ask(server, "made_finds", "own")
    assert server.get("/made_fails").status == 500
    assert server.wait_for_log("OSError: it can not be made").count("OSError: it can not be made") == 1


@pytest.mark.parametrize(("mode", "mpm"), [("one", "prefork"), ("foreground", "worker")])
def test_a_restart_knows_it(start_server: StartServer, mode: Mode, mpm: str) -> None:
    server = start_server(CONF, FILES, mode=mode, mpm=mpm)
    ask(server, "imports", "process")
    ask(server, "daemon", "process")
    server.wait_for_log("'daemon': daemon threads")
    file = server.root / "run" / "mpserver.kinds"
    wait_for(lambda: file.exists() and len(json.loads(file.read_text())) == 2, "the verdicts to be written")

    def restart() -> None:
        server.stop()
        server.start()

    restart()
    server.wait_for_log("interpreter 'imports': the application runs in processes, for faulthandler can't be used")
    ask(server, "imports", "process")
    ask(server, "fits", "own")
    assert server.log().count(MOVES) == 2  # (nobody has found it once more)
    if mode != "one":
        server.send(signal.SIGUSR1)
        wait_for(lambda: server.log().count("resuming normal operations") == 3, "the next generation")
        ask(server, "daemon", "process")
        assert server.log().count(MOVES) == 2

    # other libraries: it is looked for anew
    (server.www / "site-packages" / "lib-1.0.dist-info").mkdir()
    restart()
    ask(server, "imports", "process")
    wait_for(lambda: server.log().count(MOVES) == 3, "the search")
    wait_for(lambda: [*json.loads(file.read_text())] == ["imports"], "the verdicts of these libraries")
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A configuration, read as a server reads it."""
    server = Server(tmp_path_factory.mktemp("verdicts"), CONF, FILES)
    server.close()
    return finish(load.read(parse(["-f", str(server.conf)])))


def test_what_a_verdict_rests_on(configuration: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = Verdicts(configuration)
    found = InterpreterId("auto", "imports"), "faulthandler"
    verdicts.remember(*found, [str(tmp_path), "/nowhere"])
    verdicts.remember(InterpreterId("auto", "other"), "os.fork", [])
    other = InterpreterId("auto", "other"), "os.fork"
    assert [*Verdicts(configuration).known()] == [found, other]
    (tmp_path / "more.py").touch()
    assert [*verdicts.known()] == [found, other]
    (tmp_path / "lib-1.0.dist-info").mkdir()
    assert [*verdicts.known()] == [other]
    monkeypatch.setattr(sys, "version", "4.0")
    assert [*verdicts.known()] == []


@pytest.mark.parametrize(
    "text", ["", "[]", "1", '{"imports": 1}', '{"imports": {"for": 1, "path": 2}}', "\0", "[" * 9999]
)
def test_a_file_that_makes_no_sense_tells_nothing(configuration: Finished, text: str) -> None:
    verdicts = Verdicts(configuration)
    Path(verdicts.file).write_text(text)
    assert [*verdicts.known()] == []
    verdicts.remember(InterpreterId("auto", "imports"), "x", [])
    assert [*verdicts.known()] == [(InterpreterId("auto", "imports"), "x")]


def test_where_it_can_not_be_written_nothing_else_happens(start_server: StartServer) -> None:
    server = start_server(CONF, FILES, mode="foreground")
    Path(server.root / "run" / "mpserver.kinds").mkdir()
    ask(server, "imports", "process")
    server.wait_for_log("mpserver.kinds can't be written, so the next start has to find that again")
    assert sorted(path.name for path in (server.root / "run").iterdir() if ".kinds." in path.name) == []
    ask(server, "imports", "process")
