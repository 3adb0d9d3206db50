"""Imports that take long, as the master tells of them: in the log, and as the reason why it is not ready."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.scoreboard_entry import IDLE, ScoreboardEntry
from mpserver.supervisor import late_imports
from mpserver.supervisor.late_imports import AGAIN, LONG, TOLD_AFTER, LateImports, why_unready

WORKER = cast(Any, SimpleNamespace(slot=0))
NAMES = ("site",)


@pytest.fixture
def board() -> Scoreboard:
    made = Scoreboard.create(1)
    made.prepare(0)
    return made


@pytest.fixture
def entry(board: Scoreboard) -> ScoreboardEntry:
    """That of an interpreter which has just begun."""
    made = board.entry(0, 1)
    made.sign("key of it", "own", "site")
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Seconds from now on, by the master's clock."""
    made, now = SimpleNamespace(at=0.0), time.time()
    monkeypatch.setattr(late_imports, "time", SimpleNamespace(time=lambda: now + made.at))
    return made


def test_the_log_tells_it_again_and_again(board: Scoreboard, entry: ScoreboardEntry, clock: SimpleNamespace) -> None:
    told: list[str] = []
    late = LateImports()

    def look(at: float) -> list[str]:
        told.clear()
        clock.at = at
        late.look(
            board, [WORKER], NAMES, cast(Any, SimpleNamespace(log=lambda _level, text, **_more: told.append(text)))
        )
        return list(told)

    assert look(1000.0) == []
    entry.writer.imports("slow::begin")
    assert look(TOLD_AFTER - 1) == []
    (text,) = look(TOLD_AFTER + 1)
    assert text.startswith("interpreter 'site' of worker 0 (pid ")
    assert "has been importing slow::begin (PythonImport) for 3" in text
    assert look(TOLD_AFTER + AGAIN - 1) == []
    assert len(look(TOLD_AFTER + AGAIN + 2)) == 1
    assert look(TOLD_AFTER + AGAIN + 3) == []
    entry.writer.imports("next")  # (it has a beginning of its own)
    assert len(look(TOLD_AFTER + 1)) == 1
    entry.writer.imports("")
    assert look(1000.0) == []
    assert board.importing(0) == []


def test_it_is_the_reason_why_it_is_not_ready(
    board: Scoreboard, entry: ScoreboardEntry, clock: SimpleNamespace
) -> None:
    entry.writer.imports("slow")
    assert why_unready(board, [WORKER], [WORKER], NAMES) == "not loaded: site"
    assert why_unready(board, [], [WORKER], NAMES) == "no worker serves yet"
    clock.at = LONG + 1.5
    assert why_unready(board, [WORKER], [WORKER], NAMES) in (
        "not loaded: site has been importing slow for 11 s", "not loaded: site has been importing slow for 12 s",
    )  # fmt: skip
    assert why_unready(board, [], [WORKER], NAMES).startswith(
        "no worker serves yet: site has been importing slow for 1"
    )
    assert why_unready(board, [], [WORKER], ()) == "no worker serves yet"
    entry.writer.imports("")
    entry.state(IDLE)
    assert why_unready(board, [WORKER], [WORKER], NAMES) == ""


def test_no_request_looks_like_one(board: Scoreboard, entry: ScoreboardEntry) -> None:
    entry.writer.imports("slow")
    assert [(stats.name, module) for stats, module in board.importing(0)] == [("site", "slow")]
    assert board.running(0) == []
    entry.working(time.time(), b"GET /slow HTTP/1.1\r\n\r\n")
    assert board.importing(0) == []
    entry.gone()
    assert board.importing(0) == []
