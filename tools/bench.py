"""Measures mpserver beside its peers on one core, with wrk on another; prints a Markdown table.

mpserver runs with one worker. The peers, where they answer on their ports, should be pinned to
the same core by whoever started them. Every case warms up, then the servers take turns in each
round, so that a busy minute of the machine meets all of them; the medians of the rounds are told.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).resolve().parent
SITE = TOOLS / "bench_site"
MEGABYTE = 1_000_000

#: The peers' ports unless told otherwise.
PORTS = {
    "Apache mod_python": 8101,
    "Apache mod_wsgi": 8102,
    "gunicorn": 8103,
    "granian": 8104,
    "uWSGI": 8105,
    "nginx": 8106,
}

BARE = "bare loop"
APACHE = "Apache mod_python"
GRANIAN = "granian"


class Case(NamedTuple):
    """One thing to measure: the path at mpserver, the bytes of the answer, and each peer's path."""

    name: str
    path: str
    size: int
    peers: dict[str, str]


_WSGI = {"Apache mod_wsgi": "/w", "gunicorn": "/", GRANIAN: "/", "uWSGI": "/"}

CASES = (
    Case("handler hello", "/whole", 12, {BARE: "/", APACHE: "/h", **_WSGI, "nginx": "/r"}),
    Case("handler hello, flushed", "/h", 12, {APACHE: "/h", GRANIAN: "/"}),
    Case("publisher hello", "/pub/say.py/say", 19, {APACHE: "/pub/say.py/say", GRANIAN: "/"}),
    Case("static 13 B", "/static/hello.txt", 13, {APACHE: "/static/hello.txt", "nginx": "/static/hello.txt"}),
    Case("static 1 MB", "/static/1m.bin", MEGABYTE, {APACHE: "/static/1m.bin", "nginx": "/static/1m.bin"}),
)


class Target(NamedTuple):
    """One server in one case; ``size``: the bytes it must answer with, None for what a peer says."""

    case: str
    server: str
    url: str
    size: int | None


class Run(NamedTuple):
    """One run of wrk: requests a second, the 99th percentile in ms, and what went wrong."""

    rate: float
    p99: float
    errors: int


#: wrk's units of time, in milliseconds.
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def wrk(url: str, seconds: float, core: int, connections: int) -> Run:
    """Run wrk pinned to a core."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    text = subprocess.run([*command, "--latency", url], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)([a-z]+)", text)
    if rate is None or p99 is None:
        raise SystemExit(f"wrk said something unexpected about {url}:\n{text}")
    broken = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = sum(map(int, broken.groups())) if broken else 0
    errors += int(refused[1]) if refused else 0
    return Run(float(rate[1]), float(p99[1]) * UNITS[p99[2]], errors)


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(target: Target) -> str | None:
    """What is wrong with a target's answer: None if it has the status and size that it should."""
    try:
        with urllib.request.urlopen(target.url, timeout=20) as response:
            body = response.read()
    except OSError as error:
        return str(error)
    if target.size is not None and len(body) != target.size:
        return f"{len(body)} bytes instead of {target.size}"
    return None


@contextlib.contextmanager
def started(command: list[str], port: int, log: Path) -> Iterator[None]:
    """Run a server in a session of its own while the block lasts, from when it listens."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 30
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} does not serve:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def mpserver(kind: str, core: int, folder: Path) -> Iterator[int]:
    """mpserver with one worker on a core; gives its port."""
    port = free_port()
    run = folder / kind
    static = run / "static"
    static.mkdir(parents=True)
    (static / "hello.txt").write_text("Hello World!\n")
    (static / "1m.bin").write_bytes(bytes(MEGABYTE))
    before = [f'Define RUN "{run}"', f'Define SITE "{SITE}"', f"Define PORT {port}", f"Define BACKEND {kind}"]
    if os.geteuid() == 0:
        before.append("User root")
    command = ["taskset", "-c", str(core), sys.executable, "-m", "mpserver", "-DFOREGROUND"]
    for directive in before:
        command += ["-C", directive]
    with started([*command, "-f", str(SITE / "httpd.conf")], port, run / "console.log"):
        yield port


@contextlib.contextmanager
def bare_road(core: int, folder: Path) -> Iterator[int]:
    """The bare loop on a core; gives its port."""
    port = free_port()
    command = ["taskset", "-c", str(core), sys.executable, str(TOOLS / "bare_road.py"), str(port)]
    with started(command, port, folder / "bare.log"):
        yield port


def measure(targets: list[Target], options: argparse.Namespace) -> dict[Target, Run]:
    """Warm all up, then let them take turns; the medians."""
    runs: dict[Target, list[Run]] = {target: [] for target in targets}
    for case in dict.fromkeys(target.case for target in targets):
        these = [target for target in targets if target.case == case]
        for target in these:
            wrk(target.url, options.warm_up, options.client_core, options.connections)
        for number in range(options.rounds):
            for target in these:
                run = wrk(target.url, options.seconds, options.client_core, options.connections)
                runs[target].append(run)
                note = f"{case}, round {number + 1}: {target.server} {run.rate:,.0f}/s"
                print(note, file=sys.stderr, flush=True)
    return {
        target: Run(
            statistics.median(run.rate for run in of),
            statistics.median(run.p99 for run in of),
            sum(run.errors for run in of),
        )
        for target, of in runs.items()
    }


def table(results: dict[Target, Run]) -> str:
    """The results as Markdown; ratios are requests/s over the peer's in the same case."""
    rates = {(target.case, target.server): run.rate for target, run in results.items()}
    lines = [
        f"| case | server | requests/s | p99 ms | x {APACHE} | x {GRANIAN} |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for target, run in results.items():
        ratios = []
        for peer in (APACHE, GRANIAN):
            of = rates.get((target.case, peer))
            ratios.append(f"{run.rate / of:.2f}" if of else "")
        rate = f"{run.rate:,.0f}" + (f" ({run.errors} errors)" if run.errors else "")
        lines.append(f"| {target.case} | {target.server} | {rate} | {run.p99:.2f} | {ratios[0]} | {ratios[1]} |")
    return "\n".join(lines)


def peers_from(text: str) -> dict[str, int]:
    """Ports from ``granian=8104,nginx=8106``, over the defaults; port 0 leaves a peer out."""
    ports = dict(PORTS)
    for entry in filter(None, text.split(",")):
        name, equals, port = entry.partition("=")
        known = {peer.lower().replace(" ", "-"): peer for peer in PORTS}
        if not equals or name.lower().replace(" ", "-") not in known or not port.isdigit():
            raise SystemExit(f"--peers takes NAME=PORT,...; the names are {', '.join(known)}")
        ports[known[name.lower().replace(" ", "-")]] = int(port)
    return ports


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: a glance, not a measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each run (default 3)")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds before the first round (default 2)")
    parser.add_argument("--connections", type=int, default=16, help="keep-alive connections (default 16)")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--kinds", default="own" if sys.version_info >= (3, 14) else "process", metavar="KIND,...")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the cases with TEXT in their name")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument(
        "--peers",
        default=os.environ.get("MPSERVER_PEERS", ""),
        metavar="NAME=PORT,...",
        help="other ports for the peers (also in the environment: MPSERVER_PEERS)",
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.warm_up = 1, 1, 1
    if not {options.server_core, options.client_core} <= os.sched_getaffinity(0):
        parser.error("it needs two cores, one for the servers and one for wrk: --server-core, --client-core")
    return options


def main() -> None:
    """Start, check, measure, tell."""
    options = arguments()
    ports = {} if options.no_peers else peers_from(options.peers)
    up = {name: port for name, port in ports.items() if port and answers(port)}
    cases = [case for case in CASES if options.only.lower() in case.name]
    with tempfile.TemporaryDirectory(prefix="mpserver-bench-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)
        own = {
            f"mpserver ({kind})": running.enter_context(mpserver(kind, options.server_core, folder))
            for kind in options.kinds.split(",")
        }
        up[BARE] = running.enter_context(bare_road(options.server_core, folder))
        targets = []
        for case in cases:
            places: list[tuple[str, int, str, int | None]]
            places = [(name, port, case.path, case.size) for name, port in own.items()]
            places += [(name, up[name], path, None) for name, path in case.peers.items() if name in up]
            for server, port, path, size in places:
                target = Target(case.name, server, f"http://127.0.0.1:{port}{path}", size)
                wrong = check(target)
                if wrong is not None:
                    print(f"{case.name}: {server} is left out: {wrong}", file=sys.stderr)
                else:
                    targets.append(target)
        absent = sorted(set(ports) - set(up))
        if absent:
            print(f"Not running, so not compared with: {', '.join(absent)}", file=sys.stderr)
        results = measure(targets, options)
    print(f"\nPython {sys.version.split()[0]}, {options.connections} connections, {options.rounds} rounds of")
    print(f"{options.seconds:g} s, one core for the server; medians.\n")
    print(table(results))


if __name__ == "__main__":
    main()
