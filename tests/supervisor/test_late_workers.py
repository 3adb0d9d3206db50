"""Workers that do not come to serve, or hang: they are killed, and what they were to do is up to others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.ipc import descriptor_marks
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.supervisor import rescue, worker_handle, workers
from mpserver.supervisor.fork import control_pair
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.supervisor.workers import WorkerEvents, Workers


class Generation:
    """As much of one as a worker has to do with."""

    number = oldest = target = 1
    failures = young = 0
    not_before = 0.0

    def __init__(self) -> None:
        self.told: list[str] = []
        self.error_log = SimpleNamespace(log=lambda _level, text, **_more: self.told.append(text))
        self.logs = SimpleNamespace(fds={}, apart=dict)
        self.conf = SimpleNamespace(account=None, worker_timeout=0.0)
        self.configuration = self.listeners = cast(Any, SimpleNamespace(sockets=[]))


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A worker that says nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


@pytest.fixture
def handle(process: subprocess.Popen[bytes]) -> Iterator[WorkerHandle]:
    ours, theirs = control_pair()
    with ours, theirs:
        yield WorkerHandle(process.pid, 0, cast(Any, Generation()), ours)


def _killed(process: subprocess.Popen[bytes]) -> bool:
    return process.wait(60) == -signal.SIGKILL


def test_one_that_does_not_come_to_serve_is_killed(handle: WorkerHandle, process: subprocess.Popen[bytes]) -> None:
    handle.expect(60)
    assert not handle.due()
    assert _killed(process)
    assert handle.failed
    assert "does not begin to serve, and is killed" in cast(Any, handle.generation).told[0]


def test_one_that_serves_has_no_deadline(handle: WorkerHandle, process: subprocess.Popen[bytes]) -> None:
    handle.expect(60)
    handle.serves()
    assert not handle.deadline
    handle.end()
    handle.serves()
    assert handle.deadline  # (it was told to end)
    assert handle.due()
    assert process.wait(60) in (-signal.SIGKILL, -signal.SIGTERM)
    assert not handle.failed
    assert cast(Any, handle.generation).told == []


@pytest.mark.parametrize(
    ("others_serve", "orders", "late"), [(True, b"", True), (True, b"x", False), (False, b"", False)]
)
def test_who_has_to_serve_in_time(
    monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes], others_serve: bool, orders: bytes, late: bool
) -> None:
    """It counts as one that failed; where nobody else serves it has the time that it takes."""
    monkeypatch.setattr(workers, "fork_worker", lambda *_arguments: process.pid)
    watched = SimpleNamespace(add=lambda *_arguments: None, remove=lambda *_arguments: None)
    events = WorkerEvents(*(cast(Any, lambda *_arguments: None),) * 5)
    generation = cast(Any, Generation())
    scoreboard = Scoreboard.create(1)
    scoreboard.prepare(0)
    all_workers = Workers(cast(Any, None), scoreboard, cast(Any, watched), events, others_serve)
    worker = all_workers._fork(generation, 0, orders)
    assert worker is not None
    now = time.monotonic()
    assert all_workers.due(now + workers.LOAD_PATIENCE) == []
    assert not worker.failed
    assert all_workers.due(now + workers.LATE * workers.LOAD_PATIENCE + 1) == []
    assert worker.failed == late
    if not late:
        process.kill()
    assert _killed(process)
    assert all_workers.reaped(process.pid, signal.SIGKILL)
    assert generation.failures == 1
    assert all_workers.crashes == 1


def test_a_python_without_ctypes_kills_all_the_same(
    monkeypatch: pytest.MonkeyPatch, handle: WorkerHandle, process: subprocess.Popen[bytes]
) -> None:
    def none_found(_pid: int, _marks: int) -> list[rescue.Found]:
        raise ImportError("No module named '_ctypes'")

    monkeypatch.setattr(worker_handle, "collect", none_found)
    handle.marks, handle.hung = descriptor_marks.make(), True
    handle.kill()
    assert _killed(process)
    assert "can't be taken over, and end with it" in cast(Any, handle.generation).told[0]
    marks = handle.marks
    assert list(handle.left()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(marks)
