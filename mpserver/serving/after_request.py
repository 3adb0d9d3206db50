"""What becomes of a connection after a request: the rest of the response, the next request, or the connection's end.

Where the server closes the connection, the client must be able to read the answer. If the client is still sending, an
ordinary close would reset the connection, and the answer would be lost (RFC 9112 9.6). So the sending half is closed
first, and what the client sends is thrown away for a while.
"""

from __future__ import annotations

import _socket
import os
from time import monotonic

from mpserver.api.connection import Connection as ConnectionObject
from mpserver.api.input import Input
from mpserver.api.parts import Part
from mpserver.http1.head import Head
from mpserver.serving.states import GONE, IDLE_STATES, LAST_WAIT, LINGERING, READING, SENDING, SKIPPING, WAITING
from mpserver.serving.stream import Stream, close_files, size_of
from mpserver.system.loop import READ, WRITE
from mpserver.typing import Protocol

#: How long a closing connection reads what its client still sends, so that the client can read the answer: seconds
#: in all, and seconds of silence (as long as httpd's lingering close).
LINGER = 30.0
LINGER_SILENCE = 2.0
#: How many bytes that may be: more than most lines carry in that time.
LINGER_BYTES = 1 << 30


class Pending(Protocol):
    """A request that waits for its body; `mpserver.serving.bodies` has those."""

    @property
    def events(self) -> int:
        """What its connection waits for in the loop."""

    def on_event(self) -> None:
        """Its client has sent something, or is gone."""

    def expire(self, now: float) -> None:
        """The deadline of its connection has passed."""

    def dropped(self) -> None:
        """Its connection is closed."""


class AfterRequest(Stream):
    """How requests of a connection end, and the connection; how they begin is in the subclass `Connection`."""

    __slots__ = (
        "_object", "deadline", "input", "keep_alive_timeout", "linger_left", "pending", "place", "previous", "rope",
        "skip", "state", "until",
    )  # fmt: skip

    #: One of `mpserver.serving.states`.
    state: int
    #: When the state ends without the client's doing, in ``time.monotonic()`` seconds.
    deadline: float
    #: When SKIPPING or LINGERING ends, whatever comes.
    until: float
    #: KeepAliveTimeout, in seconds.
    keep_alive_timeout: float
    #: The head of the last request.
    previous: Head | None
    #: The body of the running request.
    input: Input | None
    #: The request that waits for its body, or has waited and is about to be served; None: there is none.
    pending: Pending | None
    #: How many bytes of the last request's body are thrown away when they come.
    skip: int
    #: How many bytes LINGERING may still read.
    linger_left: int
    #: See `mpserver.ipc.messages.Message.rope`.
    rope: int
    #: See `mpserver.ipc.messages.Message.place`.
    place: int
    #: Among those of all workers.
    number: int
    _object: ConnectionObject | None
    _outgoing: list[Part]

    def advance(self) -> None:
        """Serve the requests that are complete in the buffer."""
        raise NotImplementedError

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        raise NotImplementedError

    def done(self) -> None:
        """The request is over: send the rest, then wait for the next or close."""
        body = self.input
        if body is not None:
            self.input = None
            self.leave_body(body)
        if self._object is not None:
            if self._object.mp_incoming is not None:
                self.leave_stream()
            if self._object.mp_aborted:
                if self._backlog is not None and not self._outgoing:
                    self._outgoing = self._backlog.rest()  # what was written before it failed reaches the client
                if not self._outgoing:
                    self.close()
                    return
        if self._outgoing:
            self.state = SENDING
            self.deadline = monotonic() + self.timeout
            self.owner.loop.hasten(self.deadline)
            self.owner.loop.change(self.fd, WRITE)
        elif self.keep_alive and not (self.buffer or self.skip):
            # as `_sent`, for the usual client, which waits for the answer
            self.state = WAITING
            self.deadline = deadline = monotonic() + self.keep_alive_timeout
            loop = self.owner.loop
            if deadline < loop.next_sweep:
                loop.hasten(deadline)
        else:
            self._sent()

    def _sent(self) -> None:
        if not self.keep_alive:
            asked = self.previous
            if asked is None or asked.keep_alive or asked.length or self.buffer:
                self.linger()
            else:
                self.close()  # it is the client that wanted it, so it sends nothing that would make it a reset
            return
        now = monotonic()  # not the loop's time: the handler may have taken long
        if self.skip:
            self.state = SKIPPING
            self.until = self.deadline = now + (min(self.timeout, LAST_WAIT) if self.owner.draining else self.timeout)
            self.owner.loop.hasten(self.deadline)
            return
        if self.buffer and self.buffer != b"\r\n":  # (some old clients end a body with a line of its own)
            self.state = READING
            self.deadline = now + self.timeout
            return
        self.buffer = b""
        self.state = WAITING
        self.deadline = now + self.keep_alive_timeout
        self.owner.loop.hasten(self.deadline)

    def send_more(self) -> None:
        """SENDING, and the client takes more."""
        parts, self._outgoing = self._outgoing, []
        before = size_of(parts)
        try:
            self._outgoing = self._send_now(parts)
        except OSError:
            self.close()
            return
        if self._outgoing:
            if size_of(self._outgoing) < before:
                self.deadline = self.owner.loop.now + self.timeout
            return
        self._forget_backlog()
        if self._object is not None and self._object.mp_aborted:
            self.close()
            return
        self.owner.loop.change(self.fd, READ)
        self._sent()
        if self.state == READING:
            self.advance()

    def leave_body(self, body: Input) -> None:
        """Have the rest of a finished request's body thrown away, or the connection closed where its end is unknown."""
        body.close()
        if self.keep_alive and not body.complete:
            if body.settle():
                self.skip = body.missing
            else:
                self.keep_alive = False

    @property
    def is_taken(self) -> bool:
        """Whether the running request has read or written the connection itself."""
        return self._object is not None and self._object.mp_incoming is not None

    def leave_stream(self) -> None:
        """The request is over that has read the connection itself: what it left belongs to the next one."""
        if self._object is not None and self._object.mp_incoming is not None:
            self.buffer = self._object.mp_incoming.rest + self.buffer
            self._object.mp_incoming = None

    def skip_body(self) -> None:
        """SKIPPING, and more of the body is here.

        :raises OSError: the client is gone; it has sent nothing after all where that is a BlockingIOError.
        """
        data = self.sock.recv(65536)
        if not data:
            self.close()
            return
        skip = self.skip
        if len(data) < skip:
            self.skip = skip - len(data)
            return
        self.skip = 0
        self.buffer = data[skip:]
        self._sent()
        if self.state == READING:
            self.advance()

    def read_body(self) -> None:
        """AWAITING, and more of the body is here."""
        if self.pending is not None:
            self.pending.on_event()

    def let_be(self) -> None:
        """IN_THREAD: the client had said something as it left the loop, which sees that again once it is back."""

    def linger(self) -> None:
        """Close so that the client can still read the answer: it may be sending (RFC 9112 9.6)."""
        try:
            self.sock.shutdown(_socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.state = LINGERING
        now = monotonic()  # not the loop's time: the handler may have taken long
        self.until = now + (LAST_WAIT if self.owner.draining else LINGER)
        self.deadline = now + LINGER_SILENCE
        self.owner.loop.hasten(self.deadline)
        self.read_lingering()

    def read_lingering(self) -> None:
        """LINGERING, and the client may have sent something, or closed."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.linger_left -= len(data)
        if not data or self.linger_left < 0:
            self.close()
        else:
            self.deadline = min(self.owner.loop.now + LINGER_SILENCE, self.until)

    def hurry(self, limit: float) -> None:
        """The owner ends: what only waits for its client is over at ``limit`` (``time.monotonic()`` seconds)."""
        if self.state in IDLE_STATES:
            self.until = min(self.until, limit)
            self.deadline = min(self.deadline, limit)

    def release(self) -> None:
        """Leave the owner's loop; the socket stays open, for another owner."""
        if self.state == GONE:
            return
        self.state = GONE
        if self._object is not None:
            self._object.mp_take_over = None  # (it knows us: so all that we have would wait for the garbage collector)
        self._forget_backlog()
        self.owner.loop.remove(self.fd)
        self.owner.loop.unwatch(self)
        self.owner.closed(self)

    def close(self) -> None:
        """Close at once."""
        if self.state == GONE:
            return
        self.release()
        close_files(self._outgoing)
        self._outgoing = []
        if self.pending is not None:
            pending, self.pending = self.pending, None
            pending.dropped()
        if self.place:
            self.owner.addresses.leave(self.place, self.number)
        self.let_go()
        self.sock.close()

    def let_go(self) -> None:
        """Close our end of the rope: whoever has the other one hears that the request is over."""
        if self.rope >= 0:
            os.close(self.rope)
            self.rope = -1
