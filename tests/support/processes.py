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

import psutil

PR_SET_CHILD_SUBREAPER = 36

#: Where the package is found.
PROJECT = Path(__file__).parent.parent.parent


def adopt_orphans() -> None:
    """Make this process the parent of every orphan among its descendants (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(of: psutil.Process | None = None) -> set[psutil.Process]:
    """The live processes under one (this one by default)."""
    try:
        found = (of or psutil.Process()).children(recursive=True)
    except psutil.NoSuchProcess:
        return set()
    return {process for process in found if alive(process)}


def session(of: psutil.Process) -> set[psutil.Process]:
    """The live processes of a session, whoever their parents are: a server of one process has some beside it."""
    found = set()
    for process in descendants():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) == of.pid:
                found.add(process)
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
