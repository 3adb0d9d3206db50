"""One client's connection: reading requests, waiting between them, sending what is left.

The same class serves the router, which only reads the first head, and the interpreters, which
keep the connection. What happens with a request that is ready is the owner's business.

States and what ends them::

    WAITING    between requests     first byte -> READING;  KeepAliveTimeout -> closed
    READING    head or short body   complete -> the owner;  Timeout -> 408 or closed
    SENDING    the rest of a response  sent -> WAITING, SKIPPING or LINGERING;  Timeout -> closed
    SKIPPING   the answer is sent, the rest of a short body comes  its end -> WAITING;  Timeout -> closed
    LINGERING  the client may still read the answer (RFC 9112 9.6)  its end, 2 s of silence, or 30 s -> closed
    GONE       closed, or handed to another owner
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from time import monotonic

from mpserver.api.connection import Address
from mpserver.api.connection import Connection as ConnectionObject
from mpserver.api.input import Input
from mpserver.api.parts import Part
from mpserver.errors import ClientGone, RequestError
from mpserver.http1.body import Body, make_body
from mpserver.http1.head import Head, HeadReader, parse_head
from mpserver.serving.stream import Sending, close_files, size_of
from mpserver.system.loop import READ, WRITE, Loop
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.phases.host import Host
    from mpserver.serving.delayed_flush import DelayedFlush

WAITING, READING, SENDING, SKIPPING, LINGERING, GONE = range(6)

#: A body up to so many bytes is read before the request meets its handler.
EARLY_BODY = 65536
#: A closing connection goes on reading what its client sends, so that this comes to read the answer: for so many
#: seconds in all, and for so many of silence (as long as httpd's lingering close).
LINGER = 30.0
LINGER_SILENCE = 2.0
#: How much that may be: more than comes in that time by most lines.
LINGER_BYTES = 1 << 30
#: How long a connection is kept that only waits for its client, when its owner ends: the client may be about to
#: ask, or still to read the answer, in seconds.
ENDING = 5.0
#: The states in which nothing but the client is waited for.
IDLE = frozenset({WAITING, SKIPPING, LINGERING})


class Owner(Protocol):
    """Who keeps the connection: a router or an interpreter."""

    loop: Loop
    #: Ends connections after their current request.
    draining: bool
    #: Pushes out what was sent to leave soon; None: nothing may wait.
    delayed_flush: DelayedFlush | None

    def host_of(self, local: Address, name: str | None) -> Host:
        """The server for a local address and a Host header."""

    def serve(self, connection: Connection, head: Head) -> None:
        """A request is ready: its head, and up to 64 KiB its body."""

    def refuse(self, connection: Connection, error: RequestError) -> None:
        """A request can't be served as it came: answer and close."""

    def broken(self, connection: Connection, error: Exception) -> None:
        """The server itself failed: log it, and close."""

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""


class Connection(Sending):
    """A client's connection; implements `mpserver.api.stream.Link` for its requests."""

    owner: Owner

    __slots__ = (
        "_object", "accepted", "ahead", "buffer", "carried", "client", "deadline", "default", "head",
        "host", "input", "keep_alive_timeout", "linger_left", "local", "number", "passed",
        "previous", "reader", "requests_left", "served", "skip", "state", "until", "want",
    )  # fmt: skip

    def __init__(
        self, owner: Owner, sock: socket.SocketType, number: int, served: int = 0, data: bytes = b"",
        peer: object = None, local: object = None,
    ) -> None:  # fmt: skip
        """``peer``, ``local``: the client's address and ours, where they are known."""
        self.owner = owner
        self.sock = sock
        sock.setblocking(False)
        self.fd = sock.fileno()
        self.number = number
        self.served = served
        self.accepted = 0.0
        #: It came from a sibling worker, and stays here for this request.
        self.passed = False
        #: What came along with its request from another interpreter, which ran the early phases.
        self.carried = b""
        self.client = _address(peer) if peer is not None else _name(sock.getpeername)
        self.local = _address(local) if local is not None else _name(sock.getsockname)
        self.buffer = data
        self.head: Head | None = None
        self.previous: Head | None = None
        self.reader: HeadReader | None = None
        #: How many bytes must be there before the buffered request is ready; of a chunked body: were looked at.
        self.want = 0
        self.ahead: Body | None = None
        self.keep_alive = False
        self.requests_left = -1
        self.state = READING
        self._object: ConnectionObject | None = None
        self.input: Input | None = None
        self._outgoing: list[Part] = []
        self.linger_left = LINGER_BYTES
        #: Bytes of the last request's body that are thrown away when they come.
        self.skip = 0
        #: When SKIPPING or LINGERING ends, whatever comes.
        self.until = 0.0
        #: The server by the address alone: its Timeout counts until a head is there.
        self.default = owner.host_of(self.local, None)
        self.host = self.default
        self.timeout = self.default.timeout
        self.keep_alive_timeout = self.default.keep_alive_timeout
        self.deadline = owner.loop.now + self.timeout

    # ---- events

    def arrive(self) -> None:
        """As `start`, for one that was just accepted: its client has usually said already what it wants."""
        try:
            self.buffer = self.sock.recv(65536)
            if not self.buffer:
                self.close()
                return
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        self.start()

    def start(self) -> None:
        """Serve what was read already; then wait for the client in the owner's loop, if anything is left to do."""
        if self.buffer:
            self.serve_read()
            if self.state == GONE:
                return
        self.owner.loop.add(self.fd, self.on_event, WRITE if self.state == SENDING else READ)
        self.owner.loop.watch(self)

    def serve_read(self) -> None:
        """Serve what was read already, at its start."""
        try:
            self.advance()
        except Exception as error:
            self.owner.broken(self, error)

    def wait(self) -> None:
        """It has served already, and nothing of its next request is here: KeepAliveTimeout counts."""
        self.state = WAITING
        self.deadline = self.owner.loop.now + self.keep_alive_timeout

    def on_event(self, event: int) -> None:
        """The socket is ready. What goes wrong with one connection must not end the others."""
        try:
            state = self.state
            if state > READING:
                self._others[state](self)  # (nothing comes here in GONE: the loop has forgotten it)
                return
            data = self.sock.recv(65536)
            if not data:
                self.close()
                return
            if state == WAITING:
                self.state = READING
                self.deadline = self.owner.loop.now + self.timeout
            if self.reader is not None:
                self._read_on(self.reader, data)
                return
            self.buffer = self.buffer + data if self.buffer else data
            self.advance()
        except BlockingIOError:
            return
        except ConnectionError:
            self.close()
        except Exception as error:
            self.owner.broken(self, error)

    def _read_on(self, reader: HeadReader, data: bytes) -> None:
        """A head that comes in pieces."""
        try:
            head = reader.feed(data)
        except RequestError as error:
            self.reader = None
            self.owner.refuse(self, error)
            return
        if head is not None:
            self.reader = None
            self.buffer = bytes(reader.buffer)
            self.advance()

    def advance(self) -> None:
        """Serve the requests that are complete in the buffer, one after the other (pipelining)."""
        while self.state == READING and self.buffer:
            head = self.head
            if head is None:
                previous, default = self.previous, self.default
                try:
                    head = parse_head(self.buffer, default.limits, previous or default.recent, default.blocks)
                except RequestError as error:
                    self.owner.refuse(self, error)
                    return
                if head is None:
                    self.reader = HeadReader(default.limits, previous)
                    self.reader.feed(self.buffer)
                    return
                if previous is None:
                    default.recent = head
                    self.choose_host(head)
                elif head.host != previous.host:
                    self.choose_host(head)
                self.previous = head
                if head.length:
                    self.head = head
                    self.want = self._wanted(head)
            if head.length and not self._body_ready(head):
                return
            self.head = None
            self.owner.serve(self, head)

    def choose_host(self, head: Head) -> None:
        """The server for the head's Host is the connection's until another is asked for."""
        self.host = host = self.owner.host_of(self.local, head.host)
        self.timeout = host.timeout
        self.keep_alive_timeout = host.keep_alive_timeout

    def _wanted(self, head: Head) -> int:
        if head.expects_continue:
            return 0
        return head.size + head.length if 0 < head.length <= EARLY_BODY else 0

    def _body_ready(self, head: Head) -> bool:
        """Whether the handler may begin: the body is here, or too long to wait for, or announced by Expect."""
        if head.expects_continue or head.length > EARLY_BODY:
            return True
        if head.length > 0:
            return len(self.buffer) >= self.want
        # chunked: the end shows only in decoding; a decoder of its own looks ahead, at every byte once
        ahead = self.ahead
        if ahead is None:
            self.want = head.size
            ahead = self.ahead = make_body(head)
        try:
            ahead.feed(self.buffer[self.want :])
        except RequestError:
            return True  # the handler's side reports it
        self.want = len(self.buffer)
        return ahead.done or self.want - head.size > EARLY_BODY

    def take_request(self, head: Head, limit: int) -> Input | None:
        """Take the head's bytes, and what came of its body, out of the buffer.

        :param limit: LimitRequestBody, 0 for none.
        :raises RequestError: the body is broken or too long.
        """
        buffer = self.buffer
        self.ahead = None
        self.served += 1
        length = head.length
        self.keep_alive = head.keep_alive and self.host.keep_alive and not self.owner.draining
        maximum = self.host.max_requests
        if maximum:
            self.requests_left = maximum - self.served + 1  # (httpd counts those after the first)
            if self.requests_left <= 0:
                self.keep_alive = False
        else:
            self.requests_left = -1
        if not length:
            self.buffer = buffer[head.size :] if len(buffer) > head.size else b""
            return None
        self.buffer = b""
        start = buffer[head.size :]
        body = Input(self, make_body(head, limit), start, head.expects_continue and not start)
        self.input = body
        return body

    # ---- the link of a request

    def connection(self) -> ConnectionObject:
        """The object for ``req.connection``."""
        if self._object is None:
            self._object = ConnectionObject(self.number, self.client, self.local, self.default.object, self.default.log)
        self._object.mp_keepalives = self.served - 1
        return self._object

    def receive(self) -> bytes:
        """Wait for bytes of the body. :raises ClientGone: none came within Timeout, or the client left."""
        while True:
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:
                try:
                    self._wait(select.POLLIN)
                except ClientGone as error:
                    raise ClientGone("Client read error (Timeout?)") from error
                continue
            except OSError as error:
                self.keep_alive = False
                raise ClientGone("Client read error (the client closed the connection)") from error
            if not data:
                self.keep_alive = False
                raise ClientGone("Client read error (the client closed the connection)")
            return data

    def unread(self, data: bytes) -> None:
        """Bytes of the next request."""
        self.buffer = data + self.buffer

    # ---- after a request

    def done(self) -> None:
        """The request is over: send the rest, then wait for the next or close."""
        body = self.input
        if body is not None:
            self.input = None
            self.leave_body(body)
        if self._object is not None and self._object.mp_aborted:
            self.close()
            return
        if self._outgoing:
            self.state = SENDING
            self.deadline = monotonic() + self.timeout
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
            self.until = self.deadline = now + (min(self.timeout, ENDING) if self.owner.draining else self.timeout)
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

    def _send_more(self) -> None:
        parts, self._outgoing = self._outgoing, []
        before = size_of(parts)
        self.finish(parts)
        if self._object is not None and self._object.mp_aborted:
            self.close()
            return
        if self._outgoing:
            if size_of(self._outgoing) < before:
                self.deadline = self.owner.loop.now + self.timeout
            return
        self.owner.loop.change(self.fd, READ)
        self._sent()
        if self.state == READING:
            self.advance()

    def leave_body(self, body: Input) -> None:
        """The request is over, and this is its body: what is left of it is thrown away, if the head promised that."""
        if self.keep_alive and not body.complete:
            if body.settle():
                self.skip = body.missing
            else:
                self.keep_alive = False

    def _skip_body(self) -> None:
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

    def linger(self) -> None:
        """Close so that the client can still read the answer: it may be sending (RFC 9112 9.6)."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.state = LINGERING
        now = monotonic()  # not the loop's time: the handler may have taken long
        self.until = now + (ENDING if self.owner.draining else LINGER)
        self.deadline = now + LINGER_SILENCE
        self.owner.loop.hasten(self.deadline)
        self._linger()

    def _linger(self) -> None:
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
        """The owner ends: what only waits for its client is over by then (``time.monotonic()`` seconds)."""
        if self.state in IDLE:
            self.until = min(self.until, limit)
            self.deadline = min(self.deadline, limit)

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self.state == WAITING:
            self.on_event(READ)  # its request may have come this moment
            if self.state != WAITING or self.deadline > now:
                return
        if self.state == READING and (self.buffer or self.reader):
            self.reader = None
            self.owner.refuse(self, RequestError(408, "the client did not send the whole request within Timeout"))
            return
        self.close()

    #: What readiness means in the states in which nothing is read for a request.
    _others = {SENDING: _send_more, SKIPPING: _skip_body, LINGERING: _linger}

    def release(self) -> None:
        """Leave the owner's loop; the socket stays open, for another owner."""
        if self.state == GONE:
            return
        self.state = GONE
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
        self.sock.close()


def _name(name: Callable[[], object]) -> Address:
    try:
        return _address(name())
    except OSError:
        return ("", 0)


def _address(found: object) -> Address:
    if not isinstance(found, tuple):
        return ("", 0)
    ip = found[0].removeprefix("::ffff:") if found[0].startswith("::ffff:") else found[0]
    return (ip, found[1])
