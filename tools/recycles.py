"""Recycle an interpreter many times under load, and tell what that costs; see `tools/recycles`."""

from __future__ import annotations

import argparse
import contextlib
import platform
import sys
import tempfile
import time
from pathlib import Path

import psutil

from mpserver.cli import status
from support.load import load
from support.server import Server

CONF = """
PythonInterpRecycleLimit 0
<Location />
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
"""

APP = """
import json
from mod_python import apache

PAGES = {number: "page %d" % number for number in range(2000)}  # what an application may hold


def handler(req):
    req.content_type = "text/plain"
    req.write(PAGES[7], 0)
    return apache.OK
"""


def resident(server: Server) -> int:
    """The resident memory of master, workers, zygotes and process interpreters, in KiB."""
    from support.processes import descendants

    assert server.master is not None
    total = 0
    for process in {server.master, *descendants(server.master)}:
        with contextlib.suppress(psutil.NoSuchProcess):  # (one that was replaced may end this moment)
            total += process.memory_info().rss
    return total // 1024


def run(kind: str, count: int, clients: int) -> bool:
    """Print what happened. :returns: whether no request failed."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), CONF, {"app.py": APP}, mode="foreground", backend=kind)
        with server:
            with load(server, "/", clients=clients, keep_alive=True) as state:
                began, marks = time.monotonic(), []
                for number in range(count):
                    if number % max(count // 10, 1) == 0:
                        marks.append((number, resident(server)))
                        print(f"{number} recycles, {state.done} requests, {len(state.failures)} failed, "
                              f"{marks[-1][1]} KiB resident", flush=True)  # fmt: skip
                    *_said, last = status.ask(str(server.pid_file), {"command": "recycle", "name": "localhost"}, 120)
                    if last["why"] or last["count"] != 1:
                        print(f"recycling {number} failed: {last}")
                        return False
                seconds = time.monotonic() - began
                state.more()
                time.sleep(1)
                marks.append((count, resident(server)))
            first = next((mark for mark in marks if mark[0] >= count // 10), marks[0])
            growth = (marks[-1][1] - first[1]) / max(marks[-1][0] - first[0], 1)
            print(f"Python {platform.python_version()}, kind {kind}: {count} recycles in {seconds:.0f} s")
            print(f"requests answered: {state.done}, failed: {len(state.failures)} {state.failures[:3]}")
            print(f"growth after the first tenth: {growth:.1f} KiB for each recycle")
            return not state.failures


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("own", "process"), default="own")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--clients", type=int, default=2)
    asked = parser.parse_args()
    return 0 if run(asked.kind, asked.count, asked.clients) else 1


if __name__ == "__main__":
    sys.exit(main())
