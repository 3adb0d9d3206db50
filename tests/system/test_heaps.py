"""The heaps of the C library: how many a process gets, and who has the last word."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from mpserver.system import heaps
from support.processes import PROJECT, arenas

#: How many heaps there may be; the first is the program's own.
MOST = max(heaps.HEAPS, len(os.sched_getaffinity(0)))

#: So many threads as are given have something in a heap at a time, and are there until it is closed.
PROGRAM = """
import os, sys, threading
from mpserver.system import heaps

print(heaps.share(os.environ))
number = int(sys.argv[1])
all_have, over = threading.Barrier(number + 1), threading.Event()

def allocate():
    kept = [bytes(5000) for _ in range(100)]
    all_have.wait()
    over.wait()

threads = [threading.Thread(target=allocate) for _ in range(number)]
for thread in threads:
    thread.start()
all_have.wait()
print("ready", flush=True)
sys.stdin.read()
over.set()
"""


@pytest.mark.parametrize(
    ("told", "does", "most"),
    [
        ({}, True, MOST - 1),
        ({"MALLOC_ARENA_MAX": "1"}, False, 0),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}, False, 1),
        ({"MALLOC_TRIM_THRESHOLD_": "1000000"}, True, MOST - 1),
    ],
)
def test_how_many_there_are(told: dict[str, str], does: bool, most: int) -> None:
    """Threads share few heaps, unless the environment tells the library otherwise: then that counts alone."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(MOST + 4)],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **told},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip(), process.stdout.readline().strip()
        assert said == (str(does), "ready")
        found = arenas(process.pid)
    assert found == most


#: What is free lies between blocks that are in use. The memory is printed before it is time, and after that without and
#: with some work, in pages; and how long that was to come.
SCATTERED = """
import os, time
from mpserver.system import heaps

def pages():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

kept = [bytes(20_000) for _ in range(2000)]
last = bytes(20_000)
heaps.WORK = 0.1
giving = heaps.GivingBack(os.environ)
wait = giving.deadline - time.monotonic()
kept[:] = [block for number, block in enumerate(kept) if not number % 20]
before = pages()
giving.expire(time.monotonic())
early = pages()
until = time.process_time() + heaps.WORK
while time.process_time() < until:
    pass
giving.expire(time.monotonic())
print(before, early, pages(), wait)
"""


@pytest.mark.parametrize(("told", "gives"), [({}, True), ({"MALLOC_ARENA_MAX": "8"}, False)])
def test_what_is_free_is_given_back(told: dict[str, str], gives: bool) -> None:
    """By a process that works, unless the environment tells the library what to do."""
    done = subprocess.run(
        [sys.executable, "-c", SCATTERED],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **told},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    before, early, late, wait = map(float, done.stdout.split())
    freed = 25 << 20 >> 12 if gives else 0
    assert abs(before - early) < 100
    assert before - late > freed - 100
    assert gives or abs(before - late) < 100
    assert wait == pytest.approx(heaps.EVERY if gives else float("inf"), abs=5.0)


def unknown(_name: str) -> str:
    """What says of a name that it is none."""
    raise ValueError("unrecognized configuration name")


@pytest.mark.parametrize("confstr", [lambda _name: None, lambda _name: "musl 1.2.5", unknown])
def test_another_library(monkeypatch: pytest.MonkeyPatch, confstr: Callable[[str], str | None]) -> None:
    """Nothing is asked of a library whose numbers may mean something else."""
    asked: list[object] = []
    monkeypatch.setattr(ctypes, "CDLL", asked.append)
    monkeypatch.setattr(os, "confstr", confstr)
    assert not heaps.share({})
    assert heaps.GivingBack({}).deadline == float("inf")
    assert not asked
