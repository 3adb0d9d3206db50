"""Jobs of the master: one that fails ends neither the master nor the jobs behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mpserver.supervisor.jobs import Jobs, Questions, Steps, UntilCalled


class Worker:
    """One that can't be asked."""

    pid = 1

    def ask(self, _what: object, _number: int, _fd: int) -> bool:
        """What is asked is nothing to be sent."""
        raise ValueError("unmarshallable")


def _refuse(_told: Callable[[Any], None]) -> None:
    raise ValueError("it does not begin")


WANTED: Mapping[str, Any] = {"question": Questions({Worker(): ("alive",)}), "call": UntilCalled(_refuse)}  # type: ignore[dict-item]


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
def test_what_a_job_wants_and_can_not_have_is_its_own_to_tell(wanted: Any) -> None:
    jobs, told = Jobs(), list[str]()

    def fails() -> Steps:
        try:
            yield wanted
        except ValueError as error:
            told.append(str(error))

    def follows() -> Steps:
        yield from ()
        told.append("the next")

    jobs.enqueue(fails())
    jobs.enqueue(follows(), lambda: told.append("over"))
    assert told[1:] == ["the next", "over"]
    assert told[0] in ("unmarshallable", "it does not begin")
    assert jobs.deadline() == float("inf")
