"""What workers say need not be true, for they run applications: nothing of it ends the master, or holds it up."""

from __future__ import annotations

import os
import socket
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpserver.interpreters.handle import InterpreterState
from mpserver.interpreters.kinds.process import Process
from mpserver.interpreters.zygote import refuse_order
from mpserver.interpreters.zygote_keeper import Keeper
from mpserver.ipc import messages, plain_data
from mpserver.ipc.messages import Kind, Message
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.worker_messages import CHANGED, LEAVING, NEWS, READY, RENEW, SETTLE
from mpserver.supervisor.commands import ChangedFiles
from mpserver.supervisor.jobs import ANSWERS, Jobs, Questions, Steps
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.supervisor.workers import Workers
from support.processes import is_closed

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


@pytest.fixture
def file() -> int:
    """A descriptor that comes along with what is said, and is closed there."""
    return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)


@pytest.mark.parametrize(
    "said",
    [READY, LEAVING, NEWS + messages.encode(Message(Kind.TOLD, number=1))[0]],
    ids=["ready", "leaving", "news"],
)
def test_a_master_keeps_no_descriptors_that_nobody_wants(said: bytes, file: int) -> None:
    heard: list[Message] = []
    events = SimpleNamespace(news=lambda _worker, message: heard.append(message), ready=lambda _worker: None)
    workers = Workers(cast(Any, None), Scoreboard.create(1), cast(Any, None), cast(Any, events), others_serve=False)
    worker = SimpleNamespace(slot=0, generation=SimpleNamespace(failures=0), serves=lambda: None)
    workers._heard(cast(Any, worker), said, [file])
    assert is_closed(file)
    assert all(message.fd == -1 for message in heard)


@pytest.mark.parametrize("said", [RENEW + b"\xff", SETTLE + b"1\xff", b"no plain data"])
def test_an_order_that_is_no_text(said: bytes, file: int) -> None:
    told: list[str] = []
    keeper = Keeper.__new__(Keeper)
    keeper._log = cast(Any, SimpleNamespace(log=lambda _level, text: told.append(text)))
    assert keeper.request(said, [file]) is None
    assert is_closed(file)
    assert told[0].startswith("what a worker said of an interpreter can't be: ")


def test_changes_of_an_interpreter_whose_environment_is_none() -> None:
    enqueued: list[Steps] = []
    master = SimpleNamespace(tell=lambda _level, _text: None, keeper=lambda: None)
    files = ChangedFiles(cast(Any, master), cast(Any, SimpleNamespace(enqueue=enqueued.append)))
    for _ in range(2):
        said = plain_data.pack((("own", "x", ([],)), {"a.py": (1, 2)}))
        files.told(*plain_data.shaped(said, CHANGED))
    assert len(enqueued) == 1


@pytest.mark.parametrize("kind", [Kind.CLOSED, Kind.TRACED, Kind.READY])
def test_a_worker_keeps_no_descriptors_of_processes_that_nobody_wants(kind: Kind, file: int) -> None:
    process = Process.__new__(Process)
    process._sent, process.state = {}, InterpreterState.ENDED
    process._waiting, process._blocked = cast(Any, []), False
    process._events = cast(Any, SimpleNamespace(told=lambda _number, _told: None))
    process._on_message(Message(kind, file, number=1))
    assert is_closed(file)
