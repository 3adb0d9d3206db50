"""What an interpreter tells its worker while no descriptor is left: it arrives when there is one again."""

from __future__ import annotations

import errno
import os
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.ipc import messages
from mpserver.serving import unsent
from mpserver.system.loop import Loop


@pytest.mark.parametrize("here", [True, False], ids=["the loop's thread", "another"])
def test_it_arrives_later(monkeypatch: pytest.MonkeyPatch, here: bool) -> None:
    monkeypatch.setattr(unsent, "AGAIN", 0.01)
    ours, theirs = messages.pair()
    loop = Loop()
    told: list[str] = []
    shed: list[int] = []
    left = [3]
    create = os.memfd_create

    def crowded(*arguments: Any) -> int:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EMFILE, "full")
        loop.stop()
        return create(*arguments)

    monkeypatch.setattr(os, "memfd_create", crowded)
    interpreter = SimpleNamespace(
        loop=loop, inbox=ours, shed=shed.append, interpreter_id=SimpleNamespace(name="it"),
        log=SimpleNamespace(log=lambda _level, text, **_more: told.append(text)),
    )  # fmt: skip
    waiting = unsent.Unsent(cast(Any, interpreter), threading.get_ident() if here else 0)
    large = messages.Message(messages.Kind.TOLD, state=b"x" * (messages.INLINE + 1))
    waiting.add(large)
    if here:
        waiting.add(large._replace(number=2))
        loop.run()
        assert shed
    with ours, theirs:
        found = messages.receive(theirs)
        assert found is not None
        assert found.state == large.state
        if here:
            second = messages.receive(theirs)
            assert second is not None
            assert second.number == 2
    assert len(told) == 1  # (a line a minute)
    loop.close()
