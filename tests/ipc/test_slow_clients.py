"""What all interpreters keep for slow clients."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpserver.api.kept_body import KeptBody, Room
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.slow_clients import STEP, Portion, SlowClients
from mpserver.serving.backlog import Spool

MIB = 1 << 20


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    """A scoreboard with two workers."""
    made = Scoreboard.create(3)
    for slot in range(2):
        made.prepare(slot)
        made.enter(slot, 100 + slot, 1, 0.0)
    yield made
    made.close()


def portions(board: Scoreboard, limit: int, place: int = 0) -> list[Portion]:
    """Those of two interpreters of one worker, and one of another."""
    return [Portion(board, slot, index, place, limit) for slot, index in ((0, 1), (0, 447), (1, 2))]


def test_all_of_them_share_the_limit(board: Scoreboard) -> None:
    one, two, three = portions(board, 10 * MIB)
    assert one.take(4 * MIB)
    assert two.take(4 * MIB)
    assert not three.take(3 * MIB)
    assert three.take(2 * MIB)
    assert not one.take(2 * STEP)
    two.give(4 * MIB)
    assert one.take(2 * STEP)


def test_one_alone_comes_to_the_limit(board: Scoreboard) -> None:
    one = portions(board, 3 * MIB + 100)[0]
    assert sum(one.take(1000) for _ in range(5000)) == (3 * MIB + 100) // 1000
    one.give(1000)
    assert one.take(1000)


def test_memory_and_disk_are_apart(board: Scoreboard) -> None:
    found = SlowClients(board, 0, 1, MIB, 2 * MIB)
    assert found.memory.take(MIB)
    assert not found.memory.take(1)
    assert found.disk.take(2 * MIB)
    assert not found.disk.take(1)


def test_who_is_gone_keeps_nothing(board: Scoreboard) -> None:
    """An interpreter that has crashed, and a worker."""
    one, _, three = portions(board, 4 * MIB)
    assert one.take(4 * MIB)
    assert not three.take(STEP)
    board.clear(0, 1)
    assert three.take(4 * MIB)
    board.leave(1)
    assert Portion(board, 0, 3, 0, 4 * MIB).take(4 * MIB)


def test_threads_may_use_it(board: Scoreboard) -> None:
    one = portions(board, 1 << 40)[0]

    def work() -> None:
        for size in range(1, 2000):
            assert one.take(size)
            one.give(size)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.take(1 << 40)
    assert not one.take(1)


@pytest.mark.parametrize("what", ["answer", "body"])
def test_there_is_room_as_soon_as_a_file_is_gone(
    board: Scoreboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Whoever sees that one is closed may count on it."""
    found = SlowClients(board, 0, 1, 0, MIB)
    ends: Callable[[], object]
    if what == "answer":
        spool = Spool(str(tmp_path), found)
        assert spool.write(bytes(MIB), 0)
        ends = spool.__del__
    else:
        body = KeptBody(Room(0, str(tmp_path), MIB), found)
        body.add(bytes(MIB))
        ends = body.close
    assert not found.disk.take(1)
    room: list[bool] = []
    close = os.close

    def looks(fd: int) -> None:
        close(fd)
        room.append(found.disk.take(1))

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", looks)
        ends()
    assert room == [True]
    if what == "answer":
        spool.fd = -1  # (it is closed)
