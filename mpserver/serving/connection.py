"""One client's connection: reading requests, waiting between them, sending what is left.

The same class serves the router and the interpreters. The router reads the first head of a connection, with a short
body where one comes along, and the next head of a connection that came back to it; then it hands the connection over.
Interpreters keep it, and read all further requests; in a process by a subclass
(`mpserver.serving.tracked_connection.TrackedConnection`). What happens with a request that is ready is the owner's
business (`mpserver.serving.owner`). `mpserver.serving.states` tells what the states are.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable

from mpserver.api.connection import Address
from mpserver.api.connection import Connection as ConnectionObject
from mpserver.api.constants import AP_CONN_UNKNOWN
from mpserver.api.input import Input
from mpserver.errors import ClientLeft, RequestError
from mpserver.http1.body import Body, make_body
from mpserver.http1.head import Head, HeadReader, parse_head
from mpserver.ipc.messages import PROXIED, TRACED
from mpserver.serving.addresses import FILE_CLIENT, FILE_SERVER, address_of, name_of
from mpserver.serving.after_request import LINGER_BYTES, AfterRequest
from mpserver.serving.slow_reading import SlowReading, first_line
from mpserver.serving.states import AWAITING, GONE, IN_THREAD, LINGERING, READING, SENDING, SKIPPING, WAITING
from mpserver.serving.stream import send_file
from mpserver.system.loop import READ, WRITE
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.connection_stream import Incoming
    from mpserver.modules.reqtimeout import Stage
    from mpserver.serving.owner import Owner
    from mpserver.tls.channel import Channel

#: A body up to so many bytes is read before the request meets its handler.
EARLY_BODY = 65536


class Connection(AfterRequest):
    """A client's connection; implements `mpserver.api.stream.Link` for its requests."""

    __slots__ = (
        "accepted", "agent", "ahead", "channel", "client", "default", "head", "host", "local", "luggage", "number",
        "origin", "passed", "reader", "served", "transferred", "want",
    )  # fmt: skip

    def __init__(
        self, owner: Owner, sock: _socket.socket, number: int, served: int = 0, data: bytes = b"",
        peer: object = None, local: object = None,
    ) -> None:  # fmt: skip
        """Take over a connected _socket.

        :param number: the connection's number among those of all workers.
        :param served: how many requests it has carried.
        :param data: what was read from it and belongs to no request yet.
        :param peer: the client's address as ``accept`` gives it, None: not known here.
        :param local: ours, as ``getsockname`` gives it.
        """
        self.owner = owner
        self.sock = sock
        sock.setblocking(False)
        self.fd = sock.fileno()
        self.send_file = send_file
        self.tls = None
        #: What encrypts it, in place of its socket; None: nothing does here.
        self.channel: Channel | None = None
        #: See `come_from` and `be_for`.
        self.origin = b""
        #: The client's address by the word of a proxy (PROXY protocol); None: none has said any.
        self.agent: Address | None = None
        self.number = number
        self.served = served
        #: When it was accepted, seconds since the epoch; 0: nobody told.
        self.accepted = 0.0
        #: It came from a sibling worker, and stays here for this request.
        self.passed = False
        #: The state of its request where that has begun in another interpreter (`mpserver.phases.transfer`).
        self.transferred = b""
        #: What applications have put on it elsewhere, until it is looked at (`mpserver.serving.luggage`).
        self.luggage = b""
        self.rope, self.place = -1, 0
        self.client = name_of(sock.getpeername, FILE_CLIENT) if peer is None else address_of(peer, FILE_CLIENT)
        self.local = name_of(sock.getsockname, FILE_SERVER) if local is None else address_of(local, FILE_SERVER)
        self.buffer = data
        self.head: Head | None = None
        self.previous = None
        self.reader: HeadReader | None = None
        #: A part of a request that comes in pieces.
        self.slow: SlowReading | None = None
        #: How many bytes must be there before the buffered request is ready; of a chunked body: were looked at.
        self.want = 0
        self.ahead: Body | None = None
        self.keep_alive = False
        self.state = READING
        self.pending = None
        self._object = None
        self.input = None
        self._outgoing = []
        self._backlog = None
        self.linger_left = LINGER_BYTES
        self.skip = 0
        self.until = 0.0
        #: The server by the address alone: its Timeout counts until a head is there.
        self.default = owner.host_of(self.local, None)
        self.host = self.default
        self.timeout = self.default.timeout
        self.keep_alive_timeout = self.default.keep_alive_timeout
        self.deadline = owner.loop.now + self.default.head_timeout

    # ---- events

    def arrive(self) -> None:
        """As `start`, for one that was just accepted: its client has usually said already what it wants."""
        if self.read_first():
            self.start()

    def read_first(self) -> bool:
        """Read what has come of one that was just accepted. :returns: whether its client is still there."""
        try:
            self.buffer = self.sock.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            self.buffer = b""
        if not self.buffer:
            self.close()
        return bool(self.buffer)

    def come_from(self, origin: bytes) -> None:
        """It is one end of a socket pair: at the other is an interpreter that speaks TLS with the client.

        Or it is the client's own, of which a proxy has told.

        :param origin: what that one tells of the client, see `mpserver.tls.session.pack_origin`; or see `be_for`.
        """
        if origin.startswith(PROXIED):
            ip, _, port = origin.removeprefix(PROXIED).decode().rpartition(" ")
            self.be_for((ip, int(port)))
            return
        if origin.startswith(TRACED):
            from mpserver.serving.traced import unpack_origin as unpack  # (few are)

            self.client, self.local, self.tls, self.agent = unpack(origin)
        else:
            from mpserver.tls.session import unpack_origin

            self.client, self.local, self.tls, self.agent = unpack_origin(origin)
        self.origin = origin
        self.host = self.default = default = self.owner.host_of(self.local, None)
        self.timeout, self.keep_alive_timeout = default.timeout, default.keep_alive_timeout
        self.deadline = self.owner.loop.now + default.head_timeout

    def be_for(self, agent: Address) -> None:
        """A proxy has said whose connection it is."""
        self.agent = agent
        self.origin = PROXIED + f"{agent[0]} {agent[1]}".encode()

    @property
    def is_relayed(self) -> bool:
        """Whether another interpreter speaks TLS for it."""
        return bool(self.origin) and not self.origin.startswith(PROXIED)

    def untrack(self) -> None:
        """From now on nobody else could go on with it: what encrypts it is here (a process' worker looks at that)."""

    def start(self) -> None:
        """Serve what was read already; then wait for the client in the owner's loop, if anything is left to do."""
        if self.buffer:
            self.serve_read()
            if self.state == GONE:
                return
        events = READ if self.pending is None else self.pending.events
        self.owner.loop.add(self.fd, self.on_event, WRITE if self.state == SENDING else events)
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
                self._left()
                return
            if state == WAITING:
                self.state = READING
                self.deadline = self.owner.loop.now + self.default.head_timeout
            if self.reader is not None:
                self._read_on(self.reader, data)
                return
            self.buffer = self.buffer + data if self.buffer else data
            self.advance()
        except BlockingIOError:
            return
        except ConnectionError:
            self._left()
        except Exception as error:
            self.owner.broken(self, error)

    def _left(self) -> None:
        """The client is gone: what it has asked for before all of it was here is told in the logs, as in httpd."""
        self._give_up_head()
        line, whole = first_line(self.buffer, self.default.limits.line)
        if self.state != READING or not whole:
            self.close()
            return
        error = ClientLeft(400, "the client left before the end of its request", line)
        self.owner.refuse(self, error.about(self.head))

    def _give_up_head(self) -> None:
        """Nothing more of its head is read."""
        if self.reader is not None:
            self.buffer, self.reader = bytes(self.reader.buffer), None

    def _read_on(self, reader: HeadReader, data: bytes) -> None:
        """A head that comes in pieces."""
        try:
            head = reader.feed(data)
        except RequestError as error:
            self._give_up_head()
            self.owner.refuse(self, error)
            return
        if head is not None:
            self.reader = self.slow = None
            self.buffer = bytes(reader.buffer)
            self.advance()
        else:
            self._await_rest(self.default.read_timeouts.header, len(reader.buffer))

    def _await_rest(self, stage: Stage, size: int, head: Head | None = None) -> None:
        """Not all of a request's head or body is here: the rest has its time.

        :param size: how many bytes of it have come.
        :param head: that of the body.
        """
        if not stage.first:
            return  # (Timeout counts, as it did)
        slow, loop = self.slow, self.owner.loop
        if slow is None or slow.stage is not stage:
            begun = loop.now if head is not None else self.deadline - self.default.head_timeout
            slow = self.slow = SlowReading(stage, begun)
        slow.received = size
        self.deadline = min(slow.until, loop.now + self.timeout)  # (Timeout counts from each piece on)
        loop.hasten(self.deadline)

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
                    self._await_rest(default.read_timeouts.header, len(self.buffer))
                    return
                if previous is None or head.host != previous.host:
                    if previous is None:
                        default.recent = head
                    self.choose_host(head)
                    if self.tls is not None and (refusal := self.tls.refusal(self.host, head.host)):
                        self.owner.refuse(self, refusal.about(head))
                        return
                self.previous = head
                if head.length:
                    self.head = head
                    self.slow = None  # (that may be of the body of an earlier request)
                    self.want = self._wanted(head)
            if head.length and not self.transferred and not self._body_ready(head):
                self._await_rest(self.host.read_timeouts.body, len(self.buffer) - head.size, head)
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

    def take_head(self, head: Head) -> None:
        """Take a request's head out of the buffer; it is one more that is served, and may be the last."""
        host, buffer = self.host, self.buffer
        self.served = served = self.served + 1
        self.keep_alive = head.keep_alive and host.keep_alive and served <= host.last_kept and not self.owner.draining
        self.buffer = buffer[head.size :] if len(buffer) > head.size else b""

    def take_body(self, head: Head, limit: int) -> Input:
        """Take what came of the body whose head was taken out of the buffer.

        :param limit: LimitRequestBody, in bytes; 0 for none.
        :raises RequestError: it is broken or too long.
        """
        start, self.buffer = self.buffer, b""
        self.ahead = self.slow = None
        self.input = body = Input(self, make_body(head, limit), start, head.expects_continue and not start)
        return body

    @property
    def requests_left(self) -> int:
        """How many more requests it may serve (MaxKeepAliveRequests; httpd counts those after the first); -1: any."""
        maximum = self.host.max_requests
        return maximum - self.served + 1 if maximum else -1

    # ---- the link of a request

    def connection(self) -> ConnectionObject:
        """The object for ``req.connection``."""
        made, number = self._object, self.served - 1
        if made is None:
            default = self.default
            self._object = made = ConnectionObject(
                self.number, self.client, self.local[:2], default.object, default.log, self._take_over
            )
            if self.luggage:
                from mpserver.serving import luggage  # (few applications put anything on a connection)

                luggage.unpack(self.luggage, made)
                self.luggage = b""
        elif made.mp_keepalives != number:  # a new request
            made.mp_keepalive, made.mp_counted = AP_CONN_UNKNOWN, 0
        made.mp_keepalives = number
        return made

    def client_name(self) -> str | None:
        """See `mpserver.api.stream.Link`: nobody has looked it up as long as there is no such object."""
        return self.connection().mp_remote_host if self._object is not None or self.luggage else None

    def _take_over(self) -> Incoming:
        """What reads and writes the connection itself, for an application that asks for it in a request."""
        from mpserver.api.connection_stream import Incoming  # (few applications do)
        from mpserver.serving.request_wire import RequestWire

        return Incoming(RequestWire(self))

    @property
    def is_pinned(self) -> bool:
        """Whether an application has something on it, so that it stays where it is."""
        return self.pending is not None or bool(self.luggage) or (self._object is not None and self._object.mp_stays)

    def pack(self) -> bytes:
        """What it carries along to another interpreter."""
        made = self._object
        if made is None or not made.mp_stays:
            return self.luggage
        from mpserver.serving import luggage

        return luggage.pack(made)

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self.pending is not None:
            try:
                self.pending.expire(now)
            except Exception as error:
                self.owner.broken(self, error)
            return
        if self.state == WAITING:
            self.on_event(READ)  # its request may have come this moment
            if self.state != WAITING or self.deadline > now:
                return
        if self.state == READING and (self.buffer or self.reader):
            self._give_up_head()
            line, _ = first_line(self.buffer, self.default.limits.line)
            late = RequestError(408, "the client did not send the whole request in time", line)
            self.owner.refuse(self, late.about(self.head))
            return
        self.close()

    #: What readiness means in the states in which nothing is read for a request.
    _others = {
        SENDING: AfterRequest.send_more,
        SKIPPING: AfterRequest.skip_body,
        LINGERING: AfterRequest.read_lingering,
        AWAITING: AfterRequest.read_body,
        IN_THREAD: AfterRequest.let_be,
    }


#: Begins with a connection that has arrived.
Starter = Callable[[Connection], None]


def starter(concerns: Callable[[Connection], bool], begin: Starter, otherwise: Starter) -> Starter:
    """How connections start of which only some begin in a way of their own: ``begin`` gets those."""

    def start(connection: Connection) -> None:
        if concerns(connection):
            begin(connection)
        else:
            otherwise(connection)

    return start
