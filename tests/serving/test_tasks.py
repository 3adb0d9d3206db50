"""The loop of an interpreter with threads, where requests come and go that wait in it."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

from mpserver.api.tasks import Task
from mpserver.ipc import messages
from mpserver.ipc.waiting_requests import NOWHERE
from mpserver.serving.refusals import end_orphaned
from mpserver.serving.states import IN_THREAD, READING
from mpserver.serving.tasks import Tasks
from mpserver.serving.threaded_parts import SharedConnection
from mpserver.system.loop import Loop
from mpserver.system.thread_loop import SharedLoop


def test_a_client_that_speaks_as_its_request_leaves_the_loop() -> None:
    """Both have come before the loop looks: the thread keeps the connection."""
    loop = SharedLoop()
    server, behind = socket.socketpair()
    client, ours = socket.socketpair()
    broken: list[BaseException] = []
    connection = SharedConnection.__new__(SharedConnection)
    connection.owner = cast(Any, SimpleNamespace(broken=lambda _connection, error: broken.append(error), loop=loop))
    connection.sock, connection.fd, connection.state = ours, ours.fileno(), READING

    def leave(_event: int) -> None:
        server.recv(1)
        connection.state = IN_THREAD
        loop.send_away(connection.fd)

    with server, behind, client, ours:
        loop.add(server.fileno(), leave)
        loop.add(ours.fileno(), connection.on_event)
        behind.send(b"x")
        client.send(b"x")
        loop.soon(loop.stop)
        loop.run()
        assert connection.state == IN_THREAD
        assert not broken
        assert ours.recv(1) == b"x"
        loop.close()


def test_an_orphan_is_told_once() -> None:
    """So that what it waits for then is not disturbed."""
    loop = Loop()
    inbox, worker = messages.pair()
    told: list[int] = []
    interpreter = SimpleNamespace(loop=loop, inbox=inbox, boot=SimpleNamespace(kind="own"))

    def on_inbox(event: int) -> None:
        told.append(event)
        end_orphaned(cast(Any, interpreter))

    with inbox:
        loop.add(inbox.fileno(), on_inbox)
        worker.close()
        loop.run()
        loop.running = True
        loop.soon(loop.stop)
        loop.run()
        assert len(told) == 1
        loop.close()


def test_the_last_request_of_a_connection_knows_that() -> None:
    """Its task may send the head of the answer: where the interpreter ends, that says so."""
    told: list[bool] = []

    def task() -> Task:
        told.append(connection.keep_alive)
        yield from ()
        return 0

    interpreter = SimpleNamespace(
        draining=True, loop=SharedLoop(), ended=lambda _req: None,
        pipeline=SimpleNamespace(complete=lambda _req, _status: None),
        scoreboard_entry=SimpleNamespace(stands=lambda _since, _head: NOWHERE, goes=lambda _place: None),
    )  # fmt: skip
    connection: Any = SimpleNamespace(
        keep_alive=True, state=READING, pending=None, rope=-1, owner=interpreter, advance=lambda: None,
        done=lambda: told.append(connection.keep_alive),
    )  # fmt: skip
    req = SimpleNamespace(mp_started=False, mp_request_time=0.0, mp_head=SimpleNamespace(raw=b""))
    Tasks(cast(Any, interpreter)).wait(connection, cast(Any, req), task())
    interpreter.loop.close()
    assert told == [False, False]
