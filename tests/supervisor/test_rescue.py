"""What is taken out of workers that hang: they run applications, so nothing of it need be what its marks say."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mpserver.ipc import descriptor_marks, messages, plain_data
from mpserver.ipc.descriptor_marks import ANSWERED, ASKED, BEGUN, INBOX, OUTBOX, Mark
from mpserver.ipc.messages import PROXIED, TRACED, Kind, Message
from mpserver.serving import found_connection
from mpserver.serving.connection import Connection
from mpserver.serving.states import GONE
from mpserver.supervisor import rescue
from support.processes import is_closed, run_code

#: The number that what was found had in its worker.
NUMBER = 10
#: The state of a request that another interpreter is to serve: of all of it, and of the rest of one that has begun.
WHOLE, REST = (plain_data.pack((("own", "other", ()), state)) for state in (b"", b"rest"))


@pytest.fixture
def marks() -> Iterator[int]:
    fd = descriptor_marks.make()
    yield fd
    os.close(fd)


@pytest.fixture
def left(marks: int) -> Callable[[Mark, Message], list[Message]]:
    """What is left of a message that waits in an inbox, by the mark of that."""

    def of(mark: Mark, message: Message) -> list[Message]:
        ours, theirs = messages.pair()
        with theirs:
            messages.send(theirs, message)
        descriptor_marks.write(marks, NUMBER, mark)
        return list(rescue.left([rescue.Found(NUMBER, ours.detach())], marks))

    return of


@pytest.fixture
def client() -> Iterator[int]:
    """A connection of a client."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours.fileno()


@pytest.mark.parametrize("mark", [INBOX, OUTBOX])
def test_what_is_no_inboxis_closed(marks: int, mark: Mark) -> None:
    descriptor_marks.write(marks, NUMBER, mark)
    file = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    assert list(rescue.left([rescue.Found(NUMBER, file)], marks)) == []
    assert is_closed(file)
    unconnected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = unconnected.detach()
    assert list(rescue.left([rescue.Found(NUMBER, fd)], marks)) == []
    assert is_closed(fd)


def test_marks_that_were_cut_say_nothing(marks: int) -> None:
    descriptor_marks.write(marks, NUMBER, INBOX)
    os.ftruncate(marks, NUMBER)
    file = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    assert list(rescue.left([rescue.Found(NUMBER, file)], marks)) == []
    assert is_closed(file)
    assert rescue.collect(os.getpid(), marks) == []


def test_an_inbox_has_an_end_though_somebody_writes_on(marks: int) -> None:
    """A process interpreter outlives its worker, and the master has others to care for."""
    ours, theirs = messages.pair()
    descriptor_marks.write(marks, NUMBER, OUTBOX)
    with theirs:
        for _ in range(2):
            messages.send(theirs, Message(Kind.SPARE, theirs.fileno()))
        count = 0
        for message in rescue.left([rescue.Found(NUMBER, ours.detach())], marks):
            message.close()
            count += 1
            with pytest.raises(BrokenPipeError):
                messages.send(theirs, Message(Kind.SPARE, theirs.fileno()))
    assert count == 2


@pytest.mark.parametrize(
    ("mark", "origin", "kept"),
    [
        (INBOX, PROXIED + b"192.0.2.1 5", True),  # (its next owner knows its client by that)
        (OUTBOX, PROXIED + b"192.0.2.1 5", False),  # (a process may have made it up)
        (INBOX, b"what speaks TLS", False),  # (that is gone with the worker)
        (OUTBOX, b"what speaks TLS", False),
        (INBOX, TRACED + b"x", False),
    ],
)
def test_a_client_of_which_another_has_told(
    left: Callable[[Mark, Message], list[Message]], client: int, mark: Mark, origin: bytes, kept: bool
) -> None:
    found = left(mark, Message(Kind.CONNECTION, client, b"GET", 1, origin=origin))
    assert [(one.kind, one.data, one.origin) for one in found] == ([(Kind.SPARE, b"GET", origin)] if kept else [])
    for one in found:
        one.close()


@pytest.mark.parametrize(
    ("mark", "state", "kind", "data"),
    [
        (OUTBOX, WHOLE, Kind.SPARE, b"GET"),
        (OUTBOX, REST, Kind.UNSERVED, b""),
        (OUTBOX, b"what nobody has packed", Kind.UNSERVED, b""),
        (OUTBOX, b"", Kind.SPARE, b"GET"),
        (INBOX, b"what goes along", Kind.UNSERVED, b""),
    ],
    ids=["whole", "rest", "no state", "none", "from the router"],
)
def test_a_request_on_its_way_to_another_interpreter(
    left: Callable[[Mark, Message], list[Message]], client: int, mark: Mark, state: bytes, kind: Kind, data: bytes
) -> None:
    """It is as good as new, if nothing was done of it."""
    [one] = left(mark, Message(Kind.MOVED, client, b"GET", 1, state=state))
    one.close()
    assert (one.kind, one.data, one.state) == (kind, data, b"")
    assert one.number == (BEGUN if kind == Kind.UNSERVED else 0)


def test_what_another_worker_left_goes_on(left: Callable[[Mark, Message], list[Message]], client: int) -> None:
    """It waits in the control socket of one that hangs as well; no interpreter says such a thing."""
    [one] = left(INBOX, Message(Kind.UNSERVED, client, number=ASKED))
    one.close()
    assert (one.kind, one.number) == (Kind.UNSERVED, ASKED)
    assert left(OUTBOX, Message(Kind.UNSERVED, client, number=ASKED)) == []
    assert left(INBOX, Message(Kind.UNSERVED, number=ASKED)) == []


def test_there_is_room_beside_them() -> None:
    """The master has other things to do, such as to fork the successor."""
    run_code(
        """
        import os, resource
        from mpserver.ipc import descriptor_marks
        from mpserver.supervisor import rescue
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        marks = descriptor_marks.make()
        descriptors = [os.open("/dev/null", os.O_RDONLY) for _ in range(30)]
        for fd in range(64):
            descriptor_marks.write(marks, fd, descriptor_marks.IDLE)
        made = []

        def copy(process, number):
            os.fstat(number)
            made.append(os.dup(number))
            return made[-1]

        rescue._copy = copy
        found = rescue.collect(os.getpid(), marks)
        assert found, found
        assert max(one.fd for one in found) == 47, found
        assert [one.fd for one in found] == made[:-1], (found, made)
        assert [os.dup(marks) for _ in range(2)][-1] == 48  # (the first has that of the pidfd)
        """
    )


def test_a_connection_that_its_worker_gave_away_has_no_mark_any_more(marks: int) -> None:
    """A request that goes on although it was given up: its descriptor's number may be another connection's by now."""
    kind: Any = found_connection.found(Connection, marks)
    connection = kind.__new__(kind)
    connection._marks, connection._entry, connection.state = kind.marks, NUMBER, GONE
    kind.marks[NUMBER] = BEGUN
    connection.release()
    connection._marks[connection._entry] = ANSWERED
    assert os.pread(marks, NUMBER + 1, 0) == bytes(NUMBER + 1)
