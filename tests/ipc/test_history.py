"""What was counted stays counted, whatever becomes of interpreters and workers."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable

import pytest

from mpserver.ipc import history, interpreter_stats
from mpserver.ipc.history import History, Series
from mpserver.ipc.request_counts import BOUNDS, CELLS, OTHERS
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_entry import ScoreboardEntry
from mpserver.ipc.scoreboard_layout import ENTRIES, INTERPRETERS, End
from mpserver.modules.status import auto, metrics, page, report


class Named:
    """A virtual host."""

    def __init__(self, label: str) -> None:
        self.label = label


A, B = Named("a.test:80"), Named("b.test:80")
OWN = Series("own", "app", "a.test:80")


def begin(board: Scoreboard, slot: int, index: int, name: str = "app", kind: str = "own") -> ScoreboardEntry:
    """An interpreter that begins, as its router and itself have it."""
    board.assign(slot, index)
    entry = board.entry(slot, index)
    entry.sign(f"{kind} {name}", kind, name)
    return entry


@pytest.fixture
def board() -> Scoreboard:
    """A board with two workers."""
    board = Scoreboard.create(4)
    for slot in range(2):
        board.prepare(slot)
        board.enter(slot, 100 + slot, 1, 1.0)
    return board


def test_requests_are_counted_by_host_status_and_time(board: Scoreboard) -> None:
    entry = begin(board, 0, 1)
    for status, seconds, host in ((200, 0.0005, A), (204, 0.0009, A), (404, 0.3, B), (999, 60.0, B)):
        entry.done(100.0 + seconds, 100.0, 10, status, host)
    found = history.figures(Scoreboard.attach(board.fd))
    a, b = found.requests[OWN], found.requests[OWN._replace(host="b.test:80")]
    assert a.statuses == (0, 0, 2, 0, 0, 0)
    assert b.statuses == (1, 0, 0, 0, 1, 0)
    assert (a.bytes, a.requests) == (20, 2)
    assert a.seconds == pytest.approx(0.0014, rel=1e-3)
    assert a.times[0] == 2
    assert b.times[BOUNDS.index(0.5)] == 1
    assert b.times[-1] == 1
    assert found.lives["own", "app"].live == 1


def test_the_clock_may_go_back(board: Scoreboard) -> None:
    begin(board, 0, 1).done(50.0, 100.0, 0, 200, A)
    counted = history.figures(board).requests[OWN]
    assert (counted.seconds, counted.bytes, counted.requests) == (0.0, 0, 1)


def test_nothing_falls_back_while_interpreters_and_workers_change(board: Scoreboard) -> None:
    kept, total, ends = History(board), 0, [0, 0, 0, 0, 0]
    for life in range(6):
        entry = begin(board, 0, 1)
        for _ in range(life + 1):
            entry.done(2.0, 1.0, 5, 200, A)
            total += 1
        end = [End.NORMAL, End.RECYCLED, End.CRASHED][life % 3]
        ends[end] += 1
        board.will_end(0, 1, end)
        entry.gone()
        board.clear(0, 1)
        assert history.figures(board).requests[OWN].requests == total, "it has ended"
        assert not board.is_free(0, 1)
        kept.settle(0)
        kept.settle(0)
        assert board.is_free(0, 1)
        assert history.figures(board).requests[OWN].requests == total, "and is kept, once"
    assert history.figures(board).lives["own", "app"].ends == tuple(ends)
    begin(board, 0, 2).done(2.0, 1.0, 5, 500, A)
    kept.wipe(0, crashed=False)
    assert board.row(0).pid == 0
    found = history.figures(board)
    assert found.requests[OWN].requests == total + 1
    assert found.lives["own", "app"].live == 0
    assert found.total.bytes == 5 * (total + 1)


def test_who_was_in_a_request_when_the_worker_crashed_crashed(board: Scoreboard) -> None:
    kept = History(board)
    begin(board, 1, 1, "busy").working(1.0, b"GET / HTTP/1.1")
    begin(board, 1, 2, "idle").done(2.0, 1.0, 1, 200, A)
    kept.wipe(1, crashed=True)
    lives = history.figures(board).lives
    assert lives["own", "busy"].ends[End.CRASHED] == 1
    assert lives["own", "idle"].ends[End.CRASHED] == 0
    assert lives["own", "idle"].ends[End.NORMAL] == 1


def test_more_hosts_than_cells_share_the_last(board: Scoreboard) -> None:
    entry = begin(board, 0, 1)
    for number in range(3 * CELLS):
        entry.done(2.0, 1.0, 0, 200, Named(f"{number}.test:80"))
    found = {series.host: counted.requests for series, counted in history.figures(board).requests.items()}
    assert len(found) == CELLS
    assert found.pop(OTHERS) == 2 * CELLS + 1
    assert set(found.values()) == {1}


def test_more_interpreters_than_entries_share_the_last(board: Scoreboard) -> None:
    kept = History(board)
    for number in range(ENTRIES):
        entry = begin(board, 0, 1, f"app{number}")
        entry.done(2.0, 1.0, 0, 200, A)
        board.clear(0, 1)
        kept.settle(0)
    found = history.figures(board)
    assert found.total.requests == ENTRIES
    assert sum(lives.ends[End.NORMAL] for lives in found.lives.values()) == ENTRIES
    assert found.requests[Series("", OTHERS, OTHERS)].requests == ENTRIES - (ENTRIES - 2) // 2


def test_timeouts_are_counted(board: Scoreboard) -> None:
    kept = History(board)
    begin(board, 0, 1).writer.timed_out()
    assert history.figures(board).lives["own", "app"].timeouts == 1
    kept.wipe(0, crashed=False)
    assert history.figures(board).lives["own", "app"].timeouts == 1


def test_who_reads_waits_for_a_change_to_end(board: Scoreboard) -> None:
    kept = History(board)
    kept.tell(b'{"a": 1}')
    with kept.changing():
        assert history.facts(board) == b'{"a": 1}', "but not for ever"
    kept.tell(b"x" * (1 << 20))
    assert history.facts(board) == b'{"a": 1}', "what has no room is left out"


def test_the_last_index_is_nobodys_own(board: Scoreboard) -> None:
    for _ in range(2):
        begin(board, 0, INTERPRETERS - 1).done(2.0, 1.0, 0, 200, A)
    assert history.figures(board).requests[OWN].requests == 2


@pytest.mark.parametrize("number", [(1 << 64) - 1, 1 << 63])
def test_what_applications_write_there_breaks_no_sum(board: Scoreboard, number: int) -> None:
    kept = History(board)
    for life in range(3):
        entry = begin(board, 0, 1)
        entry.done(2.0, 1.0, 5, 200, A)
        at = board.record_at(0, 1)
        cell = at + interpreter_stats.CELLS
        os.pwrite(board.fd, struct.pack("=QQ", number, number), cell + 80)
        os.pwrite(board.fd, struct.pack("=Qdd", number, (math.nan, math.inf, -1.0)[life], math.nan), cell + 752)
        os.pwrite(board.fd, struct.pack("=Qdd", number, math.nan, math.inf), at + 520)
        os.pwrite(board.fd, struct.pack("=Q", number), at + 544)
        entry.gone()
        board.clear(0, 1)
        kept.settle(0)
        found = report.report(board, 1)
        for accept in ("", "application/openmetrics-text"):
            assert b"mpserver_requests_total{" in metrics.answer(found, accept)[1]
        assert json.loads(json.dumps(found, allow_nan=False))["seconds"] >= 0
        assert page.page(found, "a", "b", True, False)
        assert list(auto.lines(found, "a", "b", True))


def test_an_index_that_gets_another_interpreter_is_not_taken_for_ended(
    board: Scoreboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its router may give it away between two looks of the master."""
    kept = History(board)
    begin(board, 0, 1).done(2.0, 1.0, 5, 200, A)
    board.clear(0, 1)
    kept.settle(0)

    def at_last(look: Callable[[Scoreboard, int], bytes]) -> Callable[[Scoreboard, int], bytes]:
        def looked(of: Scoreboard, slot: int) -> bytes:
            found = look(of, slot)
            if not begun:
                begun.append(begin(board, 0, 1))
            return found

        return looked

    begun: list[ScoreboardEntry] = []
    monkeypatch.setattr(Scoreboard, "ends", at_last(Scoreboard.ends))
    monkeypatch.setattr(Scoreboard, "kept", at_last(Scoreboard.kept))
    kept.settle(0)
    begun[0].done(3.0, 2.0, 5, 200, A)
    assert history.figures(board).requests[OWN].requests == 2
