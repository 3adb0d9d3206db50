"""What goes wrong in the life of a server: each is done to a server, and what comes of it is told in a few words."""

from __future__ import annotations

import contextlib
import random
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import psutil
from benching.ground import Ground

from bearing.load import AGAIN, FAILED, GET, GOOD, load
from bearing.servers import Kind, Running, Wish, launched, listens, placed, until

#: Seconds of load before something is done, and between two blows.
LULL = 0.5
#: How many workers are killed, and how often a server is restarted.
KILLS, RESTARTS = 5, 3
#: How long a server has for what it does, in seconds.
TIME = 15.0
#: Connections that are kept where there are few descriptors.
CONNECTIONS, DESCRIPTORS = 100, 64
#: A line that says what is wrong, and what log lines have before it.
COMPLAINT = re.compile(r"in use|used up|already running|[Nn]o space|[Ee]rror|ermission", re.MULTILINE)
STAMPS = re.compile(r"^(\[[^\]]*\] ?)+(AH\d+: )?")


class Missing(Exception):
    """A server that is not here."""


class Ring:
    """Where servers are met."""

    def __init__(self, grounds: Sequence[Ground], folders: Sequence[str]) -> None:
        self.grounds, self.folders = grounds, folders

    @contextlib.contextmanager
    def started(self, kind: Kind, wish: Wish) -> Iterator[Running]:
        """A server that may listen or not. :raises Missing: it is not here."""
        place = placed(kind, self.grounds, self.folders, wish.port)
        if place is None:
            raise Missing(kind.name)
        with launched(kind, place, wish) as running:
            yield running

    @contextlib.contextmanager
    def serving(self, kind: Kind, wish: Wish | None = None) -> Iterator[Running]:
        """A server that has answered. :raises SystemExit: it does not serve."""
        with self.started(kind, wish or Wish()) as running:
            if not listens(running) or until(lambda: answered(running.port), TIME) is None:
                raise SystemExit(f"{kind.name} does not serve:\n{running.said()[-2000:]}")
            yield running


def answered(port: int, patience: float = 2) -> bool:
    """Whether one request is answered."""
    try:
        with socket.create_connection(("127.0.0.1", port), patience) as sock:
            sock.sendall(GET)
            answer = b""
            while not answer.endswith(GOOD):
                got = sock.recv(65536)
                if not got:
                    return False
                answer += got
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 200 ")


def _after(seconds: float | None) -> str:
    return f"after {seconds:.1f} s" if seconds is not None else f"**not within {TIME:.0f} s**"


def _left(running: Running) -> str:
    left = len(running.processes())
    return f"; **{left} processes left**" if left else ""


def complaint(running: Running) -> str:
    """What a server says of its trouble, in a line."""
    lines = [STAMPS.sub("", line.strip()) for line in running.said().splitlines()]
    said = [line for line in lines if COMPLAINT.search(line)] or lines or [""]
    return f"`{said[0][:110].replace('|', '/').replace('`', chr(39))}`"


def _refusal(running: Running) -> str:
    """What comes of a start that may fail."""
    if listens(running, TIME) and until(lambda: answered(running.port), TIME) is not None:
        return "starts"
    ended = until(lambda: running.master.poll() is not None, TIME)
    status = f"ends with status {running.master.returncode}" if ended is not None else "**neither serves nor ends**"
    return f"{status}: {complaint(running)}{_left(running)}"


def worker_killed(ring: Ring, kind: Kind) -> str:
    """Workers get SIGKILL, one after the other."""
    chance = random.Random(1)  # noqa: S311 - which one is killed is no secret
    with ring.serving(kind) as running, load(running.port) as clients:
        time.sleep(LULL)
        before = len(running.workers())
        for _ in range(KILLS):
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                chance.choice(running.workers()).kill()
            time.sleep(LULL)
        back = until(lambda: len(running.workers()) >= before, TIME)
        return f"{clients.text()}; all {before} workers back {_after(back)} of the last"


def master_killed(ring: Ring, kind: Kind) -> str:
    """The master gets SIGKILL."""
    with ring.serving(kind) as running:
        pid_file = f"{running.inside}/server.pid"
        with load(running.port) as clients:
            time.sleep(LULL)
            running.master.kill()
            gone = until(lambda: not running.processes(), TIME)
            text = f"{clients.count(FAILED)} failed; workers gone {_after(gone)}"
        if gone is None and answered(running.port):
            text += f", {len(running.processes())} serve on"
        with ring.started(kind, Wish(port=running.port, pid_file=pid_file)) as again:
            fresh = listens(again, TIME) and until(lambda: answered(again.port), TIME) is not None
            return text + ("; a new one starts" if fresh else f"; **no new one starts**: {complaint(again)}")


def _ended(ring: Ring, kind: Kind, number: signal.Signals) -> str:
    with ring.serving(kind) as running:
        with load(running.port) as clients:
            time.sleep(LULL)
            running.master.send_signal(number)
            gone = until(lambda: not running.processes(), TIME)
            text = clients.text()
        return f"{text}; gone {_after(gone)}{_left(running)}"


def stopped(ring: Ring, kind: Kind) -> str:
    """The master gets SIGTERM."""
    return _ended(ring, kind, signal.SIGTERM)


def stopped_gracefully(ring: Ring, kind: Kind) -> str:
    """The master gets the signal for a graceful end."""
    return _ended(ring, kind, kind.graceful_stop)


def restarted(ring: Ring, kind: Kind) -> str:
    """The master gets the signal for a graceful restart, several times."""
    with ring.serving(kind) as running, load(running.port) as clients:
        time.sleep(LULL)
        slowest: float | None = 0.0
        for _ in range(RESTARTS):
            former = {process.pid for process in running.workers()}
            running.master.send_signal(kind.graceful)
            took = until(lambda: not former & {process.pid for process in running.workers()}, TIME)  # noqa: B023
            slowest = None if took is None or slowest is None else max(slowest, took)
            time.sleep(LULL)
        text = f"{clients.text()}; former workers gone {_after(slowest)} at most"
        again = clients.count(AGAIN)
        return text + (f"; {again} kept connections ended unannounced" if again else "")


def _pid_file(ring: Ring, kind: Kind, pid: int) -> str:
    with ring.started(kind, Wish()) as first:  # its folder, and a number that was its own
        listens(first)
        inside, path = first.inside, first.run / "server.pid"
    path.write_text(f"{pid}\n")
    path.chmod(0o644)
    with ring.started(kind, Wish(pid_file=f"{inside}/server.pid")) as running:
        return _refusal(running)


def stale_pid_file(ring: Ring, kind: Kind) -> str:
    """The pid file names a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return _pid_file(ring, kind, process.pid)


def foreign_pid_file(ring: Ring, kind: Kind) -> str:
    """The pid file names a process that is something else."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        try:
            return _pid_file(ring, kind, process.pid)
        finally:
            process.kill()


def port_in_use(ring: Ring, kind: Kind) -> str:
    """Somebody else listens at the port."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        ring.started(kind, Wish(port=other.getsockname()[1])) as running,
    ):
        ended = until(lambda: running.master.poll() is not None, TIME)
        if ended is None:
            return f"**goes on for more than {TIME:.0f} s**: {complaint(running)}"
        return f"ends {_after(ended)} with status {running.master.returncode}: {complaint(running)}{_left(running)}"


def log_disk_full(ring: Ring, kind: Kind) -> str:
    """No line can be written to the logs."""
    wish = Wish(error_log="/dev/full", access_log="/dev/full")
    with ring.started(kind, wish) as running:
        if not listens(running) or until(lambda: answered(running.port), TIME) is None:
            return f"**does not serve**: {complaint(running)}"
        with load(running.port) as clients:
            time.sleep(2)
        return f"serves: {clients.text()}"


def few_descriptors(ring: Ring, kind: Kind) -> str:
    """The limit of descriptors is low, and more connections are kept than it allows."""
    with ring.started(kind, Wish(descriptors=DESCRIPTORS)) as running:
        if not listens(running) or until(lambda: answered(running.port), TIME) is None:
            return f"**does not serve**: {complaint(running)}"
        with contextlib.ExitStack() as stack:
            waiting = {}
            for _ in range(CONNECTIONS):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 2))
                sock.sendall(GET)
                waiting[sock] = b""
            done, deadline = 0, time.monotonic() + 4
            while waiting and (rest := deadline - time.monotonic()) > 0:
                for sock in select.select(list(waiting), [], [], rest)[0]:
                    got = _received(sock)
                    waiting[sock] += got
                    if not got or waiting[sock].endswith(GOOD):
                        done += waiting.pop(sock).startswith(b"HTTP/1.1 200 ")
        after = until(lambda: answered(running.port), TIME)
        return f"{done} of {CONNECTIONS} answered at once; when these have left it serves {_after(after)}"


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except OSError:
        return b""


class Fault(NamedTuple):
    """One of them: its row's name, and what does it."""

    name: str
    done_to: Callable[[Ring, Kind], str]


FAULTS = (
    Fault(f"{KILLS} workers killed (SIGKILL), under load", worker_killed),
    Fault("master killed (SIGKILL), under load", master_killed),
    Fault("stop (SIGTERM), under load", stopped),
    Fault("graceful stop (SIGWINCH, gunicorn: SIGTERM), under load", stopped_gracefully),
    Fault(f"{RESTARTS} graceful restarts (SIGUSR1, gunicorn: SIGHUP), under load", restarted),
    Fault("pid file of a process that has ended", stale_pid_file),
    Fault("pid file with the number of another program", foreign_pid_file),
    Fault("port in use", port_in_use),
    Fault("disk of the logs is full", log_disk_full),
    Fault(f"`ulimit -n {DESCRIPTORS}`, and {CONNECTIONS} connections at once", few_descriptors),
)
