"""Spans that the server exports by OTLP, as a collector gets them, of every kind of interpreter."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from mpserver.ipc import span_records
from mpserver.system import log_files, log_targets
from support.otlp import Collector, Span, collector
from support.server import BACKENDS, EACH_AND_THREADS, Server
from support.waiting import wait_for

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SERVER, INTERNAL = 2, 1

CONF = """
PythonPath "['${WWW}'] + sys.path"
TraceExport ${COLLECTOR}
TraceServiceName shop
<Location /app>
    SetHandler mod_python
    PythonHandler app
    PythonAccessHandler app::access
    PythonFixupHandler app::fixup
    PythonLogHandler app::log
    Header set X-Found yes
</Location>
<Location /moved>
    PythonInterpPerDirective On
    SetHandler mod_python
    PythonHandler app
    PythonFixupHandler app::fixup
</Location>
<Location /moved/first>
    PythonInterpreter first
</Location>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application served
</Location>
<Location /bad>
    SetHandler mod_python
    PythonHandler bad
    PythonInterpreter bad
    PythonInterpBackend process
</Location>
<VirtualHost *>
    ServerName localhost
</VirtualHost>
<VirtualHost *>
    ServerName other.example
    TraceServiceName other
    TraceContext New
</VirtualHost>
<VirtualHost *>
    ServerName few.example
    TraceSampling 0
</VirtualHost>
<VirtualHost *>
    ServerName off.example
    TraceContext Off
</VirtualHost>
"""

APP = """
from mod_python import apache

def access(req):
    return apache.HTTP_FORBIDDEN if req.args == "forbid" else apache.OK

def fixup(req):
    return apache.OK

def log(req):
    return apache.OK

def handler(req):
    if req.args == "redirect" and req.prev is None:
        req.internal_redirect("/app/after")
        return apache.OK
    if req.args == "fail":
        raise ValueError("secret")
    req.content_type = "text/plain"
    req.write(req.subprocess_env["TRACEPARENT"] if req.args == "look" else "done")
    return apache.OK
"""

SERVED = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["TRACEPARENT"].encode()]
"""

#: Does what it can to what its spans are told by.
BAD = r"""
import json, socket, struct
from mod_python import apache

def made_up(names):
    facts = ["shop", "GET", "/\ud800", None, 1, "a", None, None, "localhost", None]
    told = json.dumps({"facts": [facts], "peers": [["http", "::1", 1]], "names": names, "places": []}).encode()
    record = struct.pack("=8d", 0, 0, -1, 1e9, 1, 200, 1, len(names))
    spans = b"".join(struct.pack("=4d", number, 1e9, 1e9, 1e300) for number in range(len(names)))
    return struct.pack("=QQII", 1, 0, 1, len(told)) + told + record + spans

def handler(req):
    write, _log = req.mp_host.access_logs[0]
    sock = socket.socket(fileno=write.__self__._fd)
    try:
        if req.args == "shut":
            sock.shutdown(socket.SHUT_RDWR)
            return apache.OK
        sock.setblocking(False)
        far = struct.pack("=QQII", 1, 1 << 62, 1 << 31, 9)
        for message in (b"", b"x", made_up(["\udfff" * 300]), b"\xff" * 24, far):
            for _ in range(3000 if req.args == "fill" else 1):
                try:
                    sock.send(message)
                except BlockingIOError:
                    break
        return apache.OK
    finally:
        sock.detach()
"""


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A kind of interpreter, and the MPM."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture(scope="module")
def receiver(kind: tuple[str, str]) -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture(scope="module")
def server(kind: tuple[str, str], start_module_server: StartServer, receiver: Collector) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads; with a collector of its own."""
    backend, mpm = kind
    return start_module_server(
        CONF, {"app.py": APP, "served.py": SERVED, "bad.py": BAD, "page.txt": "page"},
        backend=backend, mpm=mpm, mode="foreground", variables={"COLLECTOR": receiver.url},
    )  # fmt: skip


def exported(server: Server, receiver: Collector, path: str) -> tuple[Span, list[Span]]:
    """The span of the one request for a path, and those below it in their order, once they have come (together)."""

    def find() -> list[Span]:
        return [span for span in list(receiver.spans) if span.attributes.get("url.path") == path]

    found = wait_for(find, f"the span of {path}\n{server.log()}")
    assert len(found) == 1
    own = found[0]
    below = [span for span in list(receiver.spans) if span.trace == own.trace and span.kind == INTERNAL]
    ids = {own.id}
    for span in below:
        ids |= {span.id} if span.parent in ids else set()
    return own, sorted((span for span in below if span.id in ids), key=lambda span: span.begin)


def test_a_request_and_what_ran_for_it(server: Server, receiver: Collector) -> None:
    before = time.time_ns()
    headers = {**SAMPLED, "User-Agent": "test/1", "Authorization": "Basic c2VjcmV0", "Cookie": "a=secret"}
    reply = server.get("/app/a?look", headers)
    own, others = exported(server, receiver, "/app/a")
    assert (own.name, own.service, own.trace, own.parent) == ("GET", "shop", TRACE, PARENT)
    assert reply.text == f"00-{TRACE}-{own.id}-01"
    assert before <= own.begin < own.end <= time.time_ns()
    port = own.attributes.pop("network.peer.port")
    assert isinstance(port, int)
    assert own.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/app/a",
        "url.query": "REDACTED",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
        "http.response.body.size": 55,
        "user_agent.original": "test/1",
        "mpserver.virtual_host": "localhost",
        "mpserver.interpreter": "localhost",
    }
    assert [(span.name, span.attributes["mpserver.result"]) for span in others] == [
        ("PythonAccessHandler app::access", 0),
        ("PythonFixupHandler app::fixup", 0),
        ("PythonHandler app", 0),
        ("head headers", 0),
        ("PythonLogHandler app::log", 0),
    ]
    assert all(own.begin <= span.begin <= span.end <= own.end for span in others)


def test_statuses(server: Server, receiver: Collector) -> None:
    assert server.get("/app/b?forbid").status == 403
    own, others = exported(server, receiver, "/app/b")
    assert (own.error, own.attributes["http.response.status_code"], own.parent) == (False, 403, "")
    assert [(its.name, its.attributes["mpserver.result"]) for its in others][:1] == [
        ("PythonAccessHandler app::access", 403)
    ]
    assert "PythonHandler app" not in {its.name for its in others}
    assert server.get("/app/c?fail").status == 500
    own, others = exported(server, receiver, "/app/c")
    assert (own.error, own.attributes["error.type"]) == (True, "500")
    assert [its.error for its in others if its.name == "PythonHandler app"] == [True]
    assert "secret" not in str((own, others))


def test_a_redirect_is_within_its_request(server: Server, receiver: Collector) -> None:
    assert server.get("/app/d?redirect", SAMPLED).text == "done"
    own, others = exported(server, receiver, "/app/d")
    outer, inner = [its for its in others if its.name == "PythonHandler app"]
    assert (own.parent, outer.parent, inner.parent) == (PARENT, own.id, outer.id)


@pytest.mark.parametrize("headers", [SAMPLED, {}])
def test_what_ran_in_another_interpreter(server: Server, receiver: Collector, headers: dict[str, str]) -> None:
    path = f"/moved/first/{len(headers)}"
    text = server.get(f"{path}?look", headers).text
    own, others = exported(server, receiver, path)
    assert text == f"00-{own.trace}-{own.id}-01"
    names = [its.name for its in others if its.name.startswith("Python")]
    assert names == ["PythonFixupHandler app::fixup", "PythonHandler app"]


def test_wsgi_and_files(server: Server, receiver: Collector) -> None:
    text = server.get("/wsgi/a").text
    own, others = exported(server, receiver, "/wsgi/a")
    assert text == f"00-{own.trace}-{own.id}-01"
    assert "PythonHandler mod_python.wsgi" in {its.name for its in others}
    assert server.get("/page.txt?user=me&password=secret&&token", SAMPLED).text == "page"
    own, others = exported(server, receiver, "/page.txt")
    assert own.attributes["url.query"] == "user=REDACTED&password=REDACTED&&REDACTED"
    assert own.attributes["http.response.body.size"] == 4


def test_many_requests(server: Server, receiver: Collector) -> None:
    def find() -> list[Span]:
        found = [span for span in list(receiver.spans) if span.attributes.get("url.path") == "/many.txt"]
        return found if len(found) >= many else []

    own: list[Span] = []
    for many in (300, 600):  # (what the socket has no room for while its reader is behind is lost)
        with server.connection() as connection:
            for number in range(300):
                connection.request("GET", f"/many.txt?{number % 50}")
                response = connection.getresponse()
                assert (response.status, bool(response.read())) == (404, True)
        own = wait_for(find, f"the spans of {many} requests")
    assert len(own) == len({span.trace for span in own}) == 600


def test_what_is_sampled(server: Server, receiver: Collector) -> None:
    """What is not exported has not come when what follows it has: an interpreter tells in order."""
    server.get("/few.txt?1", {"traceparent": SAMPLED["traceparent"][:-1] + "0"})
    server.get("/few.txt?2", host="few.example")
    server.get("/few.txt?3", SAMPLED, host="off.example")
    server.get("/few.txt?4", SAMPLED, host="few.example")
    server.get("/few.txt?5", SAMPLED, host="other.example")
    server.get("/few.txt?6")

    def find() -> list[Span]:
        found = [span for span in list(receiver.spans) if span.attributes.get("url.path") == "/few.txt"]
        return found if len(found) >= 3 else []

    own = {
        (span.attributes["mpserver.virtual_host"], span.service, span.parent)
        for span in wait_for(find, "the spans of three requests")
    }
    assert own == {("few.example", "shop", PARENT), ("other.example", "other", ""), ("localhost", "shop", "")}


@pytest.mark.parametrize("how", ["make", "fill", "shut"])
def test_an_application_does_no_harm_to_the_spans_of_others(server: Server, receiver: Collector, how: str) -> None:
    """One with a process of its own has a socket of its own."""
    before = exporter(server)
    for number in range(3):
        assert server.get(f"/bad?{how}").status == 200
        path = f"/app/beside/{how}/{number}"
        server.get(path)
        exported(server, receiver, path)
    assert exporter(server) == before


# ---- the process that exports


def exporter(server: Server) -> psutil.Process:
    """The process, once it is there."""

    def find() -> list[psutil.Process]:
        assert server.master is not None
        return [its for its in server.master.children() if _title(its) == "mpserver: traces"]

    return wait_for(find, "the process that exports")[0]


def _title(process: psutil.Process) -> str:
    try:
        return process.cmdline()[0]
    except (psutil.Error, IndexError):
        return ""


def test_it_is_started_again(start_server: StartServer) -> None:
    with collector() as receiver:
        server = start_server(
            "TraceExport ${COLLECTOR}\n", {"page.txt": "page"}, mode="foreground", backend=BACKENDS[0],
            variables={"COLLECTOR": receiver.url},
        )  # fmt: skip
        first = exporter(server)
        os.kill(first.pid, signal.SIGKILL)
        wait_for(lambda: not first.is_running(), "its end")
        assert server.get("/page.txt").text == "page"
        exported(server, receiver, "/page.txt")
        assert exporter(server).pid != first.pid
        assert "mpserver.telemetry' failed unexpectedly, started again" in server.log()


def test_a_collector_that_hangs_or_is_away_holds_nobody_up(start_server: StartServer) -> None:
    with collector() as receiver:
        server = start_server(
            "TraceExport ${COLLECTOR}\n", {"page.txt": "page"}, mode="foreground", backend=BACKENDS[0],
            variables={"COLLECTOR": receiver.url},
        )  # fmt: skip
        exporter(server)
        receiver.free.clear()
        with server.connection() as connection:
            for _ in range(9_000):
                connection.request("GET", "/page.txt")
                connection.getresponse().read()
        receiver.status = 400
        receiver.free.set()
        server.wait_for_log("requests were lost: they can't be sent to " + receiver.url)
        receiver.status = 200

        def asked() -> bool:
            server.get("/page.txt")
            return f"spans are exported to {receiver.url} again" in server.log()

        wait_for(asked, "spans")
        assert receiver.spans


def told_of(path: str, records: int, spans: int, writer: int = 1) -> bytes:
    """A message of an interpreter: so many requests for a path, and so many spans with long names in each."""
    fact = ["shop", "GET", path, None, 1, "localhost", None, None, "localhost", None]
    told = {"facts": [fact], "peers": [["http", "::1", 1]], "names": ["x" * 250], "places": []}
    numbers = [0, 0, -1, 1e9, 1, 200, 1, spans, *[0, 1e9, 1, 0] * spans]
    return span_records.pack(writer, 0, told, [span_records.record(numbers)] * records)


def test_what_a_collector_refuses_takes_nothing_with_it(tmp_path: Path) -> None:
    facts: dict[str, object] = {"account": None, "level": None, "levels": {}, "style": None}
    with collector() as receiver, contextlib.ExitStack() as stack:
        receiver.most = 100_000
        target = f"{log_targets.QUEUE}mpserver.telemetry {receiver.url}"
        logs = log_files.Logs(str(tmp_path), ["error_log", target], own=json.dumps(facts))
        pid = logs._pipes[0].pid
        stack.callback(os.waitpid, pid, 0)  # (it ends when nobody is left who could write)
        stack.callback(logs.close)
        # (before it reads any: they are sent together)
        for message in (told_of("/huge", 8, 250), told_of("/fine", 2, 3), told_of("/odd", 1, 251)):
            [fd] = logs.apart().values()
            stack.callback(os.close, fd)
            os.write(fd, message)
        log = tmp_path / "error_log"
        wait_for(lambda: "spans of 8 requests were lost: they can't be sent to" in log.read_text(), "what is lost")
        wait_for(lambda: "can't be: a record has more than 250 spans" in log.read_text(), "what is malformed")
        wait_for(lambda: len(receiver.spans) == 2 * (1 + 3), "the spans of two requests")
        assert {span.attributes["url.path"] for span in receiver.spans if span.kind == SERVER} == {"/fine"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("TraceExport 127.0.0.1:4318", 'TraceExport "127.0.0.1:4318" is no URL of a collector'),
        ("TraceExport http://collector", 'TraceExport "http://collector" is no URL of a collector'),
        ("TraceExport http://me:secret@collector/v1", "TraceExport: everybody may see a password in the URL"),
        ("TraceServiceName ''", "TraceServiceName takes one argument, what the server is called in traces"),
    ],
)
def test_faults(server: Server, line: str, told: str) -> None:
    done = server.command("-t", "-c", line, check=False)
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
