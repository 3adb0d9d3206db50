"""Processes that a test starts: all of them are found again and end with it.

A daemon leaves its parent's session and process group, so these don't tell whose it is. The test
process asks the kernel to become the parent of its orphaned descendants instead; then a daemon and
its workers stay in the tree under it, whatever they do.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

PR_SET_CHILD_SUBREAPER = 36

#: The addresses that glibc takes for a heap of a thread, in bytes; it begins at a multiple of that.
HEAP = 64 << 20

#: What the kernel says of a process, thread or descriptor that ends while it is looked at.
GONE = (FileNotFoundError, ProcessLookupError)

#: Where the package is found.
PROJECT = Path(__file__).parent.parent.parent


def adopt_orphans() -> None:
    """Make this process the parent of every orphan among its descendants (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class Row(NamedTuple):
    """What the kernel says of a process: its state, a letter, and the numbers of its parent and its session."""

    state: str
    parent: int
    session: int


def _table() -> dict[int, Row]:
    """All processes by their numbers, in one look: each test looks several times, and other tests need the machine."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(*GONE), open(f"/proc/{name}/stat", "rb") as file:
                state, parent, _group, of, *_ = file.read().rpartition(b")")[2].split(None, 4)
                found[int(name)] = Row(state.decode(), int(parent), int(of))
    return found


def _under(number: int, table: dict[int, Row]) -> set[int]:
    """The processes of a table below one."""
    children: dict[int, list[int]] = {}
    for child, row in table.items():
        children.setdefault(row.parent, []).append(child)
    found: set[int] = set()
    new = children.get(number, [])
    while new:
        found.update(new)
        new = [child for parent in new for child in children.get(parent, ()) if child not in found]
    return found


def _live(numbers: Iterable[int], table: dict[int, Row]) -> set[psutil.Process]:
    """Those of them that run (zombies do not)."""
    found = set()
    for number in numbers:
        if table[number].state not in "ZX":
            with contextlib.suppress(psutil.NoSuchProcess):
                found.add(psutil.Process(number))
    return found


def descendants(of: psutil.Process | None = None) -> set[psutil.Process]:
    """The live processes under one (this one by default)."""
    if of is not None and not of.is_running():
        return set()
    table = _table()
    return _live(_under(os.getpid() if of is None else of.pid, table), table)


def session(of: psutil.Process) -> set[psutil.Process]:
    """The live processes of a session, whoever their parents are: a server of one process has some beside it."""
    table = _table()
    return _live((number for number in _under(os.getpid(), table) if table[number].session == of.pid), table)


def open_files(number: int) -> list[str]:
    """What the descriptors of a process lead to: without those that it closes this moment, none if it has ended."""
    found = []
    try:
        for link in list(Path(f"/proc/{number}/fd").iterdir()):
            with contextlib.suppress(*GONE):
                found.append(str(link.readlink()))
    except GONE:
        pass
    except PermissionError:  # (what is left of one that has ended is root's)
        if psutil.pid_exists(number) and alive(psutil.Process(number)):
            raise
    return found


def threads(number: int, file: str) -> list[str]:
    """A file of each thread of a process (``comm``, ``stat`` ...): without those that end this moment."""
    found = []
    with contextlib.suppress(*GONE):
        for task in list(Path(f"/proc/{number}/task").iterdir()):
            with contextlib.suppress(*GONE):
                found.append((task / file).read_text())
    return found


def is_closed(fd: int) -> bool:
    """Whether a number is that of no descriptor of this process."""
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs (a zombie does not)."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def describe(process: psutil.Process) -> str:
    """A process in a line: its number and command."""
    try:
        return f"{process.pid} {' '.join(process.cmdline()).rstrip()}"
    except psutil.NoSuchProcess:
        return f"{process.pid} (gone)"


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill processes and wait until the kernel has let go of them."""
    doomed = list(processes)
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(doomed, timeout=10)


@contextlib.contextmanager
def nothing_outlives() -> Iterator[None]:
    """Around a test's servers: what they leave running is killed, and fails the test."""
    before = descendants()
    yield
    left = descendants() - before
    ending = [process for process in left if describe(process) == f"{process.pid} "]  # (its memory is gone already)
    left -= set(psutil.wait_procs(ending, timeout=10)[0])
    if left:
        names = "\n  ".join(sorted(describe(process) for process in left))
        end(left)
        raise AssertionError(f"processes outlived their server:\n  {names}")


def run_code(code: str, *arguments: str) -> str:
    """What a Python prints that runs some code, for what a process with threads must not do: fork, above all.

    :raises subprocess.CalledProcessError: if it fails.
    """
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT, timeout=60).stdout


def has_ended(number: int) -> bool:
    """Whether a process is no more; what a script's program leaves to init, these tests have got instead."""
    try:
        process = psutil.Process(number)
        return bool(process.status() == psutil.STATUS_ZOMBIE and process.ppid() == os.getpid())
    except psutil.NoSuchProcess:
        return True


def arenas(number: int) -> int:
    """How many heaps glibc has made in a process beside its first: 64 MB of addresses each, the first part in use.

    :param number: the process.
    """
    found, began, end = 0, 0, 0
    for line in Path(f"/proc/{number}/maps").read_text().splitlines():
        where, rights, _offset, _device, _inode, *name = line.split()
        start, stop = (int(part, 16) for part in where.split("-"))
        if name:
            end = 0
        elif rights == "rw-p":
            began, end = start, stop
        elif rights == "---p" and start == end:
            found += stop % HEAP == 0 and began <= stop - HEAP
    return found
