"""What tools/bench makes of its figures: tables, goals, comparisons; and how it reads and commands wrk."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from benching import modules, report
from benching.cases import APACHE, BARE, CASES, GRANIAN, GUNICORN, HTTPD, NGINX, PORTS, Case
from benching.goals import FLASK_WORKERS, GOALS, Goal, judge
from benching.ground import SITE, certified, prepared
from benching.load import Load, Run, catches, command, read_report, run
from benching.machine import Family, Stolen
from benching.main import arguments, peers_from
from benching.manual import read_ab
from benching.manual import table as manual_table
from benching.measure import Bench, Options, Target, median, otherwise, wrong
from benching.origin import Talk
from benching.peers import FORMS, STARTERS, Place, find_program
from benching.plots import draw
from benching.results import Result, Results, compare, load, save, slower
from benching.servers import Server

from support.waiting import PATIENCE

OURS = "mpserver (own)"
MACHINE = {"processor": "A Processor", "cores": "2", "memory": "8 GiB", "system": "Linux", "Python": "3.14"}
OPTIONS = {"rounds": 3, "seconds": 3, "quick": False}

REPORT = """\
Running 1s test @ http://127.0.0.1:8101/h
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
  Latency Distribution
     50%  512.00us
     75%    1.03ms
     90%    2.00ms
     99%    1.50s
  52384 requests in 1.10s, 7.94MB read
  Socket errors: connect 0, read 2, write 1, timeout 0
  Non-2xx or 3xx responses: 4
Requests/sec:  47621.50
Transfer/sec:      7.22MB
"""


def made_up(rate: float = 75_000, bare: float = 100_000) -> Results:
    """A run of some cases."""
    rows = (
        Result("handler hello", "", OURS, rate, 0.2, 0.9, cpu=13, kernel=8, memory=50_000_000),
        Result("handler hello", "", BARE, bare, 0.1, 0.3),
        Result("handler hello", "", APACHE, 20_000, 0.5, 2, 3),
        Result("handler hello", "", GRANIAN, 60_000, 0.3, 1),
        Result("static 1 MB", "", OURS, 900),
        Result("static 1 MB", "", APACHE, 1_000),
        Result("static 1 MB", "", NGINX, 900),
        Result("idle connections", "0 idle", OURS, 80_000),
        Result("idle connections", "10,000 idle", OURS, 76_000, each=1_800),
        Result("virtual hosts", "1", OURS, 80_000),
        Result("virtual hosts", "10,000", OURS, 40_000),
        Result(FLASK_WORKERS, "", "mpserver (process)", each=35_000_000),
    )
    return Results(MACHINE, OPTIONS, rows)


def test_what_wrk_says_is_read() -> None:
    run = read_report(REPORT)
    assert (run.rate, run.number, run.p50, run.p99, run.errors) == (47621.5, 52384, 0.512, 1500, 7)
    with pytest.raises(ValueError, match="unable to connect"):
        read_report("unable to connect to 127.0.0.1:1 Connection refused")


class _Answers(BaseHTTPRequestHandler):
    """The status that the path names, or the one for a client that has it."""

    def do_GET(self) -> None:
        status = int(self.path[1:4])
        self.send_response(304 if self.headers["If-None-Match"] else status)
        if 300 <= status < 400:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0" if self.headers["If-None-Match"] else "5")
        self.end_headers()
        if not self.headers["If-None-Match"]:
            self.wfile.write(b"12345")

    def log_message(self, *_: object) -> None:
        """Nowhere."""


@pytest.fixture
def target() -> Iterator[Target]:
    """A server to be measured that answers with 200 and five bytes."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            family = Family([])
            yield Target("", Server("some", server.server_port, family, Path()), "/200", 5, Load())
        finally:
            server.shutdown()
            thread.join()


def test_only_the_answers_that_are_meant_are_measured(target: Target) -> None:
    assert wrong(target) is None
    assert wrong(target._replace(size=6)) == "5 bytes instead of 6"
    assert "308" in (wrong(target._replace(path="/308")) or ""), "a redirect is not what it leads to"
    assert "500" in (wrong(target._replace(path="/500")) or "")
    assert otherwise(target) is None
    assert otherwise(target._replace(path="/308")) == "status 308 instead of 200"
    known = target._replace(load=Load(headers=('If-None-Match: "x"',)))
    assert otherwise(known) == "status 304 instead of 200"
    assert otherwise(known._replace(status=304)) is None
    assert otherwise(target._replace(status=304)) == "status 200 instead of 304"
    assert otherwise(target._replace(fields={"Content-Length": "5"})) is None
    assert (
        otherwise(target._replace(fields={"Content-Length": "6", "Vary": "*"})) == "without Content-Length: 6, Vary: *"
    )


def test_how_wrk_is_called() -> None:
    words = command("http://x/", 1, [1], Load(4, ("A: b",), Path("x.lua"), ("Host", "file")))
    assert words == [
        "taskset", "-c", "1", "wrk", "-t1", "-c4", "-d1s", "--latency", "-H", "A: b", "-s", "x.lua", "http://x/", "--",
        "Host", "file",
    ]  # fmt: skip


@pytest.mark.parametrize(("seconds", "whole"), [(0.4, "-d1s"), (1.5, "-d2s"), (3, "-d3s")])
def test_wrk_counts_whole_seconds(seconds: float, whole: str) -> None:
    assert whole in command("http://x/", seconds, [0], Load())


#: Tells what it has when it is interrupted, also where that comes before it looks.
WRK = f"""#!{sys.executable} -I
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    time.sleep({PATIENCE})
except KeyboardInterrupt:
    sys.stdout.write({REPORT!r})
"""


def test_wrk_is_interrupted_for_parts_of_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrk = tmp_path / "wrk"
    wrk.write_text(WRK)
    wrk.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    core = min(os.sched_getaffinity(0))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        assert run("http://x/", 0.1, [core], Load())[:2] == (47621.5, 52384)
        assert run("http://x/", 0.1, [core], Load(each=("Host: a", "Host: b"))).number == 2 * 52384
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_who_handles_a_signal() -> None:
    with subprocess.Popen(["sleep", str(PATIENCE)]) as process:
        assert not catches(process.pid, signal.SIGINT)
        process.kill()
    assert not catches(process.pid, signal.SIGINT)
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    assert catches(os.getpid(), signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, before)
    assert not catches(os.getpid(), signal.SIGUSR2)


def test_goals() -> None:
    verdicts = {
        (verdict.goal.case, verdict.goal.setup, verdict.text()): (verdict.value, verdict.reached)
        for verdict in judge(made_up())
    }
    assert verdicts["handler hello", "", "3 x Apache mod_python"] == (3.75, True)
    assert verdicts["handler hello", "", "1.4 x granian"] == (1.25, False)
    assert verdicts["handler hello", "", "0.55 x bare road"] == (0.75, True)
    assert verdicts["static 1 MB", "", "0.95 x the better of Apache mod_python and nginx"] == (0.9, False)
    assert verdicts["idle connections", "10,000 idle", "under 3 KB each"] == (1.8, True)
    assert verdicts["idle connections", "10,000 idle", "0.9 x 0 idle"] == (0.95, True)
    assert verdicts["virtual hosts", "10,000", "0.9 x 1"] == (0.5, False)
    assert verdicts[FLASK_WORKERS, "", "under 40 MB in all"] == (35, True)
    assert not any(case == "PSP page" for case, _, _ in verdicts), "what was not run is not judged"


def test_a_goal_without_its_peer_is_not_measured() -> None:
    results = made_up()._replace(rows=(Result("PSP page", "", OURS, 1_000),))
    (verdict,) = judge(results)
    assert (verdict.value, verdict.reached) == (None, None)
    assert "not measured" in report.goals([verdict])


@pytest.mark.parametrize(
    ("cases", "goals", "others"),
    [(CASES, GOALS, {FLASK_WORKERS}), (modules.CASES, modules.GOALS, {modules.UP, modules.DOWN})],
)
def test_goals_speak_of_cases_that_there_are(
    cases: tuple[Case, ...], goals: tuple[Goal, ...], others: set[str]
) -> None:
    setups = {(case.name, setup.title) for case in cases for setup in case.setups} | {(name, "") for name in others}
    servers = {case.name: {*case.peers, BARE, "mpserver"} for case in cases}
    for goal in goals:
        assert (goal.case, goal.setup) in setups, goal
        for setup, server in goal.against:
            assert (goal.case, setup) in setups or not setup, goal
            assert server in servers[goal.case] or server == OURS, goal
    assert len({case.name for case in cases}) == len(cases)


def test_the_page() -> None:
    page = report.document(made_up(), {"hello.png": "Hello"})
    for text in (
        "A Processor, 2 cores", "![Hello](hello.png)",
        "| handler hello | mpserver (own) | 75,000 | 0.20 | 0.90 | 13.0 | 8.0 | 50.0 | 0.75 | 3.75 | 1.25 |",
        "| handler hello | Apache mod_python | 20,000 (3 errors) |",
        "- idle connections: 10,000 idle, mpserver (own): 1,800.00 B for each connection",
        "| virtual hosts: 10,000 | 0.9 x 1 | 0.50 | **not reached** |",
    ):  # fmt: skip
        assert text in page


def a_run(rate: float, stolen: float, errors: int = 0) -> Run:
    return Run(rate, 100, 1.0, 2.0, errors, stolen=stolen)


@pytest.mark.parametrize(
    ("runs", "rate", "stolen"),
    [
        ([a_run(10, 0), a_run(30, 0.01), a_run(20, 0.02)], 20, 0.02),
        ([a_run(1, 0.5), a_run(30, 0), a_run(20, 0), a_run(2, 0.4), a_run(10, 0)], 20, 0),
        (
            [a_run(9, 0.02), a_run(8, 0.01), a_run(7, 0), a_run(99, 0)],
            8,
            0.02,
        ),  # below the bound the first ones count
        ([a_run(1, 0.5), a_run(30, 0.1), a_run(20, 0.3), a_run(10, 0.2)], 20, 0.3),
    ],
)
def test_the_quietest_rounds_count(tmp_path: Path, runs: list[Run], rate: float, stolen: float) -> None:
    target = Target("", Server(OURS, 1, Family([]), tmp_path), "/", None, Load())
    row = median("a case", target, runs, 3)
    assert (row.rate, row.stolen, row.errors) == (rate, stolen, 0)
    assert median("a case", target, [*runs, a_run(1, 0.9, errors=3)], 3).errors == 3, "what goes wrong always counts"


class Counted(Bench):
    """Counts rounds in place of running them; the host takes its part of them in turns."""

    def __init__(self, options: Options, stolen: dict[str, list[float]]) -> None:
        self.options, self.stolen = options, stolen
        self.order: list[str] = []

    def _round(self, case: Case, target: Target, number: int) -> Run:
        self.order.append(target.setup)
        return a_run(1, self.stolen[target.setup].pop(0))

    def _fails(self, case: Case, target: Target, fault: str | None) -> bool:
        return False


@pytest.mark.parametrize(("quick", "order"), [(False, "ababab" + "bbb"), (True, "ababab")])
def test_disturbed_rounds_are_repeated(tmp_path: Path, quick: bool, order: str) -> None:
    how = Options(3, 1, 0, 0, 0, ("own",), "", quick)
    bench = Counted(how, {"a": [0.0] * 3, "b": [0.5, 0, 0.5, 0.5, 0, 0]})
    server = Server(OURS, 1, Family([]), tmp_path)
    targets = [Target(setup, server, "/", None, Load()) for setup in "ab"]
    rows = bench._rounds(CASES[0], targets)
    assert "".join(bench.order) == order
    assert [row.stolen for row in rows] == [0, 0.5 if quick else 0]


def test_what_the_host_took() -> None:
    cores = sorted(os.sched_getaffinity(0))
    lost = Stolen(cores)
    assert 0 <= lost.share() <= 1
    before = [times._replace(user=times.user - 3, steal=times.steal - 1) for times in psutil.cpu_times(percpu=True)]
    lost._then = before
    assert lost.share() == pytest.approx(0.25, abs=0.1)
    assert Stolen([]).share() == 0


def test_the_page_tells_what_the_host_took() -> None:
    rows = (
        Result("PSP page", "", OURS, 1_000, stolen=0.125),
        Result("PSP page", "", BARE, 2_000, stolen=0.02),
    )
    page = report.document(made_up()._replace(rows=rows), {})
    assert "| PSP page | mpserver (own) | 1,000 (lost 12%) |" in page
    assert "| PSP page | bare road | 2,000 |" in page
    assert "1 of 2 figures lost more" in page and "are repeated" in page
    assert "None lost more" in report.document(made_up(), {})
    assert "are repeated" not in report.document(made_up()._replace(options={**OPTIONS, "quick": True}), {})


def test_results_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "last.json"
    save(made_up(), path)
    assert load(path) == made_up()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 0}', '{"format":1,"rows":[{"x":1}]}'])
def test_what_is_no_result(tmp_path: Path, text: str) -> None:
    path = tmp_path / "last.json"
    path.write_text(text)
    with pytest.raises(SystemExit, match=r"last\.json"):
        load(path)


def test_a_change_tells_what_the_host_took() -> None:
    now = made_up()
    rows = tuple(dataclasses.replace(row, stolen=0.3) if row.case == "handler hello" else row for row in now.rows)
    found = {change.title: change.stolen for change in compare(made_up(), now._replace(rows=rows))}
    assert (found["handler hello"], found["static 1 MB"]) == (0.3, 0.0)


def test_a_slower_machine_is_no_slower_case() -> None:
    changes = list(compare(made_up(), made_up(rate=37_500, bare=50_000)))
    hello = next(change for change in changes if change.title == "handler hello")
    assert (hello.then, hello.now) == (0.75, 0.75)
    assert {change.server for change in changes} == {OURS}


def test_a_slower_case_is_found() -> None:
    worse = slower(compare(made_up(), made_up(rate=60_000)), 0.1)
    assert [change.title for change in worse] == ["handler hello"]
    assert "handler hello, mpserver (own): 0.600 of the bare road, was 0.750 (-20%)" in report.changes(worse, 0.1)
    assert "but" not in report.changes(worse, 0.1)
    told = report.changes([worse[0]._replace(stolen=0.47)], 0.1)
    assert told.endswith("(-20%), but the host took 47% of a core meanwhile"), "so it may be slower for that alone"
    assert slower(compare(made_up(), made_up(rate=70_000)), 0.1) == []
    assert report.changes([], 0.1) == "No case lost more than 10% against the bare road."


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the group bench)")
    made = draw(made_up(), tmp_path)
    assert set(made) == {"hello.png", "apache.png", "time.png", "growth.png"}
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in made)


def test_ports() -> None:
    assert peers_from("granian=1,apache-mod_python=0") == {**PORTS, GRANIAN: 1, APACHE: 0}
    for faulty in ("granian", "lighttpd=1", "granian=x"):
        with pytest.raises(SystemExit, match="NAME=PORT"):
            peers_from(faulty)


def test_only_the_full_run_writes_the_documentation() -> None:
    assert arguments([]).out is not None
    assert arguments(["--quick"]).out is None
    assert arguments(["--only", "hello"]).out is None
    assert (arguments(["--quick"]).seconds, arguments(["--quick", "--seconds", "2"]).seconds) == (0.4, 2)


def test_peers_are_configured(tmp_path: Path) -> None:
    """Each of them gets a command and files without a gap, as root and in another root, too."""
    (tmp_path / "tmp").mkdir()
    for path, text in {
        "usr/lib/apache2/modules/mod_python.so": "", "usr/lib/apache2/modules/mod_wsgi.so": "",
        "usr/lib/apache2/modules/mod_alias.so": "",
        "usr/sbin/apache2": "", "opt/bin/granian": "",
        "etc/passwd": "root:x:0:0::/:/bin/sh\nnobody:x:9:9::/:/bin/false\n", "etc/group": "nogroup:x:9:\n",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    with prepared(tmp_path) as ground:
        assert ground.words() == ["chroot", str(tmp_path)]
        assert find_program(("httpd", "apache2"), ground, ()) == "/usr/sbin/apache2"
        assert find_program(("granian",), ground, ()) is None
        assert find_program(("granian",), ground, ("/opt/bin",)) == "/opt/bin/granian"
        assert (ground.folder / "site" / "static" / "10k.bin").stat().st_size == 10_000
        for name, (_programs, configure) in STARTERS.items():
            run, inside = ground.run_folder(name)
            made = configure(Place(ground, "/program", run, inside, 1234, "log"))
            assert made is not None, name
            assert str(tmp_path) not in " ".join(made.words), "paths are those of the other root"
            written = "".join(path.read_text() for path in run.glob("*.conf"))
            assert "1234" in written + " ".join(made.words)
            assert "@" not in written
            assert str(tmp_path) not in written
        (tmp_path / "usr/lib/apache2/modules/mod_wsgi.so").unlink()
        run, inside = ground.run_folder("without")
        assert STARTERS["Apache mod_wsgi"][1](Place(ground, "/program", run, inside, 1, "")) is None


def test_modules_are_configured_alike(tmp_path: Path) -> None:
    """Each configuration of a case is a file that Apache includes, too, after the modules that it needs."""
    wanted = {setup.conf for case in modules.CASES for setup in case.setups} | {case.form for case in modules.CASES}
    assert wanted == set(FORMS) == {path.stem for path in (SITE / "modules").glob("*.conf")}
    with prepared() as ground:
        for form in FORMS:
            run, inside = ground.run_folder(form)
            for name in (HTTPD, GUNICORN, GRANIAN, NGINX):
                made = STARTERS[name][1](Place(ground, "/program", run, inside, 1234, form))
                if name == HTTPD and made is None:
                    continue  # Apache is not installed here
                assert made is not None
                assert ("key.pem" in " ".join(made.words)) == (form == "tls" and name in (GUNICORN, GRANIAN))
            nginx = (run / "nginx.conf").read_text()
            assert "@" not in nginx
            assert ("1234 ssl;" in nginx, "proxy_pass" in nginx) == (form == "tls", form == "proxy")


def test_apache_loads_what_a_form_needs(tmp_path: Path) -> None:
    for path, text in {
        "usr/lib/apache2/modules/mod_alias.so": "", "etc/passwd": "nobody:x:9:9::/:/bin/false\n",
        "etc/group": "nogroup:x:9:\n", "tmp/x": "",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    with prepared(tmp_path) as ground:
        for form, loaded in FORMS.items():
            run, inside = ground.run_folder(form)
            assert STARTERS[HTTPD][1](Place(ground, "/program", run, inside, 1234, form)) is not None
            text = (run / "httpd.conf").read_text()
            assert text.endswith(f'Include "${{SITE}}/modules/{form}.conf"\n')
            assert all(f"mod_{name}.so" in text for name in loaded)


def test_a_certificate_for_all_grounds() -> None:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not installed")
    with prepared() as ground:
        certified([ground])
        folder = ground.folder / "site" / "modules"
        assert "BEGIN CERTIFICATE" in (folder / "cert.pem").read_text()
        assert "BEGIN PRIVATE KEY" in (folder / "key.pem").read_text()


def made_up_modules() -> Results:
    """A run of some cases of modules."""
    rows = (
        Result("TLS hello", "plain", OURS, 20_000, cpu=40),
        Result("TLS hello", "TLS", OURS, 15_000, cpu=60),
        Result("TLS hello", "", APACHE, 7_500, cpu=120),
        Result("TLS hello", "", GUNICORN, 3_000, cpu=400),
        Result("deflate 10 KB", "", OURS, 3_000, cpu=360),
        Result("deflate 10 KB", "", HTTPD, 2_500, cpu=300),
        Result(modules.DOWN, "", OURS, 0.5, cpu=1_500_000, each=2_500_000),
        Result(modules.DOWN, "", HTTPD, 1, cpu=500_000, each=1_000_000, errors=1),
    )
    return Results(MACHINE, OPTIONS, rows)


def test_goals_of_modules() -> None:
    verdicts = {
        (verdict.goal.case, verdict.text()): (verdict.value, verdict.reached)
        for verdict in judge(made_up_modules(), modules.GOALS)
    }
    assert verdicts == {
        ("TLS hello", "0.7 x plain"): (0.75, True),
        ("TLS hello", "2 x gunicorn"): (5, True),
        ("deflate 10 KB", "under 1.1 x Apache, CPU time"): (1.2, False),
        (modules.DOWN, "under 16 MB more memory"): (2.5, True),
    }


def test_the_page_of_modules(tmp_path: Path) -> None:
    modules.write(made_up_modules(), tmp_path)
    page = (tmp_path / "modules.md").read_text()
    for text in (
        "| TLS hello: TLS | mpserver (own) | 60.0 | 0.50 | 0.0 | 15,000 | 2.00 |",
        "| deflate 10 KB | mpserver (own) | 360.0 | 1.20 |",
        "| deflate 10 KB | Apache | 300.0 |  |",
        f"| {modules.DOWN} | mpserver (own) | 537 | 1,500 | 3.00 | 2.5 |",
        f"| {modules.DOWN} | Apache | 1,074 | 500 |  | 1.0 (failed) |",
        "| deflate 10 KB | under 1.1 x Apache, CPU time | 1.20 | **not reached** |",
    ):
        assert text in page
    assert load(tmp_path / "modules.json") == made_up_modules()


def test_what_stands_behind_the_proxy() -> None:
    near, far = socket.socketpair()
    talk = threading.Thread(target=Talk(far).serve)
    talk.start()
    with near, near.makefile("rb") as answers:
        for request, length, taken in (
            (b"GET / HTTP/1.1\r\n\r\n", 12, 0),
            (b"GET /3000000 HTTP/1.1\r\n\r\n", 3_000_000, 0),
            (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345", 12, 5),
            (
                b"POST /7 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n12345\r\nA\r\n0123456789\r\n0\r\n\r\n",
                7,
                15,
            ),
        ):
            near.sendall(request)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            head = b"".join(iter(answers.readline, b"\r\n"))
            assert b"Content-Length: %d\r\n" % length in head
            assert b"Taken: %d\r\n" % taken in head
            assert len(answers.read(length)) == length
    talk.join()


def test_what_ab_says_is_read() -> None:
    text = "Complete requests:      100\nFailed requests:        {}\nRequests per second:    885.21 [#/sec] (mean)\n"
    assert read_ab(text.format(0)) == 885.21
    with pytest.raises(ValueError, match="Failed requests"):
        read_ab(text.format(3))
    with pytest.raises(ValueError, match="Non-2xx"):
        read_ab("Non-2xx responses:      100\n" + text.format(0))


def test_the_manuals_table() -> None:
    rates = {("handler", OURS): 3000.0, ("handler", APACHE): 1500.0, ("publisher", OURS): 2000.0}
    table = manual_table(rates, [OURS, APACHE])
    assert "| handler | 3,000 | 1,500 | 2.00 |" in table
    assert "| publisher | 2,000 |  |  |" in table


def test_cpu_time_is_exact() -> None:
    """The system's hundredths of a second are too coarse for what many processes have to do in half a second."""
    family = Family([psutil.Process()])
    start = time.process_time()
    before, begun = family.cpu(), time.process_time()
    while time.process_time() < begun + 0.004:
        pass
    used = time.process_time() - begun
    assert used - 0.001 <= family.cpu() - before <= time.process_time() - start
