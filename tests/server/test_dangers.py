"""What ends other servers, or harms their other applications: the server goes on, and ends when it is told to.

(MemoryError, exceptions without a text and SystemExit are in test_interpreters, forks and the environment in
test_surroundings, crashes of processes in test_crashes.)
"""

from __future__ import annotations

import sys

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

APP = '''
import threading
import time
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    what = req.args or "kind"
    req.write(str(globals()[what](req)), 0)
    return apache.OK


def kind(req):
    return apache._runtime.current().kind


def thread(req):
    """A thread that nobody ends, nor asks to."""
    threading.Thread(target=_spin).start()
    return "started"


def _spin():
    while True:
        time.sleep(0.01)


def pool(req):
    """Idle threads of an executor."""
    from concurrent.futures import ThreadPoolExecutor
    global executor
    executor = ThreadPoolExecutor(2)
    return executor.submit(sum, [1, 2]).result()


def dates(req):
    """Modules whose C parts knew one interpreter only, once."""
    import datetime
    import decimal
    import sqlite3
    import zoneinfo
    now = datetime.datetime.now(zoneinfo.ZoneInfo("UTC"))
    found, = sqlite3.connect(":memory:").execute("select 41 + 1").fetchone()
    return datetime.datetime.strptime(now.strftime("%Y"), "%Y").year > 2000 and decimal.Decimal(found) == 42


def precision(req):
    """A context of decimals is its interpreter's own."""
    import decimal
    before = decimal.getcontext().prec
    decimal.getcontext().prec = 7
    return before


def recursion(req):
    return recursion(req)


def modules(req):
    """Modules that the engine needs, spoiled."""
    import sys
    for name in ("json", "socket", "time"):
        sys.modules[name] = None
    return "spoiled"


def rude(req):
    class Rude(BaseException):
        def __str__(self):
            raise Rude()
        __repr__ = __str__
    raise Rude()


def fault(req):
    import faulthandler
    return faulthandler.is_enabled()


def fork(req):
    import os
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def signals(req):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def daemon(req):
    worker = threading.Thread(target=_spin, daemon=True)
    worker.start()
    return "started"
'''

CONF = """
PythonPath "sys.path + ['${WWW}']"
SetHandler mod_python
PythonHandler app
<Location /other>
    PythonInterpreter other
</Location>
<Location /main>
    PythonInterpreter main_interpreter
</Location>
"""

#: Subinterpreters with the GIL of the main one are there since 3.12.
KINDS = (*BACKENDS, *(("shared",) if sys.version_info >= (3, 12) else ()))

shared = pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no shared ones before 3.12")


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server whose interpreters have that kind."""
    return start_module_server(CONF, {"app.py": APP}, backend=request.param, mode="daemon", workers=2)


def text(server: Server, path: str) -> str:
    """The answer to a request that goes well."""
    reply = server.get(path)
    assert reply.status == 200, server.said()
    return reply.text


@pytest.mark.parametrize("what", ["recursion", "rude"])
def test_a_request_fails_and_no_other(server: Server, what: str) -> None:
    for _ in range(2):
        assert server.get(f"/?{what}").status == 500
    kind = text(server, "/?kind")
    assert text(server, "/other?kind") == kind
    assert "exit signal" not in server.log()


def test_dates_in_several_interpreters(server: Server) -> None:
    for _ in range(3):
        for path in ("/?dates", "/other?dates", "/main?dates"):
            assert text(server, path) == "True"
    assert "exit signal" not in server.log()


@shared
def test_a_context_of_decimals_is_its_interpreters_own(start_server: StartServer) -> None:
    server = start_server(CONF, {"app.py": APP}, backend="shared", mode="daemon")
    for path in ("/?precision", "/other?precision"):
        assert text(server, path) == "28"
    for path in ("/?dates", "/other?dates") * 3:
        assert text(server, path) == "True"


def test_what_an_application_spoils_is_its_own(server: Server) -> None:
    assert text(server, "/?modules") == "spoiled"
    for _ in range(4):
        assert server.get("/other?kind").status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_comes_whatever_threads_there_are(start_server: StartServer, kind: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=kind, mode="daemon")
    text(server, "/?thread")
    text(server, "/other?pool")
    server.stop()  # (it asserts that nobody is left)
    assert "remaining subinterpreters" not in server.said()
    assert "exit signal Segmentation" not in server.said()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in ("own", "shared")])
def test_workers_with_such_modules_are_replaced_cleanly(start_server: StartServer, kind: str) -> None:
    conf = CONF + "MaxConnectionsPerChild 2\n"
    server = start_server(conf, {"app.py": APP}, backend=kind, mode="daemon")
    before = {worker.pid for worker in server.workers()}
    for _ in range(2):
        assert text(server, "/?dates") == text(server, "/other?dates") == "True"
    wait_for(lambda: not before & {worker.pid for worker in server.workers()}, "the first worker to be replaced")
    assert "exit signal" not in server.log()


# ---- the kind "shared"


@pytest.fixture(scope="module")
def shared_server(start_module_server: StartServer) -> Server:
    """A server whose interpreters share the GIL of their worker's main one."""
    return start_module_server(CONF, {"app.py": APP}, backend="shared", mode="daemon")


@shared
def test_a_shared_one_loads_what_an_own_one_refuses(shared_server: Server) -> None:
    assert text(shared_server, "/?kind") == "shared"
    assert text(shared_server, "/?fault") == text(shared_server, "/other?fault") == "False"
    assert text(shared_server, "/?kind") == "shared"


@shared
@pytest.mark.parametrize("what", ["fork", "signals"])
def test_a_shared_one_says_what_it_can_not_do(shared_server: Server, what: str) -> None:
    assert shared_server.get(f"/?{what}").status == 500
    shared_server.wait_for_log("set 'PythonInterpBackend process' for this application")
    assert text(shared_server, "/?kind") == "shared"


@shared
def test_daemon_threads_of_a_shared_one_do_not_end_the_worker(start_server: StartServer) -> None:
    server = start_server(CONF, {"app.py": APP}, backend="shared", mode="daemon")
    allowed = sys.version_info >= (3, 14)  # before, the end of the interpreter would abort the worker
    assert server.get("/?daemon").status == (200 if allowed else 500)
    server.stop()
    assert "exit signal" not in server.said()
