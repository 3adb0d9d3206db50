"""The health of balancers' members is in one memory: the process that checks them writes, everybody reads."""

from __future__ import annotations

from mpserver.ipc.member_health import ENTRY, UNKNOWN, Health, MemberHealth, number_of
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_layout import DESCRIPTORS, HEALTH, HEALTH_ENTRIES, MOVED


def test_the_entries_have_their_place() -> None:
    assert HEALTH + HEALTH_ENTRIES * ENTRY.size == DESCRIPTORS
    assert HEALTH % MOVED.size == 0


def test_what_one_tells_all_see() -> None:
    board = Scoreboard.create(2, 4711)
    writer, reader = MemberHealth(board), MemberHealth(Scoreboard.attach(board.fd))
    one, other = number_of("one"), number_of("other")
    assert one != other
    assert reader.of(one) == UNKNOWN
    writer.claim([(one, False), (other, True)])
    assert (reader.of(one), reader.of(other)) == (Health(False, 0.0), Health(True, 0.0))
    writer.tell(one, True, 12.5)
    assert reader.of(one) == Health(True, 12.5)
    assert board.descriptors == 4711


def test_another_process_finds_how_they_stood() -> None:
    board = Scoreboard.create(1)
    reader = MemberHealth(board)
    MemberHealth(board).claim([(number, False) for number in range(1, 5)])
    first = MemberHealth(board)
    first.claim([(number, False) for number in range(1, 5)])
    first.tell(3, True, 1.0)
    assert reader.of(3) == Health(True, 1.0)
    second = MemberHealth(board)
    second.claim([(9, True), (3, False), (8, False)])
    assert [reader.of(number) for number in (1, 3, 8, 9)] == [
        UNKNOWN, Health(True, 1.0), Health(False, 0.0), Health(True, 0.0)
    ]  # fmt: skip
    second.tell(9, False, 2.0)
    assert (reader.of(9), reader.of(3)) == (Health(False, 2.0), Health(True, 1.0))


def test_there_is_room_for_all() -> None:
    board = Scoreboard.create(1)
    MemberHealth(board).claim((number, number % 2 == 0) for number in range(1, HEALTH_ENTRIES + 1))
    reader = MemberHealth(board)
    assert all(reader.of(number).failed is (number % 2 == 0) for number in range(1, HEALTH_ENTRIES + 1))
    assert not board.has_moved("anything", 1)


def test_applications_that_moved_do_not_reach_into_it() -> None:
    board = Scoreboard.create(1)
    health = MemberHealth(board)
    health.claim([(77, True)])
    for number in range(HEALTH // MOVED.size + 10):
        board.move(f"key {number}", 1)
    assert health.of(77) == Health(True, 0.0)
    assert MemberHealth(board).of(77) == Health(True, 0.0)
