"""The worker MPM: requests of one interpreter overlap, in every kind, and know nothing of each other."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from conftest import StartServer
from support.load import load
from support.server import BACKENDS, Reply, Server, receive_all
from support.waiting import PATIENCE, wait_for

THREADS = 6
#: Connections at once, more than there are threads.
CLIENTS = 10

APP = """
import os, sys, threading, time
from mod_python import apache, Session

here = os.path.dirname(__file__)
meeting = threading.Barrier(6)
own = threading.local()
inside = []

def handler(req):
    req.content_type = "text/plain"
    return globals()[req.path_info.strip("/")](req)

def meet(req):
    meeting.wait(20)
    req.write("%s %s" % (os.getpid(), threading.get_ident()))
    return apache.OK

def alone(req):
    inside.append(req)
    time.sleep(0.01)
    req.write(str(len(inside)))
    inside.remove(req)
    return apache.OK

def gather(req):
    # as many as asked for have to be here at the same time, in whichever worker
    folder = os.path.join(here, "gathered")
    os.makedirs(folder, exist_ok=True)
    open(os.path.join(folder, "%s-%s" % (os.getpid(), threading.get_native_id())), "w").close()
    until = time.time() + 20
    while len(os.listdir(folder)) < int(req.args):
        if time.time() > until:
            return apache.HTTP_GATEWAY_TIME_OUT
        time.sleep(0.01)
    req.write(str(os.getpid()))
    return apache.OK

def talk(req):
    name = req.args
    own.name = req.mine = name
    req.notes["name"] = name
    req.headers_out["X-Name"] = name
    body = req.read().decode()
    for number in range(2):
        sys.stdout.write("<" + name)
        time.sleep(0.001)
        sys.stdout.buffer.write("\\u00e4".encode()[:1])
        time.sleep(0.001)
        sys.stdout.buffer.write("\\u00e4".encode()[1:])
        sys.stdout.write(name + ">" + "\\n" * number)
    req.log_error("logged by %s in %s" % (name, threading.get_native_id()))
    print("printed by", name, "in", threading.get_native_id())
    seen = own.name, req.mine, req.notes["name"], req.args, req.headers_in["X-Name"], body
    req.write(" ".join(seen))
    return apache.OK

def query(req):
    import json
    names = [name for name in dir(apache) if name.startswith("AP_MPMQ_")]
    answers = {name[8:]: apache.mpm_query(getattr(apache, name)) for name in names}
    for name in ("NOT_SUPPORTED", "STATIC", "DYNAMIC"):
        del answers[name]
    req.write(json.dumps([answers, type(Session.Session(req)).__name__]))
    return apache.OK

def count(req):
    made = Session.MemorySession(req, req.args)
    number = made.get("number", 0)
    time.sleep(0.002)
    made["number"] = number + 1
    made.save()
    req.write(str(number + 1))
    return apache.OK

def begin(req):
    made = Session.MemorySession(req)
    made.save()
    req.write(made.id())
    return apache.OK

def sleep(req):
    time.sleep(float(req.args))
    req.write("slept")
    return apache.OK

def stuck(req):
    while True:
        time.sleep(0.01)

def crash(req):
    # with another request beside it
    open(os.path.join(here, "crashing"), "w").close()
    while not os.path.exists(os.path.join(here, "beside")):
        time.sleep(0.01)
    os._exit(3)

def beside(req):
    open(os.path.join(here, "beside"), "w").close()
    time.sleep(20)
    return apache.OK

def late(req):
    import latecomer
    req.write(str("latecomer" in sys.modules))
    return apache.OK

def loaded(req):
    req.write(" ".join(name for name in ("latecomer", "ofscript") if name in sys.modules))
    return apache.OK

def size(req):
    req.write(str(len(req.read())))
    return apache.OK

def big(req):
    path = os.path.join(here, "big.txt")
    with open(path, "wb") as file:
        file.write(b"x" * 8000000)
    req.sendfile(path)
    return apache.OK
"""

CONF = """
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/cgi">
    PythonHandler mod_python.cgihandler
</Directory>
<Location /app/stuck>
    PythonRequestTimeout 300ms
</Location>
"""

SCRIPT = """
import os, time
import ofscript
open("runs", "w").close()
until = time.time() + 20
while not os.path.exists("end") and time.time() < until:
    time.sleep(0.01)
print("Content-Type: text/plain\\n\\nended")
"""

FILES: dict[str, str | bytes] = {
    "app.py": APP, "app": "", "latecomer.py": "", "cgi/script.py": SCRIPT, "cgi/ofscript.py": "",
}  # fmt: skip


def start(start_server: StartServer, **options: object) -> Server:
    """A server of the worker MPM with the application above."""
    return start_server(CONF, FILES, **{"mpm": "worker", "threads": THREADS, **options})


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """One worker, with one interpreter of each kind."""
    server = start(start_module_server, backend=request.param, mode="foreground")
    yield server
    server.close()


def at_once(server: Server, paths: list[str]) -> list[Reply]:
    """The answers to requests that are made at the same time."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(server.get, paths))


def texts(replies: list[Reply]) -> list[str]:
    """What they say; all must be good."""
    assert [reply.status for reply in replies] == [200] * len(replies), [reply.text for reply in replies]
    return [reply.text for reply in replies]


def test_requests_of_one_interpreter_overlap_in_threads_that_are_used_again(server: Server) -> None:
    answers = [answer.split() for _ in range(3) for answer in texts(at_once(server, ["/app/meet"] * THREADS))]
    assert len({pid for pid, _thread in answers}) == 1
    assert len({thread for _pid, thread in answers}) == THREADS


def test_more_requests_than_threads_wait_for_one(server: Server) -> None:
    assert set(texts(at_once(server, ["/app/meet"] * (3 * THREADS)))) <= set(
        texts(at_once(server, ["/app/meet"] * THREADS))
    )


def test_requests_know_nothing_of_each_other(server: Server) -> None:
    def client(number: int) -> None:
        with server.connection() as connection:
            for turn in range(12):
                name = f"n{number}-{turn}"
                connection.request("POST", f"/app/talk?{name}", f"body-{name}", {"X-Name": name})
                response = connection.getresponse()
                assert response.read().decode() == " ".join([name] * 5 + [f"body-{name}"])
                assert (response.status, response.headers["X-Name"]) == (200, name)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    names = {f"n{number}-{turn}" for number in range(CLIENTS) for turn in range(12)}
    log = server.log()
    for verb in ("printed", "logged"):
        lines = re.findall(rf":tid (\d+)\] .*{verb} by (n\S+) in (\d+)", log)
        assert all(tid == thread for tid, _name, thread in lines)
        assert Counter(name for _tid, name, _thread in lines) == Counter(names)
    pieces = re.findall(r"interpreter [^]]+\] (<n.*)", log)
    assert sorted(pieces) == sorted(f"<{name}ä{name}><{name}ä{name}>" for name in names)


def test_a_session_is_for_one_request_at_a_time(server: Server) -> None:
    sid = server.get("/app/begin").text
    answers = texts(at_once(server, [f"/app/count?{sid}"] * 12))
    assert sorted(map(int, answers)) == list(range(1, 13))


def test_a_time_out_ends_its_request_only(server: Server) -> None:
    if server.backend == "own" and sys.version_info < (3, 13):
        pytest.skip("Python 3.12 can't raise an exception in a thread of an own interpreter: the whole of that goes")
    replies = at_once(server, ["/app/sleep?1", "/app/stuck", "/app/sleep?1"])
    assert [reply.status for reply in replies] == [200, 500, 200]
    assert "PythonRequestTimeout: 0.3 s are over" in server.log()
    assert server.get("/app/sleep?0").text == "slept"


def test_a_script_s_end_leaves_the_modules_of_others(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        script = pool.submit(server.get, "/cgi/script.py")
        wait_for((server.www / "cgi" / "runs").exists, "the script")
        assert server.get("/app/late").text == "True"
        server.write("cgi/end", "")
        assert script.result(PATIENCE).text == "ended\n"
    assert server.get("/app/loaded").text == "latecomer"


def test_bodies_pipelines_and_long_answers(server: Server) -> None:
    assert server.request("POST", "/app/size", b"y" * 300_000).text == "300000"
    head = b"Host: localhost\r\n"
    asked = b"GET /app/sleep?0 HTTP/1.1\r\n" + head + b"\r\n"
    closing = b"GET /app/sleep?0 HTTP/1.1\r\nConnection: close\r\n" + head + b"\r\n"
    assert server.raw(asked * 3 + closing).count(b"slept") == 4
    with server.dial() as sock:
        sock.sendall(b"GET /app/big HTTP/1.1\r\nConnection: close\r\n" + head + b"\r\n")
        texts(at_once(server, ["/app/meet"] * THREADS))  # (while nobody reads the long one)
        assert receive_all(sock).count(b"x" * 1000) >= 7999
    assert b" 400 " in server.raw(b"nonsense\r\n\r\n")
    assert server.get("/app/none").status == 500  # (an error in the handler)


def test_clients_that_leave_cost_nothing(server: Server) -> None:
    with contextlib.ExitStack() as leaving:
        for _ in range(3):
            sock = leaving.enter_context(server.dial())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
            sock.sendall(b"GET /app/sleep?1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert server.get("/app/sleep?0.3").text == "slept"
    assert server.master is not None
    family = [server.master, *server.master.children(recursive=True)]
    before = sum(sum(process.cpu_times()[:2]) for process in family)
    assert server.get("/app/sleep?0.6").text == "slept"
    assert sum(sum(process.cpu_times()[:2]) for process in family) - before < 0.3
    texts(at_once(server, ["/app/meet"] * THREADS))


@pytest.mark.parametrize("backend", BACKENDS)
def test_requests_don_t_overlap_under_prefork(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend=backend, mpm="prefork")
    assert set(texts(at_once(server, ["/app/alone"] * CLIENTS))) == {"1"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_finds_no_thread_goes_to_a_sibling(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend=backend, mode="daemon", workers=2, threads=2)
    pids = texts(at_once(server, ["/app/gather?4"] * 4))
    assert Counter(Counter(pids).values()) == {2: 2}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graceful_restart_loses_no_request(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend=backend, mode="daemon", workers=2)
    before = {worker.pid for worker in server.workers()}
    with load(server, "/app/sleep?0.002", clients=CLIENTS, keep_alive=True) as clients:
        server.send(signal.SIGUSR1)
        wait_for(lambda: not before & {worker.pid for worker in server.workers()}, "new workers")
        clients.more()
    assert clients.failures == []
    with ThreadPoolExecutor(1) as pool:
        last = pool.submit(server.get, "/app/sleep?3")  # (a look at connections takes its time, too)
        wait_for(lambda: " 0 busy" not in server.log() and _busy(server), "the request to begin")
        server.stop(signal.SIGWINCH)
        assert last.result(PATIENCE).text == "slept"


def _busy(server: Server) -> bool:
    """Whether a client's connection is with a worker or its interpreter."""
    assert server.master is not None
    family = server.master.children(recursive=True)
    with contextlib.suppress(psutil.Error):
        return any(
            connection.status == psutil.CONN_ESTABLISHED
            for process in family
            for connection in process.net_connections("tcp")
        )
    return False


def test_a_crash_ends_the_requests_of_its_process(start_server: StartServer) -> None:
    server = start(start_server, backend="process")
    with ThreadPoolExecutor(2) as pool:
        crash = pool.submit(server.get, "/app/crash")
        wait_for((server.www / "crashing").exists, "the request")
        other = pool.submit(server.get, "/app/beside")
        assert (crash.result(PATIENCE).status, other.result(PATIENCE).status) == (500, 500)
    texts(at_once(server, ["/app/meet"] * THREADS))


# ---- the configuration

PLAIN = """\
ServerRoot "{root}"
PidFile run.pid
ErrorLog error.log
Listen 127.0.0.1:1
ServerName localhost
User root
"""


def test_mpm_query_and_sessions(start_server: StartServer) -> None:
    # the answers are those of httpd 2.4 with these settings
    more = "MaxConnectionsPerChild 77\n"
    server = start_server(
        CONF + more + "MaxRequestWorkers 40\nServerLimit 5\nThreadLimit 30\nMinSpareThreads 15\nMaxSpareThreads 35\n",
        FILES, mpm="worker", threads=10, mode="daemon", workers=2,
    )  # fmt: skip
    wait_for(lambda: json.loads(server.get("/app/query").text)[0]["MAX_DAEMON_USED"] == 2, "both workers")
    assert json.loads(server.get("/app/query").text) == [
        {
            "MAX_DAEMON_USED": 2, "IS_THREADED": 1, "IS_FORKED": 2, "HARD_LIMIT_DAEMONS": 5, "HARD_LIMIT_THREADS": 30,
            "MAX_THREADS": 10, "MIN_SPARE_DAEMONS": 0, "MIN_SPARE_THREADS": 15, "MAX_SPARE_DAEMONS": 0,
            "MAX_SPARE_THREADS": 35, "MAX_REQUESTS_DAEMON": 77, "MAX_DAEMONS": 4,
        },
        "DbmSession",
    ]  # fmt: skip
    server.close()
    server = start_server(
        CONF + more + "ServerLimit 20\nMaxRequestWorkers 12\nMinSpareServers 3\nMaxSpareServers 6\n", FILES
    )
    assert json.loads(server.get("/app/query").text) == [
        {
            "MAX_DAEMON_USED": 12, "IS_THREADED": 0, "IS_FORKED": 2, "HARD_LIMIT_DAEMONS": 20, "HARD_LIMIT_THREADS": 1,
            "MAX_THREADS": 1, "MIN_SPARE_DAEMONS": 3, "MIN_SPARE_THREADS": 0, "MAX_SPARE_DAEMONS": 6,
            "MAX_SPARE_THREADS": 0, "MAX_REQUESTS_DAEMON": 77, "MAX_DAEMONS": 12,
        },
        "DbmSession",
    ]  # fmt: skip
    server.close()
    server = start(start_server)  # threads in one process share its memory
    assert json.loads(server.get("/app/query").text)[1] == "MemorySession"
