"""A real mpserver for a test, started as people start it, with a folder and a port of its own."""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from mpserver.ipc import control_path
from support.processes import alive, descendants, describe, end, session
from support.waiting import PATIENCE, wait_for

#: How a server runs: ``-X``, ``-DFOREGROUND``, or ``-k start``.
Mode = Literal["one", "foreground", "daemon"]

#: The arguments that start each mode.
ARGUMENTS: dict[Mode, tuple[str, ...]] = {
    "one": ("-X",),
    "foreground": ("-DFOREGROUND",),
    "daemon": ("-k", "start"),
}

#: The kinds of interpreters that this Python can have (``own`` by name from 3.12 on).
BACKENDS: tuple[str, ...] = (*(("own",) if sys.version_info >= (3, 12) else ()), "process", "main")

#: The multi-processing modules.
MPMS = ("prefork", "worker")

#: Kinds of interpreters with the MPM that they run in: each kind in both.
EACH_IN_BOTH: tuple[tuple[str, str], ...] = tuple(itertools.product(BACKENDS, MPMS))

#: The same where one kind is enough to see what threads change.
EACH_AND_THREADS: tuple[tuple[str, str], ...] = (*((kind, "prefork") for kind in BACKENDS), (BACKENDS[0], "worker"))

#: What every test's configuration begins with; the test's own text follows.
PRELUDE = """\
ServerRoot "${ROOT}"
PidFile run/mpserver.pid
ErrorLog logs/error.log
LogLevel info
Listen 127.0.0.1:${PORT}
ServerName localhost
DocumentRoot "${WWW}"
TypesConfig mime.types
PythonOption mod_python.mutex_directory ${ROOT}/run
MPM ${MPM}
StartServers ${WORKERS}
<IfModule mpm_prefork_module>
    MinSpareServers 1
    MaxSpareServers ${WORKERS}
    MaxRequestWorkers ${WORKERS}
</IfModule>
<IfModule mpm_worker_module>
    ServerLimit ${WORKERS}
    ThreadLimit ${THREADS}
    ThreadsPerChild ${THREADS}
    MinSpareThreads 1
    MaxSpareThreads 1000000
</IfModule>
PythonInterpBackend ${BACKEND}
<Directory />
    Require all granted
</Directory>
"""

MIME_TYPES = """\
text/html html htm
text/plain txt
text/css css
image/png png
application/octet-stream bin
"""


class Reply(NamedTuple):
    """A response: ``headers`` in their order, names as sent."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def header(self, name: str) -> str | None:
        """The first header of a name, in any case; None without one."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Port:
    """A free TCP port of 127.0.0.1, or of all addresses, chosen by the kernel and kept from others until released.

    A socket that is bound but does not listen holds it: a server may bind it too (SO_REUSEADDR),
    connections are refused until it does, and the kernel gives it to nobody else.
    """

    def __init__(self, *, everywhere: bool = False) -> None:
        dual = everywhere and socket.has_dualstack_ipv6()
        self.holder = socket.socket(socket.AF_INET6 if dual else socket.AF_INET)
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:  # (a client's connection from ::1 would be in the way of who listens at any address)
            self.holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.holder.bind(("::" if dual else "127.0.0.1", 0))
        self.number: int = self.holder.getsockname()[1]

    def release(self) -> None:
        """Give the port back."""
        self.holder.close()


class Server:
    """An mpserver with its configuration, pages, logs and port; use it as a context manager.

    ``mpm``: prefork, or worker with ``threads`` in each interpreter. ``conf`` may use ``${PORT}``,
    ``${ROOT}`` (its folder), ``${WWW}`` (DocumentRoot) and what ``variables`` defines. ``files`` are written
    under ``${WWW}``. ``descriptors``: how many its processes may have open, the soft and the hard limit. ``prefix``: a
    command that becomes the server.
    """

    def __init__(
        self,
        root: Path,
        conf: str,
        files: Mapping[str, str | bytes] | None = None,
        *,
        mode: Mode = "one",
        backend: str = "auto",
        workers: int = 1,
        mpm: str = "prefork",
        threads: int = 8,
        variables: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        descriptors: tuple[int, int] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.root, self.mode, self.backend, self.arguments = root, mode, backend, tuple(arguments)
        self.descriptors, self.prefix = descriptors, tuple(prefix)
        self.www = root / "www"
        self.logs = root / "logs"
        self.pid_file = root / "run" / "mpserver.pid"
        self.conf = root / "httpd.conf"
        self.reserved = Port()
        self.port = self.reserved.number
        self.process: subprocess.Popen[bytes] | None = None
        self.master: psutil.Process | None = None
        for folder in (self.www, self.logs, self.pid_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        (root / "mime.types").write_text(MIME_TYPES)
        for name, content in (files or {}).items():
            self.write(name, content)
        defines = {
            "ROOT": str(root),
            "WWW": str(self.www),
            "PORT": str(self.port),
            "WORKERS": str(workers),
            "MPM": mpm,
            "THREADS": str(threads),
            "BACKEND": backend,
            **(variables or {}),
        }
        lines = [f'Define {name} "{value}"' for name, value in defines.items()]
        if os.geteuid() == 0:
            lines.append("User root")
        self.conf.write_text("\n".join(lines) + "\n" + PRELUDE + conf)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file under DocumentRoot; what begins as a script can be executed."""
        data = content.encode() if isinstance(content, str) else content
        path = self.www / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if data.startswith(b"#!"):
            path.chmod(0o755)
        return path

    # -- its life

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``mpserver`` with this server's configuration to its end, its output captured."""
        done = subprocess.run(
            [sys.executable, "-m", "mpserver", "-f", str(self.conf), *self.arguments, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        said = f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}{self.log()}"
        assert not check or done.returncode == 0, said
        return done

    def start(self) -> None:
        """Start it and wait until it takes connections; AssertionError with its output if it doesn't."""
        if self.mode == "daemon":
            # its output goes to a file: a daemon that kept a pipe open would hold the test up
            self._launch(*ARGUMENTS["daemon"])
            assert self.process is not None
            assert self.process.wait(PATIENCE) == 0, f"-k start failed\n{self.said()}"
            self.process = None
            self.master = psutil.Process(wait_for(self._written_pid, f"a pid in {self.pid_file}"))
        else:
            self.launch()
        wait_for(self.listens, "the server to listen")
        if self.mode != "one":  # it listens for clients a moment before it does for commands
            commands = control_path.path(str(self.pid_file))
            wait_for(lambda: os.path.exists(commands), f"the control socket {commands}")

    def launch(self) -> None:
        """Start it in the foreground, and wait for nothing."""
        self._launch(*ARGUMENTS[self.mode])
        assert self.process is not None
        self.master = psutil.Process(self.process.pid)

    def _launch(self, *arguments: str) -> None:
        limits = self.descriptors
        with (self.root / "console.txt").open("ab") as console:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "mpserver", "-f", str(self.conf), *self.arguments, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if limits is None else lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
            )

    def _written_pid(self) -> int:
        try:
            return int(self.pid_file.read_text())
        except (OSError, ValueError):
            return 0

    def listens(self) -> bool:
        """Whether it takes connections; AssertionError if it has ended instead."""
        assert self.master is not None
        there = alive(self.master) if self.process is None else self.process.poll() is None
        assert there, f"the server ended\n{self.said()}"
        return listens(self.port)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        assert self.master is not None
        self.master.send_signal(number)

    def workers(self) -> list[psutil.Process]:
        """The live workers, by their titles."""
        assert self.master is not None
        return [p for p in descendants(self.master) if describe(p).partition(" ")[2].startswith("mpserver: worker")]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it by a signal and wait for its end; AssertionError if a process of it stays."""
        if self.master is None:
            return
        master, self.master = self.master, None
        family = {master, *descendants(master), *session(master)}
        with contextlib.suppress(psutil.NoSuchProcess):
            master.send_signal(how)
        gone, left = psutil.wait_procs(family, timeout=PATIENCE)
        if self.process is not None:
            self.process.wait(PATIENCE)
            self.process = None
        names = [describe(process) for process in left]
        end(left)
        assert not left, f"still there after {how.name}: {names} ({len(gone)} ended)\n{self.log()}"

    def close(self) -> None:
        """Stop it, if it runs, and give its port back."""
        try:
            self.stop()
        finally:
            if self.process is not None:
                end({psutil.Process(self.process.pid), *descendants(psutil.Process(self.process.pid))})
                self.process.wait(PATIENCE)
                self.process = None
            self.reserved.release()

    # -- what it says

    def log(self, name: str = "error.log") -> str:
        """The text of one of its logs; empty if there is none yet."""
        path = self.logs / name
        return path.read_text(errors="replace") if path.exists() else ""

    def said(self) -> str:
        """Everything it wrote: to the terminal and to the error log."""
        console = self.root / "console.txt"
        return (console.read_text(errors="replace") if console.exists() else "") + self.log()

    def wait_for_log(self, text: str, name: str = "error.log") -> str:
        """Wait until a log has a text, and return that log."""
        wait_for(lambda: text in self.log(name), f"{text!r} in {name}:\n{self.log(name)}")
        return self.log(name)

    # -- talking to it

    @contextlib.contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection for several requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            yield connection
        finally:
            connection.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        host: str | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own; ``auth`` is a user and password for Basic."""
        sent = {"Connection": "close", **(headers or {})}
        if host is not None:
            sent["Host"] = host
        if auth is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        with self.connection() as connection:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, response.reason, response.getheaders(), response.read())

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        host: str | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Reply:
        """One GET on a connection of its own."""
        return self.request("GET", path, None, headers, host=host, auth=auth)

    @contextlib.contextmanager
    def dial(self) -> Iterator[socket.socket]:
        """A bare connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
            yield sock

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are, and return all that comes until the server closes."""
        with self.dial() as sock:
            sock.sendall(data)
            return receive_all(sock)


def listens(port: int) -> bool:
    """Whether somebody listens at a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(PATIENCE)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def receive_all(sock: socket.socket) -> bytes:
    """What a socket receives until the other side closes."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


def receive_until(sock: socket.socket, text: bytes) -> bytes:
    """What a socket receives until a text has come; AssertionError if the other side closes before."""
    got = b""
    while text not in got:
        part = sock.recv(65536)
        assert part, got
        got += part
    return got
