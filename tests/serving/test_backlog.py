"""What waits beside a handler, over real sockets: a response that has outgrown memory, and clients that give up."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from mpserver.api.error_log import ErrorLog
from mpserver.api.parts import FilePart, Part
from mpserver.errors import ClientGone
from mpserver.modules.core import ResponseRoom
from mpserver.serving.backlog import Backlog
from mpserver.serving.courier import Courier
from mpserver.serving.stream import Stream, send_file
from support.waiting import PATIENCE, wait_for

#: One piece of a response: lines of 16 bytes that are alike.
LINES = 4096


class Link:
    """The server's end of a connection, with a client's."""

    sock: Any
    send_file: Any

    def __init__(self, timeout: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.sock, _ = listener.accept()
        self.sock.setblocking(False)
        self.fd, self.timeout, self.send_file = self.sock.fileno(), timeout, send_file

    def close(self) -> None:
        """Close both ends."""
        self.client.close()
        self.sock.close()


@pytest.fixture
def courier() -> Iterator[Courier]:
    """What sends beside the handler."""
    courier = Courier("test")
    yield courier
    courier.stop()


def backlog(link: Link, courier: Courier, room: ResponseRoom) -> Backlog:
    """The backlog of a connection."""
    return Backlog(link, room, courier, None, cast(ErrorLog, None))


def piece(number: int) -> bytes:
    """A piece that differs from all others."""
    return (b"%015d\n" % number) * LINES


def test_what_was_sent_is_not_written_over(tmp_path: Path, courier: Courier) -> None:
    """The file is a ring, and the kernel may still have to send what it was given of it."""
    link, received = Link(30.0), bytearray()

    def read() -> None:
        while data := link.client.recv(1 << 16):
            received.extend(data)
            time.sleep(0.001)

    kept = backlog(link, courier, ResponseRoom(1 << 20, str(tmp_path), 1 << 20))
    reader = threading.Thread(target=read)
    reader.start()
    pieces = [piece(number) for number in range(400)]
    for data in pieces:
        kept.send([data])
    kept.drain()
    assert kept.finish([]) == []
    kept.drop()
    link.sock.close()
    reader.join()
    link.close()
    assert received == b"".join(pieces)


def test_a_response_that_was_dropped_is_no_whole_one(tmp_path: Path, courier: Courier) -> None:
    """Where its client took nothing within Timeout, nothing that follows may be taken for its rest."""
    link = Link(0.2)
    kept = backlog(link, courier, ResponseRoom(1 << 20, str(tmp_path), 64 << 20))
    with contextlib.suppress(ClientGone):  # (where that takes longer)
        kept.send([piece(number) for number in range(200)])
    wait_for(lambda: cast(Any, kept)._failure, "the client to be given up")
    with pytest.raises(ClientGone, match="silent"):
        kept.finish([])
    kept.drop()
    link.close()


def test_all_may_be_sent_while_a_handler_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier, which was about to send, sends all; and the client takes no more for the moment."""
    link = Link(5.0)

    class Absent:
        """A courier of whom the test plays the part."""

        def add(self, _load: object) -> bool:
            return True

        def remove(self, _load: object) -> None:
            pass

    kept = backlog(link, cast(Courier, Absent()), ResponseRoom(10000, str(tmp_path), 1 << 20))
    fill(link.sock)
    kept.send([b"x" * 9000])

    def can_send(self: Backlog, _left: float) -> bool:
        gate = cast(Any, self)._gate
        gate.release()
        try:
            while cast(Any, self)._parts:
                link.client.recv(4096)
                self.go_on()
            fill(link.sock)
        finally:
            gate.acquire()
        return False

    monkeypatch.setattr(Backlog, "_can_send", can_send)
    kept.send([b"y" * 9000])
    kept.drop()
    link.close()


def test_who_may_not_wait(tmp_path: Path) -> None:
    """All that is written is kept, whatever room there is."""
    link = Link(0.0)

    class Full:
        """A client that takes nothing."""

        def send(self, _data: bytes) -> int:
            raise BlockingIOError

    link.sock.close()
    link.sock = Full()
    kept = Backlog(link, ResponseRoom(0, str(tmp_path), 0), None, None, cast(ErrorLog, None), lambda: False)
    for number in range(3):
        kept.send([piece(number), b"end"])
    left = kept.finish([piece(4)])
    assert rest(left) == 4 * len(piece(0)) + 9
    kept.drop()
    link.client.close()


def fill(sock: socket.socket) -> None:
    """Send until nothing is taken any more."""
    for size in (4096, 1):
        try:
            while True:
                sock.send(b"f" * size)
        except BlockingIOError:
            continue


def test_nothing_is_held_before_what_waits(tmp_path: Path, courier: Courier) -> None:
    """The beginning of a response, held for its end, would overtake what the client has not taken yet."""
    link = Link(5.0)

    class Connected(Stream):
        """As far as holding goes."""

    stream = Connected()
    held: list[tuple[bytes, bytes]] = []

    class Held:
        long = 0.0

        def hold(self, _stream: Stream, begun: tuple[bytes, bytes]) -> None:
            held.append(begun)

    class Owner:
        delayed_flush, began = Held(), 1.0

    stream.owner = cast(Any, Owner())
    stream._backlog = None
    assert stream.hold(b"head", b"body")
    stream._backlog = backlog(link, courier, ResponseRoom(1 << 20, str(tmp_path), 0))
    assert not stream.hold(b"head", b"body")
    assert held == [(b"head", b"body")]
    stream._backlog.drop()
    stream._backlog = None
    Held.long = Owner.began  # (what a request flushes that runs for long already leaves at once)
    assert not stream.hold(b"head", b"body")
    assert held == [(b"head", b"body")]
    link.close()


def rest(parts: list[Part]) -> int:
    """How many bytes some parts hold."""
    return sum(part.length if isinstance(part, FilePart) else len(part) for part in parts)


def test_what_is_left_at_the_end_is_all_there(tmp_path: Path, courier: Courier) -> None:
    link = Link(30.0)
    kept = backlog(link, courier, ResponseRoom(1 << 16, str(tmp_path), 64 << 20))
    pieces = [piece(number) for number in range(300)]
    for data in pieces:
        kept.send([data])
    left = kept.finish([])
    total, taken = sum(map(len, pieces)), 0
    poll = select.poll()
    poll.register(link.client, select.POLLIN)
    while poll.poll(1000 * PATIENCE if taken + rest(left) < total else 200):
        taken += len(link.client.recv(1 << 20))
    assert taken + rest(left) == total
    for part in left:
        if isinstance(part, FilePart):
            part.close()
    kept.drop()
    link.close()
