"""What a worker loads before it serves: when it is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.interpreters.awaited import Awaited
from mpserver.interpreters.handle import InterpreterState
from mpserver.interpreters.pool import Pool
from mpserver.phases.plan import InterpreterId
from mpserver.system.loop import Loop

SITE = InterpreterId("auto", "site", ())


class FakePool:
    """Interpreters that come as far as a test says."""

    def __init__(self) -> None:
        self.interpreters: dict[InterpreterId, Any] = {}
        self.closing = False
        self.refused = False
        self.used = 0

    def use(self, interpreter_id: InterpreterId) -> None:
        self.used += 1
        self.interpreters[interpreter_id] = SimpleNamespace(state=InterpreterState.STARTING)

    def is_refused(self, _interpreter_id: InterpreterId) -> bool:
        return self.refused


def begun(pool: FakePool, patience: float) -> tuple[Awaited, list[list[str]], Loop]:
    told: list[list[str]] = []
    loop = Loop()
    return Awaited(cast(Pool, pool), loop, [SITE], patience, told.append), told, loop


def test_it_is_over_when_it_serves() -> None:
    pool = FakePool()
    awaited, told, loop = begun(pool, 1000)
    awaited.expire(loop.now)
    assert told == []
    pool.interpreters[SITE].state = InterpreterState.SERVING
    awaited.expire(awaited.deadline)
    assert told == [[]]
    loop.close()


@pytest.mark.parametrize("patience", [0.0, 5.0])
def test_it_is_over_when_the_time_is(patience: float) -> None:
    pool = FakePool()
    awaited, told, loop = begun(pool, patience)
    if patience:
        assert told == []
        awaited.expire(awaited.deadline + patience)
    assert told == [["site"]]
    loop.close()


def test_one_that_failed_is_not_awaited() -> None:
    pool = FakePool()
    awaited, told, loop = begun(pool, 1000)
    del pool.interpreters[SITE]
    awaited.expire(awaited.deadline)
    assert told == [[]]
    assert pool.used == 1
    loop.close()


def test_one_that_was_refused_is_started_once_more() -> None:
    pool = FakePool()
    awaited, told, loop = begun(pool, 1000)
    pool.refused = True
    del pool.interpreters[SITE]
    awaited.expire(awaited.deadline)
    assert pool.used == 2
    assert told == []
    del pool.interpreters[SITE]
    awaited.expire(awaited.deadline)
    assert pool.used == 2
    assert told == [[]]
    loop.close()


def test_a_worker_that_ends_waits_for_nothing() -> None:
    pool = FakePool()
    awaited, told, loop = begun(pool, 1000)
    pool.closing = True
    awaited.expire(awaited.deadline)
    assert told == [["site"]]
    loop.close()
