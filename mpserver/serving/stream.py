"""The stream of a connection: receiving, and sending all of it (waiting for a slow client) or what the client takes."""

from __future__ import annotations

import _socket
import select
import time
from collections.abc import Callable

from mpserver.api.connection import Connection as ConnectionObject
from mpserver.api.parts import Begun, FilePart, Part
from mpserver.errors import ClientGone
from mpserver.http1.response import chunked_beginning
from mpserver.modules.core import response_room
from mpserver.serving.slow_reading import SlowReading
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.stream import Encryption
    from mpserver.phases.host import Host
    from mpserver.serving.backlog import Backlog
    from mpserver.serving.owner import Owner

#: send: more follows at once, so the kernel needn't send what is less than a segment.
MORE = getattr(_socket, "MSG_MORE", 0)
#: So many bytes of a complete response stay in memory without further ado.
SMALL = 1 << 17


class Stream:
    """Implements `mpserver.api.stream.Link` for the requests of a connection; subclasses set the attributes."""

    __slots__ = (
        "_backlog", "_outgoing", "buffer", "fd", "keep_alive", "owner", "send_file", "slow", "sock", "timeout", "tls",
    )  # fmt: skip

    owner: Owner
    sock: _socket.socket
    #: The descriptor of ``sock``.
    fd: int
    #: Sends a part of a file: see the function `send_file`.
    send_file: Callable[[int, FilePart], int]
    #: What is known of the connection's encryption; None: it has none.
    tls: Encryption | None
    #: Timeout, in seconds: how long a client may be silent within a request or a response.
    timeout: float
    #: The server of the request, and what is slow to come of that.
    host: Host
    slow: SlowReading | None
    #: Whether the connection may serve another request.
    keep_alive: bool
    #: What was read and belongs to no request yet.
    buffer: bytes
    #: What the client has not taken yet of a complete response; and of one whose handler runs, None: there was nothing.
    _outgoing: list[Part]
    _backlog: Backlog | None

    #: See `mpserver.api.stream.Link`.
    lets_wait = False

    @property
    def is_behind(self) -> bool:
        """See `mpserver.api.stream.Link`."""
        return self._backlog is not None

    def connection(self) -> ConnectionObject:
        """The object for ``req.connection``."""
        raise NotImplementedError

    # ---- sending

    def hold(self, head: bytes, body: bytes) -> bool:
        """Keep the beginning of a response for its end; see `Link.hold`."""
        delayed_flush = self.owner.delayed_flush
        if delayed_flush is None or self._backlog is not None:  # (that one sends straight to the client)
            return False
        if delayed_flush.long == self.owner.began:
            return False
        delayed_flush.hold(self, (head, body))
        return True

    def send_held(self, data: bytes) -> int:
        """Send what was held, in the delayed flush's thread.

        :returns: how much of it the client took.
        :raises OSError: the client is gone, or (BlockingIOError) takes nothing now.
        """
        return self.sock.send(data)

    def take_held(self) -> Begun | None:
        """What `hold` keeps, None where it is on its way."""
        delayed_flush = self.owner.delayed_flush
        return delayed_flush.take() if delayed_flush is not None and delayed_flush.held is self else None

    def release_held(self) -> None:
        """Send the beginning of a response whose end will not come."""
        try:
            self.send([])
        except ClientGone:
            pass  # nobody is there to see it

    def send(self, parts: list[Part]) -> None:
        """Send all now; what the client does not take at once is kept and follows, see `Link.send`.

        :raises ClientGone: the client left, or took nothing within Timeout.
        """
        begun = self.take_held()
        if begun is not None:
            parts = [chunked_beginning(*begun), *parts]
        if self._backlog is None:
            try:
                parts = self._send_now(parts)
            except OSError as error:
                self.keep_alive = False
                raise ClientGone(f"the client closed the connection ({error.strerror})") from error
            if not parts:
                return
            self._backlog = self._fall_behind()
        try:
            self._backlog.send(parts)
        except ClientGone:
            self.keep_alive = False
            raise

    def await_sent(self) -> None:
        """Wait until the client has taken all; see `Link.await_sent`."""
        if self._backlog is not None:
            try:
                self._backlog.drain()
            except ClientGone:
                self.keep_alive = False
                raise

    def may_wait(self) -> bool:
        """Whether who writes may wait for the client."""
        return True

    def _fall_behind(self) -> Backlog:
        """The client is slower than its request's handler."""
        from mpserver.serving.backlog import Backlog  # (few clients are)

        owner, room = self.owner, response_room(self.host.server.conf)
        return Backlog(self, room, owner.courier, owner.slow_clients, self.host.log, self.may_wait)

    def _send_now(self, parts: list[Part]) -> list[Part]:
        """Send what the client takes now. :returns: the rest. :raises OSError: it is gone."""
        for index, part in enumerate(parts):
            try:
                if isinstance(part, FilePart):
                    while part.length:
                        self.send_file(self.fd, part)
                    part.close()
                    continue
                # a file that follows shares the segment
                sent = self.sock.send(part, MORE if index + 1 < len(parts) else 0)
                if sent < len(part):
                    return [part[sent:], *parts[index + 1 :]]
            except BlockingIOError:
                return parts[index:]
            except BaseException:
                close_files(parts[index:])
                raise
        return []

    def wait_for_client(self, event: int, left: float = float("inf")) -> None:
        """Block until the socket is ready for an event of ``select.poll``.

        :param left: how long it may take at most, in seconds.
        :raises ClientGone: it was not within that time, or within Timeout.
        """
        poll = select.poll()
        poll.register(self.fd, event)
        if left <= 0.0 or not poll.poll(min(self.timeout, left) * 1000):
            self.keep_alive = False
            text = f"the client was silent for {self.timeout:g} s (Timeout)"
            if left < self.timeout:
                text = "the client did not send the request's body in time (RequestReadTimeout)"
            raise ClientGone(text) from TimeoutError()

    def finish(self, parts: list[Part]) -> None:
        """Send all; what the client does not take at once goes out from the loop."""
        try:
            if self._backlog is None:
                parts = self._send_now(parts)
                if sum(len(part) for part in parts if not isinstance(part, FilePart)) <= SMALL:
                    self._outgoing = parts
                    return
                self._backlog = self._fall_behind()  # (a long one does not stay in memory)
            self._outgoing = self._backlog.finish(parts)
            if not self._outgoing:
                self._forget_backlog()
        except OSError:
            self.keep_alive = False
            self.connection().mp_aborted = 1

    def finish_whole(self, data: bytes) -> None:
        """`finish` for a response that is one piece of bytes: the usual one."""
        if self._backlog is not None:
            self.finish([data])
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.keep_alive = False
            self.connection().mp_aborted = 1
            return
        if sent < len(data):
            rest = data[sent:]
            if len(rest) > SMALL:
                self.finish([rest])
            else:
                self._outgoing = [rest]

    def _forget_backlog(self) -> None:
        """Nothing is left of the response."""
        if self._backlog is not None:
            self._backlog.drop()
            self._backlog = None

    # ---- receiving

    def receive(self) -> bytes:
        """Wait for bytes of the body.

        :raises ClientGone: none came within Timeout, or the client left.
        """
        try:
            data = self._receive_in_time()
        except ClientGone as error:
            silent = isinstance(error.__cause__, TimeoutError)
            why = "Timeout?" if silent else "the client closed the connection"
            raise ClientGone(f"Client read error ({why})") from error
        if not data:
            self.keep_alive = False
            raise ClientGone("Client read error (the client closed the connection)")
        return data

    def _receive_in_time(self) -> bytes:
        """As `receive_any`, for a body: all of it has its time, by RequestReadTimeout."""
        stage = self.host.read_timeouts.body
        if not stage.first:
            return self.receive_any()
        while True:
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:  # (over TLS also where something has come: not all of a record)
                slow = self.slow
                if slow is None:
                    slow = self.slow = SlowReading(stage, time.monotonic())
                self.wait_for_client(select.POLLIN, slow.until - time.monotonic())
                continue
            except OSError as error:
                self.keep_alive = False
                raise ClientGone(f"the client closed the connection ({error.strerror})") from error
            if self.slow is not None:
                self.slow.received += len(data)
            return data

    def receive_any(self) -> bytes:
        """Wait for some bytes; empty once the client has closed.

        :raises ClientGone: none came within Timeout (its cause is a TimeoutError), or the client is gone.
        """
        while True:
            try:
                return self.sock.recv(65536)
            except BlockingIOError:
                self.wait_for_client(select.POLLIN)
            except OSError as error:
                self.keep_alive = False
                raise ClientGone(f"the client closed the connection ({error.strerror})") from error

    def take_read(self) -> bytes:
        """What was read and belongs to no request yet."""
        data, self.buffer = self.buffer, b""
        return data

    def unread(self, data: bytes) -> None:
        """Put back bytes that belong to the next request."""
        self.buffer = data + self.buffer


def send_file(fd: int, part: FilePart) -> int:
    """Send as much of a file as the socket ``fd`` takes now, and advance ``part`` by it.

    :returns: how many bytes.
    :raises OSError: the client is gone, or takes nothing now; or the file ends before its announced length.
    """
    sent = part.send_to(fd)
    if sent == 0:
        raise ConnectionAbortedError(0, "the file became shorter while it was sent")
    part.offset += sent
    part.length -= sent
    return sent


def size_of(parts: list[Part]) -> int:
    """How many bytes are left to be sent."""
    return sum(part.length if isinstance(part, FilePart) else len(part) for part in parts)


def close_files(parts: list[Part]) -> None:
    """Close the files among parts that will not be sent."""
    for part in parts:
        if isinstance(part, FilePart):
            part.close()
