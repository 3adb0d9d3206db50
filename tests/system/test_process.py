"""Processes that are made: whose children they are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NoReturn

import pytest

from mpserver.system.process import fork_orphan


def test_an_orphan_is_nobody_s_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on when the one between has ended, which nobody has to reap any more."""
    made: list[int] = []
    fork = os.fork

    def note() -> int:
        made.append(fork())
        return made[-1]

    monkeypatch.setattr(os, "fork", note)
    reader, writer = os.pipe()
    end, hold = os.pipe()

    def live(_blocked: Iterable[int]) -> NoReturn:
        os.close(hold)
        os.read(end, 1)  # (until the test has seen it)
        os.write(writer, b"%d" % os.getpid())
        os._exit(0)

    pid = fork_orphan(live)
    os.close(writer)
    assert made
    for number in (pid, *made):
        with pytest.raises(ChildProcessError):
            os.waitpid(number, os.WNOHANG)
    os.close(hold)
    with open(reader, "rb") as file:
        assert int(file.read()) == pid
    os.close(end)


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
