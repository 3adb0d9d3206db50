"""What goes wrong in the life of a machine: its clock is set, and the disk of the logs fills up."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.held import HOLD, held
from support.load import load
from support.server import EACH_AND_THREADS, Server
from support.waiting import PATIENCE, wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
LogFormat "%{%s}t %U %>s %D" times
CustomLog logs/access.log times
PythonRequestTimeout 60
KeepAliveTimeout 60
Timeout 60
SetHandler mod_python
PythonHandler app
"""

APP = f"""{HOLD}
import time
from mod_python import apache


def handler(req):
    if req.uri == "/wait":
        open(os.path.join(ROOT, "waiting"), "w").close()
        hold()
    req.write(str(int(time.time())))
    return apache.OK
"""

#: Lets the clock of every interpreter be set by a file: that of the machine is not the tests' to set.
CLOCK = """
import os
import time

_file, _time, _time_ns = os.environ["TEST_CLOCK"], time.time, time.time_ns


def _step():
    with open(_file) as file:
        return int(file.read() or 0)


time.time = lambda: _time() + _step()
time.time_ns = lambda: _time_ns() + _step() * 10**9
"""

DAY = 86400


def set_clock(file: Path, step: int) -> None:
    """Let the clock be so many seconds ahead."""
    new = file.with_suffix(".new")
    new.write_text(str(step))
    new.rename(file)


def asked(connection: http.client.HTTPConnection) -> int:
    """What time it is there, by a request on a kept connection."""
    connection.request("GET", "/time")
    response = connection.getresponse()
    assert response.status == 200
    return int(response.read())


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_a_clock_that_is_set_ends_nothing(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mpm: str
) -> None:
    """A day on, and then two days back, while a request runs, a connection is kept and others come."""
    clock, folder = tmp_path / "clock", tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CLOCK)
    clock.write_text("0")
    monkeypatch.setenv("TEST_CLOCK", str(clock))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, workers=2)
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    begun = asked(kept)
    sock = kept.sock
    wait_for(lambda: len(server.workers()) == 2, "the workers to be there")
    workers = {worker.pid for worker in server.workers()}
    with held(server, "/wait"):
        wait_for((server.root / "waiting").exists, "a request to stay")
        for step in (DAY, -DAY):
            set_clock(clock, step)
            with load(server, "/new", clients=2) as state:
                state.more(20)
            assert state.failures == []
            found = asked(kept)
            assert abs(found - begun - step) < 2 * PATIENCE
    assert kept.sock is sock
    kept.close()
    log = server.logs / "access.log"
    wait_for(lambda: "/wait 200" in log.read_text(), "the line of the request that stayed")
    days = {round((int(line.split()[0]) - begun) / DAY) for line in log.read_text().splitlines() if "/new" in line}
    assert days == {1, -1}
    assert {worker.pid for worker in server.workers()} == workers
    server.command("-k", "graceful")
    assert abs(int(server.get("/time").text) - begun + DAY) < 4 * PATIENCE
    server.stop()
    assert not re.search(r"Traceback|internal error|SIGKILL", server.log())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a disk")
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk. :returns: the file that did."""
    file = folder / "filling"
    with file.open("wb", buffering=0) as out:
        try:
            while out.write(b"x" * 4096):
                pass
        except OSError:
            return file
    raise AssertionError("it took everything")


def lines(server: Server, folder: Path) -> list[str]:
    """The lines of the access log."""
    return (folder / "access.log").read_text().splitlines()


@pytest.mark.parametrize(("kind", "mpm"), EACH_AND_THREADS)
def test_a_full_disk_never_stops_serving(start_server: StartServer, small_disk: Path, kind: str, mpm: str) -> None:
    """Logs go on where there is room again; a graceful restart works meanwhile as well."""
    conf = f'ErrorLog "{small_disk}/error.log"\n' + CONF.replace("logs/access.log", f'"{small_disk}/access.log"')
    server = start_server(conf, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, workers=2)
    server.get("/before")
    wait_for(lambda: any("/before 200" in line for line in lines(server, small_disk)), "the first line")
    filling = fill(small_disk)
    with load(server, "/full", clients=2) as state:
        state.more(100)
        server.command("-k", "graceful")
        state.more(100)
    assert state.failures == []
    filling.unlink()
    server.get("/after")
    wait_for(lambda: any("/after 200" in line for line in lines(server, small_disk)), "a line where there is room")
    server.stop()


UNREAD = (
    "(6)No such device or address: AH00091: could not open log file {root}/fifo. It is a pipe (FIFO) that nobody reads"
)


@pytest.mark.parametrize(
    ("directive", "why"),
    [
        (
            "ErrorLog nowhere/error.log",
            "(2)No such file or directory: AH02291: Cannot access directory '{root}/nowhere/'",
        ),
        (
            "CustomLog nowhere/a.log times",
            "(2)No such file or directory: AH02291: Cannot access directory '{root}/nowhere/'",
        ),
        ("ErrorLog run", "(21)Is a directory: AH00091: could not open log file {root}/run"),
        ("ErrorLog fifo", UNREAD),
        ("CustomLog fifo times", UNREAD),
    ],
)
def test_a_log_that_can_not_be_written_ends_the_start(start_server: StartServer, directive: str, why: str) -> None:
    server = start_server(CONF, {"app.py": APP})
    server.stop()
    os.mkfifo(server.root / "fifo")
    for how in (("-k", "start"), ("-X",), ("-D", "FOREGROUND")):
        done = server.command(*how, "-c", directive, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(why.format(root=server.root))
        assert not server.pid_file.exists()


@pytest.mark.parametrize("directive", ["ErrorLog fifo", "CustomLog fifo times"])
def test_a_fifo_takes_a_log_while_somebody_reads_it(start_server: StartServer, directive: str) -> None:
    """Where nobody does a restart is off, and what there was goes on."""
    server = start_server(CONF, {"app.py": APP}, mode="daemon")
    fifo, conf = server.root / "fifo", server.root / "httpd.conf"
    os.mkfifo(fifo)
    conf.write_text(conf.read_text() + directive + "\n")
    failed = server.command("-k", "graceful", check=False)
    assert failed.returncode == 1
    assert f"the old configuration stays in effect: {UNREAD.format(root=server.root)}" in failed.stderr
    assert server.get("/before").status == 200
    with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
        server.command("-k", "graceful")
        assert server.get("/after").status == 200
        said = b"resuming normal operations" if directive.startswith("ErrorLog") else b"/after 200"
        found = b""

        def told() -> bool:
            nonlocal found
            found += reader.read() or b""
            return said in found

        wait_for(told, "a line")
    assert server.get("/then").status == 200  # (whoever read it may go)
