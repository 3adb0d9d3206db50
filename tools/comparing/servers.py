"""The two servers, each with its copy of the site."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).resolve().parent.parent
#: All files of the site get this time, so that both servers tell the same of them.
MTIME = 1_700_000_000
PATIENCE = 60.0


class Ground(NamedTuple):
    """What both serve: a folder, whose ``www`` and ``lib`` and single files they get; the configuration; the modules.

    ``behind``: the ports of servers behind both, by the names that the configuration has for them. ``files``: more of
    these.
    """

    folder: Path
    conf: str
    modules: tuple[str, ...]
    behind: Mapping[str, int] = {}
    files: Mapping[str, bytes] = {}


SITE = TOOLS / "compare_site"
#: Applications of mod_python.
APPLICATIONS = Ground(
    SITE,
    (SITE / "site.conf").read_text(),
    (
        "authn_core", "authz_core", "authz_user", "mime", "dir", "alias", "filter", "include", "negotiation", "python",
    ),
)  # fmt: skip


class Peer(NamedTuple):
    """A server that runs: its port, its folder as we see it, and as the server itself does."""

    name: str
    port: int
    folder: Path
    inside: str
    #: The ports of servers behind it, by their names.
    behind: Mapping[str, int] = {}

    def trace(self) -> str:
        """What the handlers wrote down, one line each: the case, a bar, the text."""
        path = self.folder / "trace" / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self) -> str:
        """The error log."""
        path = self.folder / "logs" / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def lay_out(folder: Path, ground: Ground) -> None:
    """Copy the site, with equal times and rights."""
    for name in ("www", "lib"):
        shutil.rmtree(folder / name, ignore_errors=True)
        if (ground.folder / name).exists():
            shutil.copytree(ground.folder / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ground.folder.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
    for name, content in ground.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for name in ("run", "logs", "trace"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    for path in (folder / "www").rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".sh" else 0o644)
        os.utime(path, (MTIME, MTIME))
    for path in (folder / "run", folder / "logs", folder / "trace"):
        path.chmod(0o777)
    if (late := folder / "www" / "late.txt").exists():
        os.utime(late, (4_000_000_000, 4_000_000_000))


def configure(folder: Path, inside: str, port: int, prelude: str, ground: Ground) -> Path:
    """Write the server's configuration: definitions, what only it needs, the site's."""
    conf = folder / "httpd.conf"
    prelude += "\n" * (24 - prelude.count("\n"))  # the site's lines have equal numbers then
    defined = "".join(f"Define {name} {number}\n" for name, number in ground.behind.items())
    conf.write_text(f'Define ROOT "{inside}"\nDefine PORT {port}\n{prelude}\n{defined}{ground.conf}')
    return conf


#: What Apache needs beside the site's configuration.
APACHE = """\
ServerRoot ${ROOT}
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
{loads}
StartServers 4
MinSpareServers 4
MaxSpareServers 4
MaxRequestWorkers 4
"""
MPSERVER = """\
ServerRoot ${ROOT}
StartServers 1
MinSpareServers 1
MaxSpareServers 1
MaxRequestWorkers 1
"""


@contextlib.contextmanager
def apache(
    command: str, folder: Path, inside: str, modules: str, user: str, group: str, ground: Ground
) -> Iterator[Peer]:
    """Apache with its modules, started by a command in which ``{conf}`` is the configuration's path."""
    folder.mkdir(parents=True, exist_ok=True)
    lay_out(folder, ground)
    port = free_port()
    loads = "\n".join(f"LoadModule {name}_module {{modules}}/mod_{name}.so" for name in ground.modules)
    prelude = APACHE.replace("{loads}", loads).replace("{modules}", modules)
    if os.geteuid() == 0:
        prelude += f"User {user}\nGroup {group}\n"
    configure(folder, inside, port, prelude, ground)
    with _running(shlex.split(command.replace("{conf}", f"{inside}/httpd.conf")), folder, port):
        yield Peer("apache", port, folder, inside, ground.behind)


@contextlib.contextmanager
def mpserver(python: str, backend: str, ground: Ground) -> Iterator[Peer]:
    """This server."""
    loads = "".join(f"LoadModule {name}_module modules/mod_{name}.so\n" for name in ground.modules)
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        lay_out(folder, ground)
        port = free_port()
        prelude = (
            MPSERVER
            + (loads if ground.folder != SITE else "")
            + f"PythonInterpBackend {backend}\n"
            + ("User root\n" if os.geteuid() == 0 else "")
        )
        conf = configure(folder, name, port, prelude, ground)
        command = [python, "-m", "mpserver", "-DFOREGROUND", "-f", str(conf)]
        with _running(command, folder, port):
            yield Peer("mpserver", port, folder, name, ground.behind)


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "logs" / "console").open("wb") as console:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, cwd=TOOLS.parent,
            start_new_session=True, env={**os.environ, "TOLD": "by the starter"},
        )  # fmt: skip
    pid_file = folder / "run" / "httpd.pid"
    try:
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "logs" / "console").read_text(errors="replace")
                raise SystemExit(f"{shlex.join(command)} does not serve:\n{said}")
            time.sleep(0.05)
        yield
    finally:
        if pid_file.exists():
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
        else:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
