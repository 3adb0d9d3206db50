"""PythonRequestTimeout: who answers a request that ends just when it is given up, and who hears that it has ended."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.api.request import Request
from mpserver.modules.hooks import Step
from mpserver.phases import timeouts
from mpserver.phases.plan import Plan
from mpserver.phases.timeouts import Timeouts
from support.waiting import wait_for

#: How long requests may take here, in seconds.
LIMIT = 0.05


class Told:
    """What the limits of an interpreter have told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timeouts, "GIVEN_UP_AFTER", LIMIT)
        monkeypatch.setattr(timeouts, "log_error", lambda _req, _text: None)
        self.calls: list[str] = []
        self.abandoning = threading.Event()
        self.answered = threading.Event()
        self.answered.set()
        self.limits = Timeouts(
            "x", "main", lambda: self.calls.append("stuck"), lambda: self.calls.append("counted"), self._abandon,
            lambda: self.calls.append("freed"),
        )  # fmt: skip
        #: Held as long as requests go on in C code, where nothing can be raised.
        self.end = threading.Lock()
        self.end.acquire()

    def _abandon(self, _req: Request) -> None:
        self.abandoning.set()
        self.answered.wait()
        self.calls.append("abandoned")

    def begin(self) -> threading.Thread:
        """A request that takes too long."""
        plan = SimpleNamespace(time_limit=LIMIT, steps=(self._step,), content=self._step)
        self.limits.limit(cast(Plan, plan))
        thread = threading.Thread(target=cast("tuple[Step]", plan.steps)[0], args=(request(),))
        thread.start()
        return thread

    def _step(self, _req: Any) -> int:
        with self.end:
            return 0


def request() -> Request:
    """As much of a request as its time needs."""
    return cast(Request, SimpleNamespace(mp_request_time=time.time(), mp_paused=0.0, the_request="", mp_cut=False))


def test_that_one_has_ended_after_all_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch)
    thread = told.begin()
    wait_for(lambda: "stuck" in told.calls, "the request to be given up")
    assert told.calls == ["counted", "abandoned", "stuck"]
    told.end.release()
    thread.join()
    told.limits.close()
    assert told.calls == ["counted", "abandoned", "stuck", "freed"]


def test_one_that_ends_while_it_is_given_up_waits_for_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch)
    told.answered.clear()
    thread = told.begin()
    told.abandoning.wait()
    told.end.release()
    thread.join(4 * LIMIT)
    assert thread.is_alive(), "it is being answered, and would be answered twice"
    told.answered.set()
    thread.join()
    told.limits.close()
    assert sorted(told.calls) == ["abandoned", "counted", "freed", "stuck"]


def test_one_that_has_ended_the_moment_before_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch)
    timed = told.limits._enter(request(), LIMIT)
    timed.fired = True
    told.limits._steps.pop(timed.thread)  # (as `leave` does first)
    told.limits._look_at(timed, timed.deadline + 1.0)
    assert not told.calls
    assert not (timed.given_up or timed.firing)
