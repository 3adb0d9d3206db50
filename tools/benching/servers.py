"""mpserver and the bare road, as the bench runs them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benching.cases import BARE, Setup
from benching.ground import TOOLS, Ground, is_root
from benching.machine import Family, free_port, pinned, started

#: The format of the access log, as most sites have it.
COMBINED = r'"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""'


class Server(NamedTuple):
    """A server that runs; ``given``: the bench did not start it; ``folder``: for what belongs to its load."""

    name: str
    port: int
    family: Family
    folder: Path
    given: bool = False
    scheme: str = "http"


def mpserver_name(kind: str) -> str:
    """How mpserver is called in the results."""
    return f"mpserver ({kind})"


def _hosts(setup: Setup) -> str:
    """The virtual hosts of a setup."""
    if not setup.hosts:
        return ""
    lines = [] if setup.own_interpreters else ["PythonInterpreter shared"]
    for number in range(setup.hosts):
        lines += ["<VirtualHost *>", f"ServerName h{number}.test", "</VirtualHost>"]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def mpserver(kind: str, setup: Setup, cores: Sequence[int], ground: Ground) -> Iterator[Server]:
    """mpserver on some cores, with one worker unless the setup says otherwise."""
    port = free_port()
    run, inside = ground.run_folder(f"mpserver-{kind}-{port}")
    (run / "state").mkdir()
    (run / "hosts").write_text("".join(f"h{number}.test\n" for number in range(setup.hosts)))
    define = {
        "RUN": inside, "SITE": f"{ground.inside}/site", "LIB": f"{ground.inside}/lib", "STATE": f"{inside}/state",
        "PORT": str(port), "BACKEND": kind, "WORKERS": str(setup.workers),
    }  # fmt: skip
    lines = [f'Define {name} "{value}"' for name, value in define.items()]
    if is_root():
        lines.append("User root")
    lines.append('Include "${SITE}/mpserver.conf"')
    if setup.log:
        lines += [f"LogFormat {COMBINED} combined", "CustomLog access.log combined"]
    if setup.most:
        lines.append(f"PythonInterpMax {setup.most}")
    if setup.imports:
        lines.append(f"PythonImport {setup.imports} localhost")
    if setup.conf:
        lines.append(f'Include "${{SITE}}/modules/{setup.conf}.conf"')
    (run / "httpd.conf").write_text("\n".join(lines) + "\n" + _hosts(setup))
    command = [
        *pinned(cores),
        sys.executable,
        "-m",
        "mpserver",
        "-DFOREGROUND",
        "-f",
        str(run / "httpd.conf"),
    ]
    with started(command, port, run / "console.log") as family:
        yield Server(mpserver_name(kind), port, family, run, scheme=setup.scheme)


@contextlib.contextmanager
def bare_road(cores: Sequence[int], ground: Ground) -> Iterator[Server]:
    """The bare loop."""
    port = free_port()
    run, _inside = ground.run_folder(f"bare-{port}")
    command = [*pinned(cores), sys.executable, str(TOOLS / "bare_road.py"), str(port)]
    with started(command, port, run / "console.log") as family:
        yield Server(BARE, port, family, run)


@contextlib.contextmanager
def idle_connections(server: Server, path: str, count: int) -> Iterator[None]:
    """Connections that had one answer each and wait, while the block lasts. :raises SystemExit: not all were served."""
    command = [sys.executable, str(TOOLS / "benching" / "idle.py"), str(server.port), path, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            if process.stdout.readline() != b"ready\n":
                raise SystemExit(f"{server.name} did not serve {count} connections")
            yield
        finally:
            process.stdin.close()
            process.wait()
