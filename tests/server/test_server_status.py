"""server-status and the counters behind it: httpd's page for programs, one for people, and nothing falls back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from support.browser import DESK, PHONE, Browser, browser
from support.held import HOLD, held
from support.metrics import parse_openmetrics, parse_prometheus
from support.server import BACKENDS, EACH_AND_THREADS, Server
from support.waiting import wait_for

CONF = """
LoadModule status_module modules/mod_status.so
ServerName status.test:80
PythonInterpreter app
SeeRequestTail On
<Location /app>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
<Location /server-status>
    SetHandler server-status
</Location>
<Location /metrics>
    SetHandler server-metrics
</Location>
<Location /closed>
    SetHandler server-status
    Require ip 192.0.2.1
</Location>
"""

APP = f"""{HOLD}
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    if req.uri == "/app/wait":
        hold()
    if req.uri == "/app/fail":
        raise KeyError("<script>alert(1)</script>")
    if req.uri == "/app/missing":
        return apache.HTTP_NOT_FOUND
    req.write("x" * 1000, 0)
    return apache.OK
"""

#: The names of the lines that httpd 2.4 writes, in its order; "Server Built" is left out here, for nothing was built.
KEYS = [
    "ServerVersion", "ServerMPM", "CurrentTime", "RestartTime", "ParentServerConfigGeneration",
    "ParentServerMPMGeneration", "ServerUptimeSeconds", "ServerUptime", "Load1", "Load5", "Load15", "Total Accesses",
    "Total kBytes", "Total Duration", "CPUUser", "CPUSystem", "CPUChildrenUser", "CPUChildrenSystem", "CPULoad",
    "Uptime", "ReqPerSec", "BytesPerSec", "BytesPerReq", "DurationPerReq", "BusyWorkers", "GracefulWorkers",
    "IdleWorkers", "Scoreboard",
]  # fmt: skip


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server of each kind."""
    backend, mpm = request.param
    return start_module_server(CONF, {"app.py": APP}, mode="foreground", backend=backend, mpm=mpm, workers=2, threads=3)


def report(server: Server) -> dict[str, Any]:
    """The status as JSON."""
    reply = server.get("/server-status?json")
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.text)
    return found


def served(server: Server) -> int:
    """How many requests the application has served since the server's start."""
    return sum(one["requests"] for one in report(server)["interpreters"] if one["name"] in ("app", "main_interpreter"))


def auto(server: Server) -> dict[str, str]:
    """What programs read."""
    first, *lines = server.get("/server-status?auto").text.splitlines()
    assert first == "status.test"
    return dict(line.split(": ", 1) for line in lines)


def test_the_lines_for_programs_are_httpds(server: Server) -> None:
    server.get("/app")
    wait_for(lambda: int(auto(server)["Total Accesses"]) > 0, "a count")
    found = auto(server)
    assert [key for key in found if key != "CPULoad"] == [key for key in KEYS if key != "CPULoad"]
    threaded = found["ServerMPM"] == "worker"
    board = found["Scoreboard"]
    assert set(board) <= set("_SWG.")
    assert board.count("W") >= 1, "this request at least"
    assert int(found["BusyWorkers"]) == board.count("W")
    assert int(found["IdleWorkers"]) == board.count("_")
    if threaded:
        assert len(board) % 3 == 0
    for key in ("ReqPerSec", "BytesPerSec", "CPUUser", "DurationPerReq", "Load1"):
        assert float(found[key]) >= 0
    assert re.fullmatch(r"\w+, \d\d-\w{3}-\d{4} \d\d:\d\d:\d\d UTC", found["CurrentTime"])


def test_the_page_is_escaped_and_tells_what_failed(server: Server) -> None:
    server.get("/app/fail")
    page = wait_for(lambda: (text := server.get("/server-status").text) * ("alert(1)" in text), "the error")
    assert "<script>alert" not in page
    assert "KeyError" in page
    plain = server.get("/server-status?notable").text
    assert "<table" not in plain
    assert "KeyError" in plain
    words = {"=3": "3", "": "10", "=x": "10", "=0": "10", "=" + "9" * 5000: "10"}
    for query, seconds in ((f"refresh{word}", seconds) for word, seconds in words.items()):
        assert server.get(f"/server-status?{query}").header("Refresh") == seconds
    assert server.get("/server-status").header("Refresh") is None
    assert server.request("POST", "/server-status").status in (404, 405)


def test_only_this_machine_unless_the_location_says_more(server: Server) -> None:
    assert server.get("/closed").status == 403
    assert server.get("/server-status").status == 200


def test_the_slowest_request_is_shown_by_its_end(server: Server) -> None:
    with held(server, "/app/wait?" + "a" * 100 + "z"):
        running = [
            interp["line"]
            for interp in wait_for(
                lambda: [
                    interp
                    for worker in report(server)["workers"]
                    for interp in worker["interpreters"]
                    if "aaa" in interp["line"]
                ],
                "the request",
            )
        ]
        assert running[0] == "a" * 53 + "z HTTP/1.1"


def test_metrics_in_both_formats(server: Server) -> None:
    server.get("/app")
    server.get("/app/missing")
    wait_for(lambda: any(one["statuses"].get("4xx") for one in report(server)["interpreters"]), "the count")
    plain = server.get("/metrics")
    assert plain.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in parse_prometheus(plain.text)}
    openly = server.get("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openly.header("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert {family.name for family in parse_openmetrics(openly.text)} == set(families)
    samples = [sample for sample in families["mpserver_requests"].samples if sample.labels["status"] == "4xx"]
    assert samples
    assert {sample.labels["vhost"] for sample in samples} == {"status.test:80"}
    assert server.backend in {sample.labels["kind"] for sample in samples}
    for family in families.values():
        if family.type == "histogram":
            for sample in family.samples:
                if sample.name.endswith("_count"):
                    whole = next(
                        other for other in family.samples
                        if other.labels == {**sample.labels, "le": "+Inf"}
                    )  # fmt: skip
                    assert whole.value == sample.value > 0
    for name in (
        "mpserver_worker_threads", "mpserver_process_resident_memory_bytes", "mpserver_process_cpu_seconds",
        "mpserver_busy_seconds", "mpserver_interpreter_ends", "mpserver_listen_queue", "mpserver_sent_bytes",
    ):  # fmt: skip
        assert name in families


def test_counts_never_fall_back(server: Server) -> None:
    """Over a recycling, and over the end of every worker."""
    for _ in range(5):
        server.get("/app")
    before = wait_for(lambda: served(server) if served(server) >= 5 else 0, "the counts")
    server.command("--recycle", "all")
    assert served(server) >= before
    old = {worker.pid for worker in server.workers()}
    server.command("-k", "graceful")
    seen = before

    def replaced() -> bool:
        nonlocal seen
        now = served(server)
        assert now >= seen, "it fell back"
        seen = now
        return not old & {worker.pid for worker in server.workers()}

    wait_for(replaced, "other workers")
    assert served(server) >= before
    wait_for(lambda: report(server)["server"]["restarts"] >= 1, "the restart to be told")


@pytest.mark.parametrize("backend", BACKENDS[-1:])
def test_without_extended_status_nothing_of_requests_is_told(start_server: StartServer, backend: str) -> None:
    server = start_server("ExtendedStatus Off\n" + CONF, {"app.py": APP}, backend=backend)
    found = auto(server)
    assert "Total Accesses" not in found
    assert "Scoreboard" in found
    assert "Interpreters" not in server.get("/server-status").text


def test_the_page_in_a_browser(start_server: StartServer, tmp_path: Path) -> None:
    """It fits a phone and a desk, in light and dark, and follows what happens."""
    server = start_server(CONF, {"app.py": APP}, mode="foreground")
    server.get("/app/fail?" + "long" * 50)
    for name, size in (("phone", PHONE), ("desk", DESK)):
        (tmp_path / name).mkdir()
        with browser(tmp_path / name, size) as window:
            window.open(f"http://127.0.0.1:{server.port}/server-status")
            _look(window, size)
            if size == DESK:
                _follow(window, server)


def _look(window: Browser, size: tuple[int, int]) -> None:
    assert window.run("return document.documentElement.scrollWidth") <= size[0], "nothing to scroll sideways"
    undrawn = "const plot = document.querySelector('.card svg'), line = plot.querySelector('polyline');"
    undrawn += "line.setAttribute('points', ''); return plot.getBoundingClientRect().height"
    assert window.run(undrawn) == 0, "no empty place where nothing is drawn yet"
    headings = window.run("return [...document.querySelectorAll('h2')].map(e => e.textContent)")
    assert headings[:2] == ["Scoreboard", "Interpreters"]
    smallest = "return Math.min(...[...document.querySelectorAll('td,p,span,pre')]"
    assert window.run(smallest + ".map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 13
    assert window.run("return performance.getEntriesByType('resource').filter(e => !e.name.includes('/server-st') "
                      "&& !e.name.endsWith('favicon.ico')).length") == 0, "no outside assets"  # fmt: skip
    assert window.run("return [...document.querySelectorAll('table')].every(e => e.getBoundingClientRect().right <= "
                      "innerWidth)")  # fmt: skip
    if size == DESK:
        cells = "return [...document.querySelectorAll('td')].filter(e => e.textContent === 'main_interpreter')"
        lines = window.run(cells + ".map(e => { const r = document.createRange(); r.selectNodeContents(e); "
                           "return r.getClientRects().length })")  # fmt: skip
        assert lines
        assert set(lines) == {1}, "the name that every server has stands in one line"


def _follow(window: Browser, server: Server) -> None:
    before = int(window.run("return document.querySelector('[data-part=\"card requests served\"]').textContent"))
    for _ in range(3):
        server.get("/app")
    script = "return document.querySelector('[data-part=\"card requests served\"]').textContent"
    wait_for(lambda: int(window.run(script)) >= before + 3, "the page to follow")
    wait_for(lambda: "," in window.run("return document.querySelector('polyline').getAttribute('points')"), "a plot")


def test_names_of_strangers_get_nothing(server: Server) -> None:
    """Where no Require says more: a page in a browser on this machine can lead a name of its own here."""
    for path in ("/server-status?json", "/metrics"):
        for host in ("rebound.example", "rebound.example:80", "status.test.rebound.example"):
            assert server.get(path, host=host).status == 403
        server.wait_for_log("or by a name of the server, not by rebound.example:80")
        for host in ("status.test", "STATUS.test.:8080", "localhost", "127.0.0.1:80", "[::1]"):
            assert server.get(path, host=host).status == 200
