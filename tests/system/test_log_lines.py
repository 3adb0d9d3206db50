"""Lines of access logs wait for their loop, leave in one write, and outlive their interpreter."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mpserver.ipc import log_lines
from mpserver.ipc.log_lines import HEAD, PLACE
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_layout import INTERPRETERS
from mpserver.system import log_lines as writing
from mpserver.system.log_lines import LogLines
from mpserver.system.loop import Loop

SLOT, INDEX = 1, 3


class Site(NamedTuple):
    """What lines are written to, and who writes them."""

    board: Scoreboard
    loop: Loop
    path: Path
    fd: int

    def lines(self, buffered: bool = False) -> LogLines:
        return LogLines(self.board.fd, SLOT, INDEX, self.loop, buffered, lambda function: function())

    @property
    def text(self) -> str:
        return self.path.read_text()

    def wake_up(self) -> None:
        """One wake-up of the loop."""
        self.loop.running = True
        self.loop.soon(self.loop.stop)
        self.loop.run()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    board, loop = Scoreboard.create(2), Loop()
    path = tmp_path / "access.log"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    yield Site(board, loop, path, fd)
    os.close(fd)
    loop.close()
    os.close(board.fd)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was written, in pieces."""
    found: list[bytes] = []
    write: Callable[[int, bytes], int] = os.write

    def noticed(fd: int, data: bytes) -> int:
        found.append(bytes(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", noticed)
    return found


def test_lines_of_one_wake_up_are_one_write(site: Site, writes: list[bytes]) -> None:
    lines = site.lines()
    add = lines.writer(site.fd)
    assert lines.writer(site.fd) == add
    for number in range(3):
        add(f"line {number} \udcc3")
    assert lines.waiting
    assert site.text == ""
    site.wake_up()
    assert writes == [b"line 0 \\udcc3\nline 1 \\udcc3\nline 2 \\udcc3\n"]
    assert not any([lines.waiting])


def test_lines_of_wake_ups_that_follow_each_other_are_one_write(site: Site, writes: list[bytes]) -> None:
    lines = site.lines()
    add = lines.writer(site.fd)
    add("at once")
    site.wake_up()
    until = site.loop.now + writing.PAUSE
    for number in range(2):
        add(f"line {number}")
        site.wake_up()
    if site.loop.now < until:  # (else this machine was too slow to see it)
        assert writes == [b"at once\n"]
    while lines.waiting:  # (what the loop wakes up for by itself)
        site.loop.soon(site.loop.stop)
        site.loop.running = True
        site.loop.run()
    assert b"".join(writes) == b"at once\nline 0\nline 1\n"


def test_what_has_no_room_comes_first_and_whole(site: Site, writes: list[bytes]) -> None:
    add = site.lines().writer(site.fd)
    sizes = [PLACE // 2 - HEAD.size, PLACE // 2 - HEAD.size, PLACE, 10]
    for number, size in enumerate(sizes):
        add(str(number) * (size - 1))
    site.wake_up()
    assert [(piece[:1], len(piece)) for piece in writes] == [(b"0", sizes[0] + sizes[1]), (b"2", PLACE), (b"3", 10)]
    assert [line[0] for line in site.text.split()] == ["0", "1", "2", "3"]


def test_pieces_for_a_program_arrive_as_one(site: Site, writes: list[bytes]) -> None:
    reading, writing_end = os.pipe()
    try:
        add = site.lines().writer(writing_end)
        for number in range(7):
            add(str(number) * 999)
        site.wake_up()
        assert [len(piece) for piece in writes] == [4000, 3000]
    finally:
        os.close(reading)
        os.close(writing_end)


def test_each_line_is_a_message_of_its_own(site: Site) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        lines = site.lines()
        add = lines.writer(theirs.fileno())
        add("one")
        add("two")
        assert not lines.waiting
        assert [ours.recv(100), ours.recv(100)] == [b"one\n", b"two\n"]


def test_a_log_that_can_not_be_written_fails_nobody(site: Site) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        writing.at_once(full)("line")
        log_lines.write_left(site.board.fd, SLOT, INDEX, {full})
    finally:
        os.close(full)


def test_a_program_that_does_not_read_holds_up_nobody_who_writes_what_is_left(site: Site) -> None:
    reading, writing_end = os.pipe()
    try:
        site.lines().writer(writing_end)("line")
        os.set_blocking(writing_end, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writing_end, bytes(4096))
        os.set_blocking(writing_end, True)
        log_lines.write_left(site.board.fd, SLOT, INDEX, {writing_end})  # (returns)
    finally:
        os.close(reading)
        os.close(writing_end)


def test_buffered_lines_wait_for_others_and_for_a_while(site: Site, writes: list[bytes]) -> None:
    lines = site.lines(buffered=True)
    add = lines.writer(site.fd)
    add("one")
    add("two")
    assert not lines.waiting
    site.wake_up()
    assert writes == []
    assert lines.deadline == pytest.approx(site.loop.now + writing.LONGEST, abs=30)
    lines.expire(lines.deadline)
    assert writes == [b"one\ntwo\n"]
    assert lines.deadline == float("inf")


@pytest.mark.parametrize("left", [log_lines.write_left, log_lines.write_all_left])
def test_what_an_interpreter_left_is_written(site: Site, left: Callable[..., None]) -> None:
    lines = site.lines()
    first, second = lines.writer(site.fd), lines.writer(os.dup(site.fd))
    first("one")
    second("two")
    which = () if left is log_lines.write_all_left else (INDEX,)
    left(site.board.fd, SLOT - 1, *which, {site.fd})
    assert site.text == ""
    for _ in range(2):  # (once)
        left(site.board.fd, SLOT, *which, {site.fd})  # (the other one is no log, as far as is known)
        assert site.text == "one\n"


def test_what_was_written_is_not_left(site: Site) -> None:
    lines = site.lines()
    lines.writer(site.fd)("one")
    lines.flush()
    log_lines.write_left(site.board.fd, SLOT, INDEX, {site.fd})
    assert site.text == "one\n"


def test_what_the_master_has_written_is_not_written_again(site: Site) -> None:
    """A process outlives its worker, whose lines the master writes."""
    gone: list[bool] = []
    lines = LogLines(site.board.fd, SLOT, INDEX, site.loop, True, lambda function: function(), lambda: bool(gone))
    write = lines.writer(site.fd)
    write("one")
    log_lines.write_left(site.board.fd, SLOT, INDEX, {site.fd})
    gone.append(True)
    write("two")
    lines.flush()
    assert site.text == "one\ntwo\n"


def test_memory_that_says_what_can_not_be_is_not_believed(site: Site) -> None:
    at = log_lines.area_at(site.board.fd, SLOT, INDEX)
    for end in (0, 1, HEAD.size, PLACE + 1, 0xFFFFFFFF):
        os.pwrite(site.board.fd, HEAD.pack(site.fd, end) + b"forged\n", at)
        log_lines.write_left(site.board.fd, SLOT, INDEX, {site.fd})
    assert site.text == ""


def test_those_without_a_place_of_their_own_have_none() -> None:
    assert [log_lines.has_area(index) for index in (0, 1, INTERPRETERS - 2, INTERPRETERS - 1, 9999)] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_a_slot_that_is_wiped_gives_its_memory_back(site: Site) -> None:
    site.board.prepare(SLOT)
    site.lines().writer(site.fd)("one")
    before = os.fstat(site.board.fd).st_blocks
    site.board.prepare(SLOT)
    assert os.fstat(site.board.fd).st_blocks < before
    log_lines.write_all_left(site.board.fd, SLOT, {site.fd})
    assert site.text == ""
