"""Processes that are made: whose children they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import NoReturn

import pytest

from mpserver.system.process import fork_orphan

#: Prints the orphan's number as that told it, and which of the two others are children of ours (or were until now).
ORPHAN = """
import os
from mpserver.system.process import fork_orphan

made, fork = [], os.fork

def note():
    made.append(fork())
    return made[-1]

def live(_blocked):
    os.close(hold)
    os.read(end, 1)  # (until it was looked for)
    os.write(writer, b"%d" % os.getpid())
    os._exit(0)

def is_ours(number):
    try:
        os.waitpid(number, os.WNOHANG)
    except ChildProcessError:
        return False
    return True

os.fork = note
reader, writer = os.pipe()
end, hold = os.pipe()
pid = fork_orphan(live)
os.close(writer)
ours = [number for number in (pid, *made) if is_ours(number)]
os.close(hold)
assert int(open(reader, "rb").read()) == pid
print(len(made), ours)
"""


def test_an_orphan_is_nobody_s_child() -> None:
    """Nor is the one between. (In a process of its own: the tests' one takes orphans.)"""
    done = subprocess.run([sys.executable, "-c", ORPHAN], check=True, capture_output=True, text=True)
    assert done.stdout == "1 []\n"


def test_no_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one between is there, and can't fork."""
    made: list[int] = []
    ours, fork = os.getpid(), os.fork

    def full() -> int:
        if os.getpid() != ours:
            raise BlockingIOError(11, "no room")
        made.append(fork())
        return made[-1]

    def live(_blocked: Iterable[int]) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(os, "fork", full)
    with pytest.raises(BlockingIOError):
        fork_orphan(live)
    [between] = made
    with pytest.raises(ChildProcessError):
        os.waitpid(between, os.WNOHANG)
