"""What workers say need not be true, for they run applications: nothing of it ends the master, or holds it up."""

from __future__ import annotations

import os
import socket
import time
from typing import Any, cast

import pytest

from mpserver.interpreters.zygote import refuse_order
from mpserver.ipc import plain_data
from mpserver.ipc.messages import Kind, Message
from mpserver.supervisor.jobs import ANSWERS, Jobs, Questions, Steps
from mpserver.supervisor.worker_handle import WorkerHandle

#: An answer to each command, as an honest worker gives it; of some forms there are two.
HONEST: dict[str, Any] = {
    "alive": {}, "facts": {1: {}}, "leave": None, "recycle": (1, "", None), "reopen": {}, "reopened": {1: ["a line"]},
    "stacks": {1: None}, "trace": ("", b"HTTP/1.1 200 OK", 15),
}  # fmt: skip
FALSE = [(1, "x", None), {1: ["text"]}, [1], "text", {"a": 1}]


class Asked:
    """A worker that is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.pid, self.number = 1, 0

    def ask(self, _what: object, number: int, _fd: int) -> bool:
        """Take the number of the question."""
        self.number = number
        return True


def run(command: str) -> tuple[Jobs, Asked, list[Any]]:
    """A job that asks one worker; what it gets is in the list when it is over."""
    jobs, worker, got = Jobs(), Asked(), []

    def steps() -> Steps:
        answers = yield Questions({cast(WorkerHandle, worker): (command,)}, time.monotonic() + 60)
        got.append(answers[worker])

    jobs.start(steps(), lambda: None)
    return jobs, worker, got


def said(number: int, what: object) -> Message:
    """An answer."""
    return Message(Kind.TOLD, number=number, state=plain_data.pack(what))


@pytest.mark.parametrize("command", ANSWERS)
def test_an_answer_has_the_form_of_its_question(command: str) -> None:
    jobs, worker, got = run(command)
    jobs.answer(cast(WorkerHandle, worker), said(worker.number, HONEST[command]))
    assert got == [HONEST[command]]
    for false in FALSE:
        jobs, worker, got = run(command)
        jobs.answer(cast(WorkerHandle, worker), said(worker.number, false))
        # (it counts as no answer, if it could not have been one)
        assert got == [None] or (got == [false] and type(false) is type(HONEST[command]))


def test_nobody_answers_for_another() -> None:
    jobs, worker, got = run("alive")
    jobs.answer(cast(WorkerHandle, Asked()), said(worker.number, {}))
    assert got == []
    jobs.answer(cast(WorkerHandle, worker), said(worker.number, {}))
    assert got == [{}]


def test_an_order_is_refused_whatever_came_along_with_it() -> None:
    """A file in the place of its inbox, and a socket that takes nothing more."""
    no_socket = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    refuse_order(no_socket, ValueError("no"))
    os.fstat(no_socket)  # (it is the caller's)
    os.close(no_socket)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                theirs.send(b"x" * 1000)
        theirs.setblocking(True)
        refuse_order(theirs.fileno(), ValueError("no"))
        assert ours.recv(10) == b"x" * 10
