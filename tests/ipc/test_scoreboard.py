"""The scoreboard is one memory for all who map it, and each field has its place."""

import os
import time

import pytest

from mpserver.ipc import scoreboard, siblings
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_layout import DESCRIPTORS, INTERPRETERS, MOVED, PAGE, crc
from support.processes import run_code


def test_a_new_board_has_open_slots() -> None:
    board = Scoreboard.create(3)
    assert board.slots == 3
    rows = [board.row(slot) for slot in range(3)]
    assert [(r.pid, r.state, r.requests) for r in rows] == [(0, scoreboard.OPEN, 0)] * 3
    assert not any(board.worker_busy(slot) for slot in range(3))


@pytest.mark.parametrize("more", [-1, 1])
def test_its_size_stays(more: int) -> None:
    """Applications have its descriptor, and the master goes by its size."""
    board = Scoreboard.create(1)
    with pytest.raises(PermissionError):
        os.ftruncate(board.fd, os.fstat(board.fd).st_size + more)


def test_what_one_mapping_writes_another_reads() -> None:
    board = Scoreboard.create(4)
    other = Scoreboard.attach(board.fd)
    board.prepare(2)
    board.enter(2, 4711, 3, 12.5)
    place = other.entry(2, 5)
    place.working(1.0, b"GET / HTTP/1.1")
    row = board.row(2)
    assert row[:4] == (2, 4711, 3, 12.5)
    assert row.interpreters == b"S\0\0\0\0W"
    assert board.worker_busy(2)
    assert not board.worker_busy(1)
    assert not board.worker_busy(3)
    place.done(2.0, 1.0)
    assert not board.worker_busy(2)
    assert board.interpreter_state(2, 5) == scoreboard.IDLE
    assert board.row(2).requests == 1


def test_a_head_that_comes_again_is_told_with_the_time_of_each_request() -> None:
    board = Scoreboard.create(2)
    board.prepare(1)
    entry = board.entry(1, 3)
    entry.sign("own one", "own", "one")

    def told() -> tuple[float, str]:
        stats = board.stats(1, 3)
        assert stats is not None
        return stats.began, stats.line

    first, second = b"GET /1 HTTP/1.1\r\n\r\n", b"GET /22 HTTP/1.1\r\n\r\n"
    for now, head in ((1.0, first), (2.0, first), (3.0, second), (4.0, first), (5.0, first)):
        entry.working(now, head)
        assert told() == (now, head.partition(b"\r\n")[0].decode())
        entry.done(now + 0.5, now)


def test_requests_of_all_interpreters_are_summed_and_outlive_a_recycled_one() -> None:
    board = Scoreboard.create(2)
    board.prepare(1)
    for index in (1, 1, 7, INTERPRETERS - 1):
        place = board.entry(1, index)
        place.working(1.0, b"GET / HTTP/1.1")
        place.done(2.0, 1.0)
    place.gone()
    assert board.row(1).requests == 4
    assert board.interpreter_state(1, INTERPRETERS - 1) == 0


def test_leaving_wipes_only_that_slot() -> None:
    board = Scoreboard.create(3)
    for slot in range(3):
        board.prepare(slot)
        board.enter(slot, 100 + slot, 1, 1.0)
        board.entry(slot, 1).done(2.0, 1.0)
    board.leave(1)
    assert [board.row(slot).pid for slot in range(3)] == [100, 0, 102]
    assert [board.row(slot).requests for slot in range(3)] == [1, 0, 1]
    assert board.row(1).state == scoreboard.OPEN


def test_connections_go_to_the_same_generation_and_to_those_that_follow_it() -> None:
    board = Scoreboard.create(6)
    for slot, (generation, oldest) in enumerate([(3, 3), (3, 3), (2, 2), (4, 3), (5, 3), (6, 6)]):
        board.prepare(slot)
        board.enter(slot, 100 + slot, generation, 1.0, oldest)
        board.entry(slot, 0).state(scoreboard.IDLE)
    assert siblings.idle(board, 0, "own x") == [1, 3, 4]
    assert siblings.idle(board, 2, "own x") == []
    assert siblings.idle(board, 3, "own x") == [4]
    board.entry(1, 0).state(scoreboard.FINISHING)
    assert siblings.idle(board, 0, "own x") == [3, 4]


def test_siblings_in_a_long_request_are_told_from_those_that_are_quick() -> None:
    board = Scoreboard.create(5)
    now = time.time()
    for slot, began in enumerate([now, None, now - 60, now, now]):
        board.prepare(slot)
        board.enter(slot, 100 + slot, 1, 1.0)
        board.entry(slot, 0).state(scoreboard.IDLE)
        interpreter = board.entry(slot, 3)
        interpreter.sign("own x" if slot != 4 else "own y", "own", "x")
        interpreter.state(scoreboard.IDLE)
        if began is not None:
            interpreter.working(began, b"GET / HTTP/1.1")
    assert siblings.idle(board, 0, "own x") == [1, 4], "one that is idle, one that would have to start it"
    assert set(siblings.brisk(board, 0, "own x")) <= {1, 3}
    assert 1 in siblings.brisk(board, 0, "own x")
    assert [siblings.is_stuck(board, slot, 3, now + 0.001) for slot in range(4)] == [False, False, True, False]
    assert siblings.is_stuck(board, 3, 3, now + 1)
    board.entry(2, 3).done(now, now - 60)
    assert not siblings.is_stuck(board, 2, 3, now)


def test_siblings_whose_interpreter_still_loads_get_no_pile_of_connections() -> None:
    board = Scoreboard.create(3)
    for slot in range(3):
        board.prepare(slot)
        board.enter(slot, 100 + slot, 1, 1.0)
        board.entry(slot, 0).state(scoreboard.IDLE)
        board.entry(slot, 3).sign("own x", "own", "x")
    assert siblings.brisk(board, 0, "own x") == []
    board.entry(2, 3).state(scoreboard.IDLE)
    assert siblings.brisk(board, 0, "own x") == [2]
    assert siblings.room(board, 0, "own x") == siblings.PILE


def test_interpreters_past_the_last_place_stay_inside_the_page() -> None:
    board = Scoreboard.create(2)
    board.prepare(0)
    board.entry(0, 100_000).working(1.0, b"GET / HTTP/1.1")
    assert board.row(1).state == scoreboard.OPEN
    assert board.worker_busy(0)


def test_a_forked_child_writes_to_the_same_board() -> None:
    code = """
        import os
        from mpserver.ipc.scoreboard import Scoreboard
        board = Scoreboard.create(1)
        pid = os.fork()
        if pid == 0:
            Scoreboard.attach(board.fd).entry(0, 1).done(2.0, 1.0)
            os._exit(0)
        print(os.waitpid(pid, 0)[1], board.row(0).requests)
    """
    assert run_code(code) == "0 1\n"


def test_what_a_generation_knows_stays_while_another_comes() -> None:
    """Its workers serve until the other's are ready, and drain after that."""
    board = Scoreboard.create(2, 0)
    names = [f"auto:app{number}" for number in range(100)]
    assert all(board.move(name, 1) for name in names)
    assert all(board.move(name, 2) for name in names[::-1])
    for generation in (1, 2):
        assert all(board.has_moved(name, generation) for name in names)
        assert not any(board.move(name, generation) for name in names)


def test_the_oldest_generation_makes_room() -> None:
    board = Scoreboard.create(2, 0)
    room = DESCRIPTORS // MOVED.size
    keys = [f"auto:app{number}" for number in range(room)]
    full = b"".join(MOVED.pack(crc(key), 1 + (key == keys[0])) for key in keys)
    board.memory[board.slots * PAGE : board.slots * PAGE + len(full)] = full
    assert board.move("auto:new", 3)
    assert board.has_moved("auto:new", 3)
    assert board.has_moved(keys[0], 2)
    assert [board.has_moved(key, 1) for key in keys[1:4]] == [False, True, True]
    assert board.move("auto:late", 1)
    assert not board.has_moved("auto:late", 1)
