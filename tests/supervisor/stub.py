"""A server with the stand-in worker of `stub_server`, and what tests ask about its processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from support.processes import alive, descendants, end
from support.server import Port, listens
from support.waiting import PATIENCE, wait_for

STUB = Path(__file__).with_name("stub_server.py")
ROOT = STUB.parent.parent.parent

CONF = """\
ServerName localhost
Listen 127.0.0.1:{port}
LogLevel info
StartServers {workers}
MinSpareServers 1
MaxSpareServers {most}
MaxRequestWorkers {most}
{user}
{more}
"""


class Answer(NamedTuple):
    """Who answered."""

    pid: int
    generation: int
    slot: int


def title(process: psutil.Process) -> str:
    """What a process calls itself; empty if it is gone."""
    try:
        return " ".join(process.cmdline()).rstrip()
    except psutil.NoSuchProcess:
        return ""


class StubServer:
    """A ServerRoot with a configuration, and the command for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reserved: list[Port] = []
        self.port = self.free_port()
        self.environ: dict[str, str] = {}
        self.foreground: subprocess.Popen[str] | None = None
        (root / "logs").mkdir()
        self.configure()

    def free_port(self) -> int:
        """A port of this server's alone until it is closed."""
        self.reserved.append(Port())
        return self.reserved[-1].number

    def configure(self, more: str = "", workers: int = 2, most: int = 6) -> None:
        """Write the configuration."""
        user = "User root" if os.geteuid() == 0 else ""
        text = CONF.format(port=self.port, workers=workers, most=most, user=user, more=more)
        (self.root / "httpd.conf").write_text(text)

    def _arguments(self, *arguments: str) -> list[str]:
        return [sys.executable, str(STUB), "-f", str(self.root / "httpd.conf"), *arguments]

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), **self.environ}

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run the command to its end. :returns: its status, and all that it wrote."""
        done = subprocess.run(
            self._arguments(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=60,
            env=self._environ(),
        )
        return done.returncode, done.stdout

    def start(self) -> psutil.Process:
        """``-k start``. :returns: the master."""
        assert self.command("-k", "start") == (0, "")
        return self.master()

    def start_foreground(self, *arguments: str) -> psutil.Process:
        """Start it as our child, and wait until it serves."""
        self.foreground = subprocess.Popen(self._arguments(*arguments), env=self._environ(), text=True)
        wait_for(self.answers, "the server to serve")
        return psutil.Process(self.foreground.pid)

    @property
    def pid_file(self) -> Path:
        """Where the pid is."""
        return self.root / "logs" / "mpserver.pid"

    def master(self) -> psutil.Process:
        """The process of the pid file."""
        return psutil.Process(int(self.pid_file.read_text()))

    def workers(self, master: psutil.Process) -> list[psutil.Process]:
        """The live workers of a master."""
        return [process for process in descendants(master) if title(process).startswith("mpserver: worker")]

    def await_workers(self, master: psutil.Process, count: int) -> list[psutil.Process]:
        """Wait until there are so many."""
        wait_for(lambda: len(self.workers(master)) == count, f"{count} workers")
        return self.workers(master)

    def touch(self, name: str) -> None:
        """Make one of the files that the stand-in looks for."""
        (self.root / name).touch()

    def ask(self, path: str = "/", port: int | None = None) -> str:
        """The body of one request's answer; OSError where there is none."""
        with self.send(path, port) as client:
            return self.receive(client)

    def who(self) -> Answer:
        """Who answers now."""
        return Answer(*map(int, self.ask().split()))

    def send(self, path: str, port: int | None = None) -> socket.socket:
        """Send a request. :returns: its connection."""
        client = socket.create_connection(("127.0.0.1", port or self.port), timeout=PATIENCE)
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return client

    def send_waiting(self) -> socket.socket:
        """A request that is in its worker, and stays there until the file ``go`` is there."""
        client = self.send("/wait")
        wait_for((self.root / "waiting").exists, "the request to reach a worker")
        return client

    def receive(self, client: socket.socket) -> str:
        """The body of the answer."""
        data = b""
        while more := client.recv(4096):
            data += more
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            raise ConnectionError(f"no answer: {head!r}")
        return body.decode()

    def answers(self) -> bool:
        """Whether a request is answered."""
        try:
            return bool(self.ask())
        except OSError:
            return False

    def refuses(self, port: int | None = None) -> bool:
        """Whether connections are refused."""
        return not listens(port or self.port)

    def log(self) -> str:
        """The error log."""
        path = self.root / "logs" / "error_log"
        return path.read_text() if path.exists() else ""

    def await_log(self, text: str) -> None:
        """Wait until the error log has a text."""
        wait_for(lambda: text in self.log(), f"{text!r} in the log:\n{self.log()}")

    def gone(self, master: psutil.Process, family: set[psutil.Process]) -> None:
        """Wait until master and family are gone, and look that port and pid file are."""
        wait_for(lambda: not any(alive(p) for p in (master, *family)), "all processes to end")
        assert self.refuses()
        assert not self.pid_file.exists()

    def end_of_foreground(self) -> int:
        """Wait for the end of what `start_foreground` started. :returns: its status."""
        assert self.foreground is not None
        return self.foreground.wait(PATIENCE)

    def close(self) -> None:
        """End whatever is left, and give the ports back."""
        try:
            self._end()
        finally:
            for port in self.reserved:
                port.release()

    def _end(self) -> None:
        if self.foreground is not None:
            family = descendants(psutil.Process(self.foreground.pid)) if self.foreground.poll() is None else set()
            self.foreground.kill()
            self.foreground.wait()
            end(family)
        if self.pid_file.exists():
            try:
                master = self.master()
            except (psutil.NoSuchProcess, ValueError):
                return
            family = {master, *descendants(master)}
            master.send_signal(signal.SIGTERM)
            _, left = psutil.wait_procs(family, timeout=3)
            end(left)
