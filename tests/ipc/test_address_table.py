"""The table of the connections that each address has."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from mpserver.ipc.address_table import TOLD, AddressTable, key_of
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_layout import HISTORY, PLACES

ONE, TWO = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    """A scoreboard for three workers."""
    made = Scoreboard.create(3)
    yield made
    made.close()
    os.close(made.fd)


def number(count: int, slot: int) -> int:
    """A connection's number, as workers give them."""
    return count << 16 | slot


def test_the_connections_of_all_workers_are_counted(board: Scoreboard) -> None:
    tables = [AddressTable(board, slot) for slot in range(3)]
    places = [table.enter(ONE, number(1, slot)) for slot, table in enumerate(tables)]
    assert all(places)
    tables[1].enter(TWO, number(2, 1))
    assert [table.count(ONE) for table in tables] == [3, 3, 3]
    assert [table.count(TWO) for table in tables] == [1, 1, 1]
    tables[0].leave(places[2], number(1, 2))  # (whoever has the connection at its end)
    assert tables[1].count(ONE) == 2


def test_a_place_is_left_once(board: Scoreboard) -> None:
    table = AddressTable(board, 0)
    place = table.enter(ONE, 7)
    table.leave(place, 7)
    again = [table.enter(TWO, 100 + count) for count in range(64)]
    assert place in again
    table.leave(place, 7)  # (told twice: by a process, and by who found it crashed)
    assert table.count(TWO) == 64


def test_places_are_used_again(board: Scoreboard) -> None:
    table = AddressTable(board, 1)
    places = {count: table.enter(ONE, count) for count in range(1, 1001)}
    assert len(set(places.values())) == 1000
    for count, place in places.items():
        table.leave(place, count)
    assert table.count(ONE) == 0
    again = {table.enter(ONE, count) for count in range(2001, 2801)}
    assert len(again) == 800
    assert max(again) < max(places.values()) + 64


def test_without_a_place_it_does_not_count(board: Scoreboard) -> None:
    table = AddressTable(board, 2)
    assert all(table.enter(ONE, count) for count in range(1, PLACES + 1))
    assert table.enter(ONE, PLACES + 1) == 0
    assert table.count(ONE) == PLACES
    assert AddressTable(board, 1).enter(ONE, 1)


def test_a_connection_moves_to_another_worker(board: Scoreboard) -> None:
    one, two = AddressTable(board, 0), AddressTable(board, 1)
    place = one.enter(ONE, number(5, 0))
    moved = two.move(place, number(5, 0), number(9, 1))
    assert two.count(ONE) == 1
    board.leave(0)
    assert two.count(ONE) == 1
    two.leave(moved, number(9, 1))
    assert two.count(ONE) == 0
    assert two.move(place, number(5, 0), number(10, 1)) == 0, "its worker is gone, and its place"


def test_those_of_a_worker_go_with_it(board: Scoreboard) -> None:
    one, two = AddressTable(board, 0), AddressTable(board, 1)
    for count in range(1, 201):
        one.enter(ONE, count)
    two.enter(ONE, number(1, 1))
    board.leave(0)
    assert two.count(ONE) == 1
    assert AddressTable(board, 0).enter(ONE, 1) == 1, "as at its start"


def test_the_rest_of_the_memory_is_not_touched(board: Scoreboard) -> None:
    board.enter(1, 4711, 1, 0.0)
    before = bytes(board.memory)
    table = AddressTable(board, 2)
    for count in range(1, 300):
        table.leave(table.enter(ONE, count), count)
        table.may_tell(ONE, 1e9)
    assert bytes(board.memory) == before
    assert board.slots == Scoreboard(board.fd).slots == 3


def test_clients_with_ipv6_have_many_addresses() -> None:
    one, two = (socket.inet_pton(socket.AF_INET6, f"2001:db8:0:1::{host}") for host in ("1", "2"))
    other = socket.inet_pton(socket.AF_INET6, "2001:db8:0:2::1")
    assert key_of(one) == key_of(two) != key_of(other)
    own = socket.inet_pton(socket.AF_INET6, "::1")
    assert any(key_of(own))
    assert len({key_of(own), key_of(one), key_of(ONE), key_of(TWO)}) == 4


def test_an_address_is_told_of_once_in_a_minute(board: Scoreboard) -> None:
    tables: list[AddressTable] = [AddressTable(board, slot) for slot in range(2)]
    assert tables[0].may_tell(ONE, 1000.0)
    assert not tables[1].may_tell(ONE, 1059.0)
    assert tables[1].may_tell(ONE, 1060.0)
    assert tables[0].may_tell(TWO, 1060.0)


def test_places_that_an_application_made_up_are_nobody_s(board: Scoreboard) -> None:
    """A process tells its connections' places; and all may write to the scoreboard."""
    table = AddressTable(board, 0)
    place = table.enter(ONE, 7)
    for false in (-1, 0, 3 * PLACES + 1, 0xFFFFFFFF):
        table.leave(false, 7)
        assert table.move(false, 7, 8) == 0
    used = struct.pack("=I", 0xFFFFFFFF)
    os.pwrite(board.fd, used * 3, board.history_at + HISTORY + TOLD)
    assert table.count(ONE) == 1
    table.leave(place, 7)
    assert table.count(ONE) == 0
