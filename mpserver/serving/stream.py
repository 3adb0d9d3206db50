"""Sending over a connection: at once, waiting for a slow client, or as far as the client takes it now."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

from mpserver.api.connection import Connection as ConnectionObject
from mpserver.api.parts import Begun, FilePart, Part
from mpserver.errors import ClientGone
from mpserver.http1.response import chunked_beginning
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.serving.delayed_flush import DelayedFlush

#: send: more follows at once, so the kernel needn't send what is less than a segment.
MORE = getattr(socket, "MSG_MORE", 0)


class Sending:
    """The sending half of a connection's `mpserver.api.stream.Link`; the connection gives all of it a value."""

    __slots__ = ("_outgoing", "fd", "keep_alive", "owner", "sock", "timeout")

    #: A `mpserver.serving.connection.Owner`.
    owner: Any
    sock: socket.SocketType
    fd: int
    timeout: float
    keep_alive: bool
    #: What the client has not taken yet.
    _outgoing: list[Part]

    def connection(self) -> ConnectionObject:
        """The object for ``req.connection``."""
        raise NotImplementedError

    def hold(self, head: bytes, body: bytes) -> bool:
        """Keep the beginning of a response for its end; see `Link.hold`."""
        delayed_flush: DelayedFlush | None = self.owner.delayed_flush
        if delayed_flush is None:
            return False
        delayed_flush.hold(self, (head, body))
        return True

    def send_held(self, data: bytes) -> int:
        """Send what was held, in the delayed flush's thread. :returns: how much of it the client took."""
        return self.sock.send(data)

    def take_held(self) -> Begun | None:
        """What `hold` keeps, None where it is on its way."""
        delayed_flush: DelayedFlush | None = self.owner.delayed_flush
        return delayed_flush.take() if delayed_flush is not None and delayed_flush.held is self else None

    def send(self, parts: list[Part]) -> None:
        """Send all now, waiting for a slow client up to Timeout; see `Link.send`. :raises ClientGone: it is gone."""
        begun = self.take_held()
        if begun is not None:
            parts = [chunked_beginning(*begun), *parts]
        for index, part in enumerate(parts):
            try:
                if isinstance(part, FilePart):
                    self._send_whole_file(part)
                else:
                    self._send_bytes(part)
            except BaseException:
                close_files(parts[index:])
                raise

    def release_held(self) -> None:
        """Send the beginning of a response whose end will not come."""
        try:
            self.send([])
        except ClientGone:
            pass  # nobody is there to see it

    def _send_bytes(self, data: bytes) -> None:
        try:
            sent = self.sock.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            view = memoryview(data)[sent:]
            while view:
                view = view[self._blocking(self.sock.send, view) :]

    def _send_whole_file(self, part: FilePart) -> None:
        while part.length:
            self._blocking(send_file, self.fd, part)
        part.close()

    def _blocking(self, send: Callable[..., int], *arguments: object) -> int:
        while True:
            try:
                return send(*arguments)
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError as error:
                self.keep_alive = False
                raise ClientGone(f"the client closed the connection ({error.strerror})") from error

    def _wait(self, event: int) -> None:
        poll = select.poll()
        poll.register(self.fd, event)
        if not poll.poll(self.timeout * 1000):
            self.keep_alive = False
            raise ClientGone(f"the client was silent for {self.timeout:g} s (Timeout)")

    def finish(self, parts: list[Part]) -> None:
        """Send all; what the client does not take at once goes out from the loop."""
        for index, part in enumerate(parts):
            try:
                if isinstance(part, FilePart):
                    while part.length:
                        send_file(self.fd, part)
                    part.close()
                    continue
                # a file that follows shares the segment
                sent = self.sock.send(part, MORE if index + 1 < len(parts) else 0)
                if sent < len(part):
                    self._outgoing = [part[sent:], *parts[index + 1 :]]
                    return
            except BlockingIOError:
                self._outgoing = parts[index:]
                return
            except OSError:
                close_files(parts[index:])
                self.keep_alive = False
                self.connection().mp_aborted = 1
                return

    def finish_whole(self, data: bytes) -> None:
        """`finish` for a response that is one piece of bytes: the usual one."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.keep_alive = False
            self.connection().mp_aborted = 1
            return
        if sent < len(data):
            self._outgoing = [data[sent:]]


def send_file(fd: int, part: FilePart) -> int:
    sent = os.sendfile(fd, part.fd, part.offset, part.length)
    if sent == 0:
        raise ConnectionAbortedError(0, "the file became shorter while it was sent")
    part.offset += sent
    part.length -= sent
    return sent


def size_of(parts: list[Part]) -> int:
    return sum(part.length if isinstance(part, FilePart) else len(part) for part in parts)


def close_files(parts: list[Part]) -> None:
    for part in parts:
        if isinstance(part, FilePart):
            part.close()
