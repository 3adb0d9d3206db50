"""Connections that go on to an interpreter by the word of another one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mpserver.errors import RequestError
from mpserver.interpreters.handle import InterpreterState
from mpserver.ipc.messages import Kind, Message
from mpserver.ipc.plain_data import pack
from mpserver.phases.plan import InterpreterId
from mpserver.routing.forwarding import Forwarding

HOME = InterpreterId("own", "home")
OTHER = InterpreterId("own", "other")
STRANGE = InterpreterId("strange", "home")


class Pool:
    """A worker's interpreters, where ``HOME`` is the only one."""

    def __init__(self) -> None:
        self.closing, self.held_back, self.queue = False, dict[Any, Any](), 0
        self.given: list[Message] = []
        self.interpreters = {HOME: SimpleNamespace(hand_over=self.given.append, state=InterpreterState.SERVING)}
        self.is_busy = False

    def may_be(self, interpreter_id: InterpreterId) -> bool:
        return interpreter_id.kind == "own"

    def busy(self, interpreter_id: InterpreterId) -> Any:
        return self.interpreters[interpreter_id] if self.is_busy else None

    def use(self, interpreter_id: InterpreterId) -> Any:
        return self.interpreters[interpreter_id]


class Way:
    """What becomes of connections."""

    def __init__(self) -> None:
        self.pool = Pool()
        self.passed, self.returned, self.lines = list[Message](), list[Message](), list[str]()
        self.refused: list[tuple[Message, RequestError]] = []
        self.sibling_is_free = False
        siblings = SimpleNamespace(pass_on=self._pass_on)
        log = SimpleNamespace(log=lambda _level, text: self.lines.append(text))
        parts: list[Any] = [self.pool, siblings, SimpleNamespace(now=0.0), log, self.returned.append, self._refuse]
        self.forwarding = Forwarding(*parts)

    def _refuse(self, message: Message, error: RequestError) -> None:
        self.refused.append((message, error))

    def _pass_on(self, _busy: Any, message: Message, _now: float) -> bool:
        if self.sibling_is_free:
            self.passed.append(message)
        return self.sibling_is_free


def message(interpreter_id: InterpreterId = HOME, state: bytes = b"", **changed: Any) -> Message:
    whole = Message(Kind.MOVED, 7, b"GET / HTTP/1.1\r\n\r\n", 3, 1, 2.0, pack((interpreter_id, state)))
    return whole._replace(**changed)


def at_home(state: bytes = b"") -> Message:
    return message()._replace(kind=Kind.CONNECTION, state=state)


@pytest.fixture(name="way")
def make_way() -> Way:
    return Way()


def test_a_request_that_belongs_elsewhere_goes_there_unread(way: Way) -> None:
    for _ in range(2):  # (the second time its interpreter is known)
        way.forwarding.go_on(message())
    assert way.pool.given == [at_home()] * 2
    assert way.returned == []


def test_a_request_that_has_begun_takes_its_state_along(way: Way) -> None:
    way.pool.closing = True
    way.forwarding.go_on(message(state=b"begun"))
    assert way.pool.given == [at_home(b"begun")]


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"closing": True},
        {"held_back": {OTHER: (1.0, "it crashes")}},
        {"queue": 5},
        {"interpreters": {}},
        {"interpreters": {HOME: SimpleNamespace(state=InterpreterState.STARTING)}},
    ],
    ids=["closing", "held back", "queue", "not there", "starting"],
)
def test_where_more_is_to_be_looked_at_the_router_begins_anew(way: Way, change: dict[str, Any], is_known: bool) -> None:
    if is_known:
        way.forwarding.go_on(message())
        way.pool.given.clear()
    vars(way.pool).update(change)
    way.forwarding.go_on(message())
    assert way.pool.given == []
    assert way.returned == [at_home()]


@pytest.mark.parametrize("change", [{"served": 0}, {"fd": -1}], ids=["first request", "no descriptor"])
def test_the_router_looks_at_connections_that_are_not_usual(way: Way, change: dict[str, Any]) -> None:
    way.forwarding.go_on(message(**change))
    assert way.pool.given == []
    assert way.returned == [at_home()._replace(**change)]


def test_where_the_interpreter_is_busy_a_sibling_may_have_it(way: Way) -> None:
    way.pool.is_busy = True
    way.forwarding.go_on(message())
    assert way.pool.given == [at_home()]
    way.sibling_is_free = True
    way.forwarding.go_on(message())
    assert way.passed == [at_home()]
    way.forwarding.go_on(message(luggage=b"kept"))
    way.forwarding.go_on(message(), passed=True)
    assert len(way.passed) == 1
    assert len(way.pool.given) == 3


@pytest.mark.parametrize("state", [pack((STRANGE, b"")), b"nothing of ours"], ids=["strange", "no state"])
def test_what_is_for_no_interpreter_is_refused(way: Way, state: bytes) -> None:
    way.forwarding.go_on(message()._replace(state=state))
    assert way.pool.given == []
    ((refused, error),) = way.refused
    assert (refused.fd, error.status, error.line) == (7, 500, "GET / HTTP/1.1")
    assert "could not go on" in way.lines[0]


def test_a_sibling_is_told_where_a_request_goes_on(way: Way) -> None:
    way.pool.is_busy = way.sibling_is_free = True
    way.forwarding.go_on(message(state=b"begun"))
    [passed] = way.passed
    assert passed == message(state=b"begun")._replace(kind=Kind.CONNECTION)
    there = Way()
    there.forwarding.go_on(passed, True)
    assert there.pool.given == [at_home(b"begun")]
    assert there.refused == []
