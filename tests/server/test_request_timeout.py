"""PythonRequestTimeout: a request that takes too long is told with its stack, then ended; its interpreter last."""

from __future__ import annotations

import contextlib
import http.client
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import untold
from support.server import BACKENDS, Server
from support.waiting import PATIENCE, wait_for

APP = '''
import os
import time
from mod_python import apache


def say(req, text):
    req.content_type = "text/plain"
    req.write(text, 0)
    return apache.OK


def where(req):
    return say(req, "%d %d" % (os.getpid(), id(apache)))


def nap():
    end = time.monotonic() + float(40)
    while time.monotonic() < end:
        time.sleep(0.01)


def loop(req):
    nap()
    return say(req, "slept")


def begun(req):
    req.write("begun")
    nap()


def stubborn(req):
    """Survives ``except Exception``, not more."""
    while True:
        try:
            nap()
        except Exception:
            pass


def unwinds(req):
    try:
        nap()
    finally:
        with open(os.path.join(os.path.dirname(__file__), "unwound"), "w") as file:
            file.write("yes")


def call(req):
    time.sleep(60)


def short(req):
    for _ in range(20):
        time.sleep(0.01)
    return say(req, "short")


def close(req):
    """Ends about when its time ends."""
    end = req.request_time + 0.046 + os.urandom(1)[0] / 256 * 0.06  # (the watching thread takes its time, too)
    while time.time() < end:
        pass
    return say(req, "close")


def authen(req):
    req.user = "somebody"
    nap()
    return apache.OK
'''

PAGES = ("where", "loop", "begun", "stubborn", "unwinds", "call", "short", "close")

CONF = (
    """
PythonPath "sys.path + ['${WWW}']"
PythonRequestTimeout 500ms
"""
    + "\n".join(
        f"""
<Location /{name}>
    SetHandler mod_python
    PythonHandler app::{name}
</Location>"""
        for name in PAGES
    )
    + """
<Location /off>
    SetHandler mod_python
    PythonHandler app::where
    PythonRequestTimeout Off
</Location>
<Location /authen>
    SetHandler mod_python
    AuthType Basic
    AuthName x
    Require valid-user
    PythonAuthenHandler app::authen
    PythonHandler app::where
</Location>
<Location /other>
    SetHandler mod_python
    PythonHandler app::short
    PythonInterpreter other
    PythonRequestTimeout 60
</Location>
"""
)


#: An exception is raised in a request by ctypes, which 3.12 does not have for interpreters with a GIL of their own.
CAN_NOT_RAISE = "own" if sys.version_info[:2] == (3, 12) else ""


@pytest.fixture
def raises(backend: str) -> None:
    """For tests of the exception that ends a request."""
    if backend == CAN_NOT_RAISE:
        pytest.skip("Python 3.12 can't raise an exception in a thread of an own interpreter, see the test of that")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Every kind of interpreter."""
    return str(request.param)


@pytest.fixture
def server(start_server: StartServer, backend: str) -> Server:
    """A server with one worker, and half a second for a request.

    Its application is loaded: that counts, and may take longer where others use the machine, too.
    """
    server = start_server(CONF, {"app.py": APP}, backend=backend, mode="daemon")
    assert server.get("/off").status == 200, server.said()
    return server


def ended(server: Server, path: str, begun: Callable[[str], bool] = bool) -> list[str]:
    """What a request logs that has to answer 500, and soon, when its handler had begun (``begun``, by the log).

    Of some tries one, for others may use the machine: then half a second is over before a handler begins.
    """
    took = []
    for _ in range(5):
        before = len(server.log())
        begin = time.monotonic()
        reply = server.get(path)
        took.append(time.monotonic() - begin)
        assert reply.status == 500, server.said()
        assert took[-1] > 0.4, server.said()
        log = server.log()[before:]
        if took[-1] < 4.5 and begun(log):
            return log.splitlines()
    pytest.fail(f"at best after {min(took):.1f} s\n{server.said()}")


def test_the_log_tells_the_request_the_interpreter_and_the_stack(server: Server, backend: str, raises: None) -> None:
    log = ended(server, "/loop?x=1", lambda log: "in nap" in log)
    name = "main_interpreter" if backend == "main" else "localhost"
    (told,) = [line for line in log if "PythonRequestTimeout: 0.5 s are over" in line]  # the stack follows
    assert told.endswith(f"in interpreter '{name}': GET /loop?x=1 HTTP/1.1")
    assert len([line for line in log if "was ended by PythonRequestTimeout (0.5 s): GET /loop?x=1" in line]) == 1
    wait_for(lambda: server.get("/where").status == 200, "a request that ends in its time")


@pytest.mark.parametrize("path", ["/stubborn", "/unwinds", "/authen"])
def test_it_ends_what_catches_exceptions_and_unwinds(server: Server, path: str, raises: None) -> None:
    before = server.get("/off").text
    unwound = server.www / "unwound"
    ended(server, path, lambda _: path != "/unwinds" or unwound.exists())
    assert path != "/unwinds" or unwound.read_text() == "yes"
    assert server.get("/off").text == before


def test_a_begun_response_is_cut(server: Server, raises: None) -> None:
    wait_for(lambda: begun_is_cut(server), "a request that begins in its time")
    assert "was ended by PythonRequestTimeout" in server.log()


def begun_is_cut(server: Server) -> bool:
    """Ask for what begins a response and does not end it. :returns: False: it was ended before it began."""
    try:
        reply = server.get("/begun")
    except http.client.IncompleteRead:
        return True
    assert reply.status == 500, server.said()
    return False


def test_the_limit_counts_for_each_request_anew(server: Server, raises: None) -> None:
    wait_for(lambda: several_in_time(server), "five requests that end in their time, together longer")
    ended(server, "/loop")
    ended(server, "/loop")
    wait_for(lambda: server.get("/short").text == "short", "a request that ends in its time")


def several_in_time(server: Server) -> bool:
    """Whether five requests on a connection ended in their time (where others use the machine, one may not)."""
    before = server.log().count("PythonRequestTimeout")
    with server.connection() as connection:
        for _ in range(5):
            connection.request("GET", "/short")
            if connection.getresponse().read() != b"short":
                return False
    assert server.log().count("PythonRequestTimeout") == before, server.log()
    return True


def test_it_can_be_switched_off_below(start_server: StartServer, backend: str) -> None:
    server = start_server(
        CONF.replace("app::where\n    PythonRequestTimeout", "app::slow\n    PythonRequestTimeout"),
        {"app.py": APP + "\n\ndef slow(req):\n    time.sleep(1)\n    return say(req, 'slow')\n"},
        backend=backend, mode="daemon",
    )  # fmt: skip
    assert server.get("/off").text == "slow"
    assert "PythonRequestTimeout" not in server.log()


def test_without_it_there_is_no_thread_for_it(start_server: StartServer, backend: str) -> None:
    page = APP + "\nimport threading\n\n\ndef threads(req):\n    return say(req, repr(threading.enumerate()))\n"
    conf = CONF.replace("app::where", "app::threads")
    with_it = start_server(conf, {"app.py": page}, backend=backend, mode="daemon")
    assert with_it.get("/off").status == 200
    wait_for(lambda: "timeouts of" in with_it.get("/where").text, "the thread in a request's list")
    without = start_server(
        conf.replace("PythonRequestTimeout 500ms", ""), {"app.py": page}, backend=backend, mode="daemon"
    )
    assert "timeouts of" not in without.get("/where").text


def test_in_one_process_nothing_ends(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF.replace("500ms", "100ms"), {"app.py": APP}, backend=backend, mode="one")
    assert server.get("/short").text == "short"
    assert "PythonRequestTimeout" not in server.log()


def test_what_is_stuck_in_c_loses_its_interpreter(server: Server, backend: str) -> None:
    before = server.get("/off").text.split()
    outcome: list[str] = []

    def stuck() -> None:
        while "is replaced" not in server.log():  # (one that is ended before its handler begins is not stuck)
            try:
                outcome.append(str(server.get("/call").status))
            except (OSError, http.client.HTTPException) as error:
                outcome.append(repr(error))

    client = threading.Thread(target=stuck)
    client.start()
    server.wait_for_log("is replaced")
    assert "s are over, in interpreter" in server.log()
    assert "in call" in server.log() or (backend == "own" and sys.version_info < (3, 14, 8))
    client.join(PATIENCE)
    assert outcome and "200" not in outcome, server.said()
    # (what came off by itself this moment may answer until it is gone)
    wait_for(lambda: server.get("/off").text.split()[0] != before[0], "an answer of another process")
    if backend == "process":
        server.wait_for_log("SIGKILL")
    server.stop()


@pytest.mark.skipif(not CAN_NOT_RAISE, reason="this Python can raise an exception in any request")
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_where_nothing_can_be_raised_the_interpreter_goes(start_server: StartServer, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend="own", mpm=mpm, mode="daemon")
    assert server.get("/off").status == 200, server.said()
    before = {worker.pid for worker in server.workers()}
    assert server.get("/loop").status == 500
    assert "the request can't be ended here, for this Python has no ctypes for own interpreters" in server.log()
    wait_for(
        lambda: server.workers() and not before & {worker.pid for worker in server.workers()},
        "another worker",
    )
    assert server.get("/off").status == 200, server.said()


@pytest.mark.parametrize("kind", ["auto", *(kind for kind in BACKENDS if kind != CAN_NOT_RAISE)])
def test_a_module_that_never_ends_its_import_is_ended_with_its_request(start_server: StartServer, kind: str) -> None:
    conf = CONF.replace("app::short", "never") + "\nPythonInterpPreloadTimeout 1\n"
    server = start_server(conf, {"app.py": APP, "never.py": "import app\n\napp.nap()\n"}, backend=kind, mode="daemon")
    assert server.get("/short").status == 500
    assert "PythonRequestTimeout" in server.log()
    wait_for(lambda: server.get("/where").status == 200, "a request that ends in its time")


def test_others_go_on_while_one_is_replaced(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=backend, mode="daemon", workers=2)
    done = threading.Event()

    def stuck() -> None:
        while not done.is_set():  # (one that is ended while its application loads is not stuck)
            with contextlib.suppress(OSError, http.client.HTTPException):
                server.get("/call")

    client = threading.Thread(target=stuck)
    client.start()
    answers: list[str] = []

    def others() -> None:
        while not done.is_set():
            answers.append(server.get("/other").text)

    second = threading.Thread(target=others)
    second.start()
    try:
        server.wait_for_log("is replaced")
    finally:
        done.set()
        client.join(PATIENCE)
        second.join()
    assert set(answers) == {"short"}, server.said()


def test_nothing_is_raised_past_the_end_of_a_request(start_server: StartServer, backend: str, raises: None) -> None:
    """Requests that end at their deadline are ended or not, and nothing else is."""
    server = start_server(CONF.replace("500ms", "50ms"), {"app.py": APP}, backend=backend, mode="daemon")
    before = server.get("/off").text  # (loading the application may take longer than the limit)
    statuses = []
    with server.connection() as connection:
        for _ in range(200):
            connection.request("GET", "/close")
            response = connection.getresponse()
            statuses.append((response.status, response.read() == b"close"))
    assert set(statuses) <= {(200, True), (500, False)}, server.said()
    log = server.log()
    assert log.count("was ended by PythonRequestTimeout") == statuses.count((500, False)) > 0, log
    assert "internal error" not in log
    assert server.get("/off").text == before


def test_wrong_times_are_refused(tmp_path: Path) -> None:
    faults = {f"PythonRequestTimeout {word}": f'"{word}" must be a number of seconds' for word in ("-1", "soon", "On")}
    assert untold(tmp_path, faults) == []
