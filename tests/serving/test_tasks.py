"""The loop of an interpreter with threads, where requests come and go that wait in it."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

from mpserver.ipc import messages
from mpserver.serving.refusals import end_orphaned
from mpserver.serving.states import IN_THREAD, READING
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
