"""``-k reopen``: logs are rotated under load, no line is lost, and nothing is restarted."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.held import HOLD, held
from support.server import EACH_AND_THREADS, Server
from support.waiting import PATIENCE, wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
LogFormat "path %U" path
CustomLog logs/access.log path
LogFormat "moved %U"
TransferLog logs/transfer.log
CustomLog "|/bin/sh -c 'exec cat >>${ROOT}/logs/piped.txt'" path
SetHandler mod_python
PythonHandler app
"""

APP = f"""{HOLD}
from mod_python import apache


def handler(req):
    if req.uri == "/wait":
        open(os.path.join(ROOT, "waiting"), "w").close()
        hold()
    req.log_error("path " + req.uri)
    os.write(2, ("raw path %s\\n" % req.uri).encode())  # (as a library in C does)
    req.set_content_length(1)
    req.write("x")
    return apache.OK
"""

#: The files, and what is in each of them before the path of a request.
LOGS = {"access.log": "path ", "transfer.log": "moved ", "error.log": "path "}


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids=str)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    kind, mpm = request.param
    return start_module_server(CONF, {"app.py": APP}, mode="daemon", backend=kind, mpm=mpm, workers=2)


class Clients:
    """Clients that ask for one path after the other, each path once."""

    def __init__(self, server: Server, name: str, count: int = 2) -> None:
        self.server, self.name = server, name
        self.over = threading.Event()
        self.failures: list[BaseException] = []
        self.asked: list[list[str]] = [[] for _ in range(count)]
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def _run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            while not self.over.is_set():
                path = f"/{self.name}/{number}/{len(self.asked[number])}"
                try:
                    connection.request("GET", path)
                    assert connection.getresponse().read() == b"x"
                except BaseException as error:
                    self.failures.append(error)
                    return
                self.asked[number].append(path)

    def done(self) -> int:
        """How many answers there were."""
        return sum(map(len, self.asked))

    def more(self) -> None:
        """Wait for some more answers of each."""
        before = [len(asked) for asked in self.asked]
        wait_for(
            lambda: self.failures or all(len(asked) > had + 5 for asked, had in zip(self.asked, before, strict=True)),
            "more answers",
        )
        assert self.failures == []


@contextlib.contextmanager
def clients(server: Server, name: str) -> Iterator[Clients]:
    """Some of them at work while the block lasts."""
    those = Clients(server, name)
    for thread in those.threads:
        thread.start()
    try:
        those.more()
        yield those
    finally:
        those.over.set()
        for thread in those.threads:
            thread.join()
    assert those.failures == []


def move(server: Server, ending: str) -> dict[Path, int]:
    """Move the logs. :returns: them, with the files that they are."""
    moved = {}
    for name in LOGS:
        to = server.logs / f"{name}.{ending}"
        (server.logs / name).rename(to)
        moved[to] = to.stat().st_ino
    return moved


def lines(server: Server, log: str, word: str, name: str) -> Counter[str]:
    """How often each path of some clients is in a log, moved or not, after a word at the beginning of it."""
    found: Counter[str] = Counter()
    for path in server.logs.glob(f"{log}*"):
        for line in path.read_text(errors="replace").splitlines():
            before, there, rest = line.rpartition(word)
            if there and rest.startswith(f"/{name}/"):
                found[("raw" if before.endswith("raw ") else "") + rest.split()[0]] += 1
    return found


def standing(server: Server) -> list[tuple[int, float]]:
    """Its workers, interpreters and programs, and since when they are there."""
    assert server.master is not None
    workers = json.loads(server.command("--status", "--json").stdout)["workers"]
    those = [(worker["pid"], worker["started"]) for worker in workers]
    those += [(one["pid"], one["started"]) for worker in workers for one in worker["interpreters"]]
    return those + [(child.pid, child.create_time()) for child in server.master.children()]


def test_no_line_is_lost_and_nothing_is_restarted(server: Server) -> None:
    with clients(server, "load") as those:
        before = standing(server)
        sizes: dict[Path, int] = {}
        for number in range(3):
            moved = move(server, str(number))
            those.more()
            said = server.command("-k", "reopen")
            assert said.stderr == ""
            if not said.stdout:  # (a machine that does much else may be late)
                sizes |= {path: path.stat().st_size for path in moved}
            those.more()
        after = standing(server)
    assert set(before) <= set(after)
    wanted = Counter(path for asked in those.asked for path in asked)
    for log, word in LOGS.items():
        every = wanted + Counter(f"raw{path}" for path in wanted) if log == "error.log" else wanted
        wait_for(
            lambda log=log, word=word, every=every: lines(server, log, word, "load") == every,  # type: ignore[misc]
            f"all lines in {log}",
        )
        assert (server.logs / log).stat().st_size
    wait_for(lambda: lines(server, "piped.txt", "path ", "load") == wanted, "all lines by the program")
    assert {path: path.stat().st_size for path in sizes} == sizes


def test_what_can_not_be_opened_leaves_all_as_it_was(server: Server) -> None:
    [access, *_rest] = move(server, "kept")
    (server.logs / "access.log").mkdir()
    done = server.command("-k", "reopen", check=False)
    assert done.returncode == 1
    assert "the logs are not reopened, the former ones go on: (21)Is a directory: AH00091" in done.stderr
    assert not (server.logs / "transfer.log").exists() or (server.logs / "transfer.log").stat().st_size == 0
    assert server.get("/kept").text == "x"
    wait_for(lambda: "path /kept\n" in access.read_text(), "the line in the file that was")
    (server.logs / "access.log").rmdir()
    server.command("-k", "reopen")

    def is_written() -> bool:  # (on a machine that does much else one that is late writes to the former ones first)
        assert server.get("/new").text == "x"
        return "path /new\n" in server.log("access.log") and "moved /new\n" in server.log("transfer.log")

    wait_for(is_written, "the lines in the new files")


def test_who_is_late_is_told(server: Server) -> None:
    """A process in a request reads no messages; the others have the files at once."""
    (server.root / "waiting").unlink(missing_ok=True)
    with held(server, "/wait", 1):
        wait_for((server.root / "waiting").exists, "a request to stay")
        moved = move(server, "late")
        said = server.command("-k", "reopen").stdout
    late = server.backend == "process" and 'Define MPM "prefork"' in server.conf.read_text()
    assert ("writes to the former files until it is free" in said) == late, said
    wait_for(
        lambda: sum(path.read_text().count("path /wait\n") for path in server.logs.glob("access.log*")) == 1,
        "the line in one of the files",
    )
    for number in range(8):  # (both workers)
        assert server.get(f"/after/{number}").text == "x"
    wait_for(lambda: lines(server, "access.log", "path ", "after").total() == 8, "the lines that follow")
    assert "/after/" not in next(iter(moved)).read_text()


LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed (Debian: apt-get install logrotate)")
def test_logrotate_rotates_by_the_printed_file(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "mpserver"
    file.write_text(server.command("--print-logrotate").stdout)
    file.chmod(0o644)
    with clients(server, "rotated") as those:
        those.more()
        words = [str(LOGROTATE), "--force", "--state", str(tmp_path / "state"), str(file)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        those.more()
    wanted = Counter(path for asked in those.asked for path in asked)
    wait_for(lambda: lines(server, "access.log", "path ", "rotated") == wanted, "all lines")
    assert (server.logs / "access.log").stat().st_size
    assert "/rotated/" in (server.logs / "access.log.1").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files that workers may not open")
def test_workers_of_another_account_have_them_too(start_open_server: StartServer) -> None:
    server = start_open_server("User nobody\n" + CONF, {"app.py": APP}, mode="daemon", backend="process", workers=2)
    with clients(server, "user") as those:
        moved = move(server, "0")
        said = server.command("-k", "reopen").stdout
        sizes = {path: path.stat().st_size for path in moved}
        those.more()
    wanted = Counter(path for asked in those.asked for path in asked)
    wait_for(lambda: lines(server, "access.log", "path ", "user") == wanted, "all lines")
    if not said:  # (nobody was so busy that it is late)
        assert {path: path.stat().st_size for path in moved} == sizes
    assert server.workers()[0].uids().real != 0
    server.command("-k", "graceful")
    server.stop()
    assert server.command("-k", "reopen").stdout == "mpserver (no pid file) not running\n"


def test_one_process_has_none(start_server: StartServer) -> None:
    server = start_server("", mode="one")
    done = server.command("-k", "reopen", check=False)
    assert done.returncode == 1
    assert "has no control socket" in done.stderr
