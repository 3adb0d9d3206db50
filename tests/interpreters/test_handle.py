"""How a router and an interpreter part, at the level of their messages."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import cast

import pytest

from mpserver.interpreters.handle import Events, InterpreterHandle, InterpreterState
from mpserver.ipc import messages
from mpserver.ipc.messages import Message
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.phases.plan import InterpreterId
from mpserver.serving.boot import Boot
from mpserver.system.loop import Loop


class Held(InterpreterHandle):
    """An interpreter whose end of the inbox the test holds."""

    def _launch(self, theirs: socket.socket) -> None:
        self.theirs = theirs


def a_connection(number: int) -> Message:
    """A message with a descriptor of its own."""
    return Message(messages.Kind.CONNECTION, os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), number=number)


def test_what_an_ending_interpreter_gave_back_comes_back_with_what_it_did_not_take() -> None:
    returned: list[Message] = []

    def unwanted(*_arguments: object) -> None:
        raise AssertionError("this was not to be told")

    loop = Loop()
    ended: list[InterpreterHandle] = []
    events = Events(
        returned.append, unwanted, unwanted, unwanted, unwanted, unwanted, lambda _interp: None, unwanted, unwanted,
        ended.append, unwanted, unwanted, unwanted, unwanted,
    )  # fmt: skip
    ours, control = socket.socketpair()
    board = Scoreboard.create(1)
    boot = SimpleNamespace(
        marks=-1, interpreter_id=InterpreterId("own", "x"), scoreboard=board.fd, slot=0, scoreboard_index=1, logs={}
    )
    with ours, control:
        interp = Held(cast(Boot, boot), loop, events, control)
        messages.send(interp.theirs, Message(messages.Kind.READY))
        interp._receive()
        # it gives one back and hears nothing more, but has not ended yet
        given = a_connection(1)
        messages.send(interp.theirs, given)
        given.close()
        interp.theirs.shutdown(socket.SHUT_RD)
        interp.hand_over(a_connection(2))
        assert [message.number for message in returned] == [1]
        assert not ended
        interp.hand_over(a_connection(3))
        interp.theirs.close()
        interp._receive()
    assert [message.number for message in returned] == [1, 2, 3]
    assert ended == [interp]
    assert interp.state is InterpreterState.ENDED
    for message in returned:
        message.close()
    loop.close()


def test_the_descriptor_of_a_question_is_no_connection() -> None:
    """What a new file of a log comes with goes before the connections that wait, and is closed with the interpreter."""
    failed: list[Message] = []

    def unwanted(*_arguments: object) -> None:
        raise AssertionError("this was not to be told")

    def on_failed(_interp: InterpreterHandle, waiting: list[Message], _why: str, _again: float) -> None:
        failed.extend(waiting)

    loop = Loop()
    events = Events(
        unwanted, unwanted, unwanted, on_failed, unwanted, unwanted, unwanted, unwanted, unwanted,
        lambda _interp: None, unwanted, unwanted, unwanted, unwanted,
    )  # fmt: skip
    ours, control = socket.socketpair()
    board = Scoreboard.create(1)
    boot = SimpleNamespace(
        marks=-1, interpreter_id=InterpreterId("own", "x"), scoreboard=board.fd, slot=0, scoreboard_index=1, logs={}
    )
    with ours, control:
        interp = Held(cast(Boot, boot), loop, events, control)
        interp.hand_over(a_connection(1))
        log = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        interp.ask(unwanted, b"reopen 5", log, first=True)
        assert [message.kind for message in interp._waiting] == [messages.Kind.ASK, messages.Kind.CONNECTION]
        interp.theirs.close()
        interp._receive()
    assert [(message.kind, message.number) for message in failed] == [(messages.Kind.CONNECTION, 1)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(log)
    failed[0].close()
    loop.close()
