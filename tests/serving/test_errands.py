"""What is done beside requests, in few threads."""

from __future__ import annotations

import threading

import pytest

from mpserver.serving.errands import Errands
from support.waiting import PATIENCE, wait_for


def test_few_threads_do_all_in_order() -> None:
    errands, gate, gate_names = Errands("errand", 3), threading.Event(), set()
    done: list[int] = []
    held = threading.Semaphore(0)

    def hold() -> None:
        gate_names.add(threading.get_ident())
        held.release()
        assert gate.wait(PATIENCE)

    for _ in range(3):
        errands.do(hold)
    for number in range(100):
        errands.do(lambda number=number: done.append(number))  # type: ignore[misc]
    for _ in range(3):
        assert held.acquire(timeout=PATIENCE)
    assert sum(thread.name == "errand" for thread in threading.enumerate()) == 3
    assert not done
    gate.set()
    errands.join()
    assert sorted(done) == list(range(100))
    assert len(gate_names) == 3
    wait_for(lambda: all(thread.name != "errand" for thread in threading.enumerate()), "the threads to end")
    errands.do(lambda: done.append(100))
    errands.join()
    assert done[-1] == 100


def test_without_room_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done here; or by those that there are."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    errands, done, gate = Errands("errand", 3), list[int](), threading.Event()
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        errands.do(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]

    def hold() -> None:
        assert gate.wait(PATIENCE)

    errands.do(hold)
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        errands.do(lambda: done.append(threading.get_ident()))
    assert len(done) == 1
    gate.set()
    errands.join()
    assert done[1] not in (0, threading.get_ident())
