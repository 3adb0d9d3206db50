"""Each part of a request has its own time, whatever an earlier request of its connection took."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any, cast

from mpserver.config.configuration import load
from mpserver.http1.head import Head
from mpserver.modules.all import registry
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.survey import finish
from mpserver.serving.connection import EARLY_BODY, Connection
from mpserver.serving.owner import Owner
from mpserver.system.loop import READ
from support.waiting import wait_for

#: Longer than the loop waits for, so that its handler reads it.
LONG = EARLY_BODY + 1
TIME = 5.0


class Loop:
    """Remembers nothing; its time is the test's."""

    now, next_sweep = time.monotonic(), 0.0

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments: None


class Reading:
    """An owner whose handler reads a body, beginning before anything of it is here."""

    draining = False
    delayed_flush = courier = slow_clients = None

    def __init__(self, folder: Path) -> None:
        (folder / "httpd.conf").write_text(f"DocumentRoot {folder}\nRequestReadTimeout body={TIME:g}\n")
        read = load("httpd.conf", registry(), root=str(folder))
        self.host_of = Pipeline(finish(read), {}, 0, None, {}).planner.host_of
        self.loop = Loop()
        self.bodies: list[bytes] = []
        self.begun = threading.Event()

    def serve(self, connection: Connection, head: Head) -> None:
        """A request is here."""
        connection.take_head(head)
        body = connection.take_body(head, 0)
        self.begun.set()
        self.bodies.append(body.read(head.length))
        connection.done()


def test_a_body_has_its_time_after_one_that_came_slowly(tmp_path: Path) -> None:
    owner = Reading(tmp_path)
    ours, client = socket.socketpair()
    with ours, client:
        connection = Connection(cast(Owner, owner), ours, 1, peer=("127.0.0.1", 1), local=("127.0.0.1", 80))

        def send() -> None:
            owner.begun.wait(TIME)
            wait_for(lambda: connection.slow is not None, "the handler to wait for the body")
            client.sendall(b"x" * LONG)

        sender = threading.Thread(target=send)
        sender.start()
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LONG)
        connection.on_event(READ)
        sender.join()
        assert owner.bodies == [b"x" * LONG]
        owner.loop.now = time.monotonic() + 10 * TIME
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx")
        connection.on_event(READ)
        assert owner.loop.now < connection.deadline <= owner.loop.now + TIME
        client.sendall(b"yz")
        connection.on_event(READ)
        assert owner.bodies == [b"x" * LONG, b"xyz"]
