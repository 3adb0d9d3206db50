"""The table of the manual's chapter 1.1, made again: CGI, cgihandler, publisher and handler, one request at a time.

As there, ab asks 10,000 times with a concurrency of 1, on a connection for each request, and the
scripts import a module of the standard library first (``html``: Python has ``cgi`` no more), then
say one word. The servers take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benching.cases import APACHE
from benching.ground import Ground, is_root, prepared
from benching.machine import NotServing, free_port, pinned, started
from benching.measure import fetch, note
from benching.peers import STARTERS, Place, find_program, mod_python_manual
from benching.servers import mpserver_name

#: The rows: how the manual calls it, and its path.
WAYS = (
    ("Standard CGI", "/cgi/hello.py"),
    ("cgihandler", "/cgihandler/hello.py"),
    ("publisher", "/publisher/say.py"),
    ("handler", "/handler/word.py"),
)
RATE = re.compile(r"^Requests per second:\s+([\d.]+)", re.MULTILINE)
FAILED = re.compile(r"^(?:Failed requests|Non-2xx responses):\s+(\d+)", re.MULTILINE)


class Column(NamedTuple):
    """One server, and the ways that it serves."""

    name: str
    port: int
    ways: frozenset[str]


def read_ab(text: str) -> float:
    """Requests a second of ab's report. :raises ValueError: it isn't one, or tells of failures."""
    rate = RATE.search(text)
    failed = sum(int(number) for number in FAILED.findall(text))
    if rate is None or failed:
        raise ValueError(f"ab said: {text.strip()}")
    return float(rate[1])


def ab(url: str, requests: int, core: int) -> float:
    """Run ab. :raises SystemExit: some requests failed."""
    done = subprocess.run(
        [*pinned([core]), "ab", "-q", "-c", "1", "-n", str(requests), url],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return read_ab(done.stdout + done.stderr)
    except ValueError as error:
        raise SystemExit(f"{url}: {error}") from None


@contextlib.contextmanager
def mpserver(kind: str, core: int, ground: Ground) -> Iterator[Column]:
    """mpserver with one worker."""
    port = free_port()
    run, inside = ground.run_folder(f"mpserver-{kind}")
    lines = [
        f'Define SITE "{ground.inside}/site"', f"Define PORT {port}", f'ServerRoot "{inside}"', "PidFile mpserver.pid",
        "ErrorLog error.log", "StartServers 1", "MinSpareServers 1", "MaxSpareServers 1", "MaxRequestWorkers 1",
        f"PythonInterpBackend {kind}", *(["User root"] if is_root() else []), 'Include "${SITE}/manual.conf"',
        'Include "${SITE}/manual-cgi.conf"',
    ]  # fmt: skip
    (run / "httpd.conf").write_text("\n".join(lines) + "\n")
    command = [
        *pinned([core]),
        sys.executable,
        "-m",
        "mpserver",
        "-DFOREGROUND",
        "-f",
        str(run / "httpd.conf"),
    ]
    with started(command, port, run / "console.log"):
        yield Column(mpserver_name(kind), port, served(port))


def apache(core: int, grounds: Sequence[Ground], folders: Sequence[str], stack: contextlib.ExitStack) -> Column | None:
    """Apache with the published mod_python; None where it isn't found or doesn't start."""
    programs, _configure = STARTERS[APACHE]
    for ground in grounds:
        program = find_program(programs, ground, folders)
        if program is None:
            continue
        port = free_port()
        run, inside = ground.run_folder("apache")
        command = mod_python_manual(Place(ground, program, run, inside, port, ""))
        if command is not None:
            words = [*pinned([core]), *ground.words(), *command.words]
            try:
                stack.enter_context(started(words, port, run / "console.log"))
            except NotServing as error:
                note(f"{APACHE} is left out: {error}")
                return None
            return Column(APACHE, port, served(port))
    return None


def served(port: int) -> frozenset[str]:
    """The ways in which a server says the word."""
    found = set()
    for way, path in WAYS:
        try:
            right = fetch(f"http://127.0.0.1:{port}{path}")[1] == b"Hello!\n"
        except OSError as error:
            note(f"{way}: {error}")
            right = False
        if right:
            found.add(way)
    return frozenset(found)


def table(rates: dict[tuple[str, str], float], columns: Sequence[str]) -> str:
    """The figures as Markdown, with how much faster the first of the columns is than each other."""
    lines = ["| | " + " | ".join(columns) + " | times |", "| --- |" + " ---: |" * (len(columns) + 1)]
    for way, _path in WAYS:
        found = [rates.get((way, column)) for column in columns]
        figures = [f"{rate:,.0f}" if rate else "" for rate in found]
        first, *others = found
        times = ", ".join(f"{first / other:.2f}" for other in others if first and other)
        lines.append(f"| {way} | " + " | ".join([*figures, times]) + " |")
    return "\n".join(lines)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools/bench manual", description=__doc__)
    add = parser.add_argument
    add("--requests", type=int, default=10_000)
    add("--rounds", type=int, default=1)
    add("--server-core", type=int, default=0)
    add("--client-core", type=int, default=1)
    add("--kind", default="own" if sys.version_info >= (3, 14) else "process")
    add("--peers-root", default=os.environ.get("MPSERVER_PEERS_ROOT", ""), metavar="FOLDER")
    add("--peers-path", default=os.environ.get("MPSERVER_PEERS_PATH", ""), metavar="FOLDER:...")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Make the table. :returns: 1 if Apache is ahead in a row, for the exit status."""
    options = arguments(words)
    if shutil.which("ab") is None:
        raise SystemExit("tools/bench manual needs ab. On Debian: apt install apache2-utils")
    with contextlib.ExitStack() as stack:
        grounds = [stack.enter_context(prepared())]
        if options.peers_root:
            grounds.append(stack.enter_context(prepared(Path(options.peers_root))))
        columns = [stack.enter_context(mpserver(options.kind, options.server_core, grounds[0]))]
        folders = [folder for folder in options.peers_path.split(":") if folder]
        peer = apache(options.server_core, grounds, folders, stack)
        if peer is None:
            note(f"Not here, so not compared with: {APACHE}")
        else:
            columns.append(peer)
        rates: dict[tuple[str, str], float] = {}
        for way, path in WAYS:
            asked = [column for column in columns if way in column.ways]
            for column in asked:
                ab(f"http://127.0.0.1:{column.port}{path}", min(100, options.requests), options.client_core)
            runs: dict[str, list[float]] = {column.name: [] for column in asked}
            for _ in range(options.rounds):
                for column in asked:
                    url = f"http://127.0.0.1:{column.port}{path}"
                    runs[column.name].append(ab(url, options.requests, options.client_core))
                    note(f"{way}: {column.name} {runs[column.name][-1]:,.0f}/s")
            rates.update({(way, name): statistics.median(of) for name, of in runs.items()})
    names = [column.name for column in columns]
    print(f"\nRequests/s; {options.requests} requests, concurrency 1, a connection each.\n\n{table(rates, names)}")
    behind = [way for way, _ in WAYS if rates.get((way, names[0]), 0) < rates.get((way, APACHE), 0)]
    if behind:
        print(f"\n{APACHE} is ahead: {', '.join(behind)}")
    return 1 if behind else 0
