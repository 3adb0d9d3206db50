"""The servers: mpserver, Apache, nginx before gunicorn, gunicorn and granian, each with the same application."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
from benching.ground import PEERS, Ground, is_root
from benching.machine import answers, free_port
from benching.peers import MODULES, Place, find_program

#: Seconds until a server listens at most.
PATIENCE = 20.0
#: What Apache loads beside its MPM.
_APACHE = ("authz_core", "mime", "alias", "reqtimeout", "wsgi")


class Wish(NamedTuple):
    """How a server is to run: paths are as it sees them, empty for files in its folder; ``port`` 0: any."""

    tls: bool = False
    error_log: str = ""
    access_log: str = ""
    pid_file: str = ""
    port: int = 0
    #: The limit of descriptors, 0 for the machine's.
    descriptors: int = 0
    #: The core that it has, None for all.
    core: int | None = None


class Kind(NamedTuple):
    """A server: what it is called, names of its program (none: mpserver), and what commands start it in its place."""

    name: str
    programs: tuple[str, ...]
    commands: Callable[[Place, Wish], list[list[str]] | None]
    #: How its workers' command lines begin, and which signal restarts it gracefully.
    worker: str = ""
    graceful: signal.Signals = signal.SIGUSR1
    graceful_stop: signal.Signals = signal.SIGWINCH
    #: The program that it needs beside its own.
    beside: tuple[str, ...] = ()


def _defined(place: Place, wish: Wish, more: str) -> None:
    """Write a configuration for what reads httpd's."""
    values = {
        "RUN": place.inside, "SITE": f"{place.ground.inside}/site", "PORT": str(place.port),
        "ERROR_LOG": wish.error_log or f"{place.inside}/error.log",
        "ACCESS_LOG": wish.access_log or f"{place.inside}/access.log",
        "PID_FILE": wish.pid_file or f"{place.inside}/server.pid",
    }  # fmt: skip
    lines = [f'Define {name} "{value}"' for name, value in values.items()]
    if wish.tls:
        lines.append("Define TLS")
    text = "\n".join([*lines, more, (PEERS / "bearing.conf").read_text()])
    (place.run / "httpd.conf").write_text(text)


def _mpserver(backend: str, mpm: str) -> Callable[[Place, Wish], list[list[str]] | None]:
    def commands(place: Place, wish: Wish) -> list[list[str]]:
        user = "User root\n" if is_root() else ""
        _defined(place, wish, f"MPM {mpm}\nPythonInterpBackend {backend}\n{user}")
        return [[sys.executable, "-m", "mpserver", "-DFOREGROUND", "-f", f"{place.inside}/httpd.conf"]]

    return commands


def _apache(mpm: str) -> Callable[[Place, Wish], list[list[str]] | None]:
    def commands(place: Place, wish: Wish) -> list[list[str]] | None:
        root = place.ground.root or Path("/")
        folder = next((folder for folder in MODULES if (root / folder / "mod_wsgi.so").exists()), None)
        if folder is None:
            return None
        names = (f"mpm_{mpm}", *_APACHE, *(("ssl",) if wish.tls else ()))
        lines = [f'LoadModule {name}_module "/{folder}/mod_{name}.so"' for name in names]
        lines.append(f'Mutex "fcntl:{place.inside}"')
        if is_root():
            lines += [f"User {place.user()[0]}", f"Group {place.user()[1]}"]
        _defined(place, wish, "\n".join(lines))
        return [[place.program, "-DFOREGROUND", "-f", f"{place.inside}/httpd.conf"]]

    return commands


def _gunicorn(place: Place, wish: Wish) -> list[list[str]]:
    return [[
        place.program, "--bind", f"127.0.0.1:{place.port}", "--workers", "2", "--worker-class", "gthread",
        "--threads", "4", "--pid", wish.pid_file or f"{place.inside}/server.pid", "--chdir", place.handlers,
        "--access-logfile", wish.access_log or f"{place.inside}/access.log",
        "--error-logfile", wish.error_log or f"{place.inside}/error.log", "wsgi_body",
    ]]  # fmt: skip


def _behind_nginx(place: Place, wish: Wish) -> list[list[str]]:
    """Nginx first: it is asked."""
    behind = free_port()
    nginx = find_program(("nginx",), place.ground, ())
    folder = f"{place.ground.inside}/site/modules"
    values = {
        "RUN": place.inside, "SITE": f"{place.ground.inside}/site", "PORT": str(place.port), "BEHIND": str(behind),
        "USER_LINE": "user {} {};".format(*place.user()) if is_root() else "", "LISTEN": "ssl" if wish.tls else "",
        "CERTIFICATE": (
            f'ssl_certificate "{folder}/cert.pem"; ssl_certificate_key "{folder}/key.pem";' if wish.tls else ""
        ),
    }  # fmt: skip
    text = (PEERS / "front.conf").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (place.run / "nginx.conf").write_text(text)
    front = [nginx or "nginx", "-p", place.inside, "-c", f"{place.inside}/nginx.conf"]
    return [front, *_gunicorn(place._replace(port=behind), wish)]


def _granian(place: Place, wish: Wish) -> list[list[str]]:
    folder = f"{place.ground.inside}/site/modules"
    tls = ["--ssl-certificate", f"{folder}/cert.pem", "--ssl-keyfile", f"{folder}/key.pem"] if wish.tls else []
    return [[
        place.program, "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(place.port), "--workers", "2",
        "--blocking-threads", "4", "--access-log", "--static-path-mount", f"{place.ground.inside}/site/static",
        "--working-dir", place.handlers, *tls, "wsgi_body:application",
    ]]  # fmt: skip


_HTTPD = ("apache2", "httpd")
OWN = Kind("mpserver (own, prefork)", (), _mpserver("own", "prefork"), "mpserver: worker")
PREFORK = Kind("Apache prefork", _HTTPD, _apache("prefork"))
GUNICORN = Kind("gunicorn", ("gunicorn",), _gunicorn, graceful=signal.SIGHUP, graceful_stop=signal.SIGTERM)
KINDS = (
    OWN,
    Kind("mpserver (own, worker)", (), _mpserver("own", "worker"), "mpserver: worker"),
    Kind("mpserver (process, prefork)", (), _mpserver("process", "prefork"), "mpserver: worker"),
    PREFORK,
    Kind("Apache worker", _HTTPD, _apache("worker")),
    Kind("Apache event", _HTTPD, _apache("event")),
    Kind("nginx with gunicorn", ("gunicorn",), _behind_nginx, beside=("nginx",)),
    Kind("granian", ("granian",), _granian),
)


class Running:
    """A server that was started; its processes are those of the sessions of what was started first."""

    def __init__(self, kind: Kind, place: Place) -> None:
        self.kind, self.port, self.run, self.inside = kind, place.port, place.run, place.inside
        self.masters: list[subprocess.Popen[bytes]] = []

    @property
    def master(self) -> subprocess.Popen[bytes]:
        """What was started first."""
        return self.masters[0]

    def processes(self) -> list[psutil.Process]:
        """All that run now, zombies left out."""
        sessions = {process.pid for process in self.masters}
        return [process for process in psutil.process_iter() if _session(process.pid) in sessions and _runs(process)]

    def workers(self) -> list[psutil.Process]:
        """Those that serve."""
        masters = {process.pid for process in self.masters}
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.pid not in masters and " ".join(process.cmdline()).startswith(self.kind.worker):
                    found.append(process)
        return found

    def said(self) -> str:
        """What it wrote to its console and its error log."""
        files = (self.run / "console.log", self.run / "error.log")
        return "".join(path.read_text(errors="replace") for path in files if path.exists())


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def placed(kind: Kind, grounds: Sequence[Ground], folders: Sequence[str], port: int = 0) -> Place | None:
    """Where a server can run; None where a program of it is not found."""
    if not kind.programs:
        run, inside = grounds[0].run_folder(f"mpserver-{time.monotonic_ns()}")
        return Place(grounds[0], "", run, inside, port or free_port(), "")
    for ground in grounds:
        program = find_program(kind.programs, ground, folders)
        if program is not None and all(find_program((name,), ground, folders) for name in kind.beside):
            run, inside = ground.run_folder(f"{kind.programs[0]}-{time.monotonic_ns()}")
            return Place(ground, program, run, inside, port or free_port(), "")
    return None


@contextlib.contextmanager
def launched(kind: Kind, place: Place, wish: Wish) -> Iterator[Running]:
    """Start a server, listening or not; all of it is gone after the block.

    :raises SystemExit: a part of it is missing
    """
    running = Running(kind, place)
    commands = kind.commands(place, wish)
    if commands is None:
        raise SystemExit(f"{kind.name} lacks a part")
    console = (place.run / "console.log").open("ab")

    def limited() -> None:
        if wish.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wish.descriptors, wish.descriptors))
        if wish.core is not None:
            os.sched_setaffinity(0, [wish.core])

    try:
        with console:
            for words in commands:
                running.masters.append(
                    subprocess.Popen(
                        [*place.ground.words(), *words], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                        start_new_session=True, preexec_fn=limited, env={**os.environ, "PYTHONPATH": _path(kind)},
                    )
                )  # fmt: skip
        yield running
    finally:
        alive = [process for process in running.masters if process.poll() is None]
        for process in alive:
            process.terminate()
        until(lambda: not running.processes(), 3 if alive else 0)
        for left in running.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        for process in running.masters:
            process.wait()
        until(lambda: not running.processes(), 3)


def _path(kind: Kind) -> str:
    """Where Python finds more: our own sources are for us alone."""
    return os.environ.get("PYTHONPATH", "") if not kind.programs else ""


def until(true: Callable[[], object], seconds: float) -> float | None:
    """Wait until something is true. :returns: after how many seconds it was; None if it did not come."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            return None
        time.sleep(0.02)
    return time.monotonic() - begun


def listens(running: Running, seconds: float = PATIENCE) -> bool:
    """Wait until a server listens, or has ended."""
    until(lambda: answers(running.port) or running.master.poll() is not None, seconds)
    return running.master.poll() is None and answers(running.port)
