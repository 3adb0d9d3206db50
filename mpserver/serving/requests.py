"""The way of one request through an interpreter: from its head to its log line, or back to the router.

A request goes back where another interpreter has to serve it: its application belongs there, its early phases ran
here and its content belongs there (manual 5.4.4), or what its application needs is refused here.
"""

from __future__ import annotations

import _socket
import mmap
import time
from collections.abc import Callable

from mpserver.api import error_log as levels
from mpserver.api.loader import Loader
from mpserver.api.request import Request
from mpserver.builtin import deque
from mpserver.errors import Awaits, ConfigError, Misplaced, Moves, RequestError, is_crowded
from mpserver.http1.head import Head
from mpserver.ipc import messages, plain_data
from mpserver.ipc.scoreboard_entry import ScoreboardEntry
from mpserver.phases.error_response import log_error
from mpserver.phases.plan import InterpreterId
from mpserver.phases.planner import Planner
from mpserver.serving.connection import Connection
from mpserver.serving.delayed_flush import DelayedFlush
from mpserver.serving.late_parts import LateParts
from mpserver.serving.offloader import Offloader
from mpserver.serving.refusals import Refusals, unusable
from mpserver.serving.tracked_connection import Closings
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.serving.relays import Relays
    from mpserver.serving.unsent import Unsent
    from mpserver.system.log_lines import LogLines


class Printed(Protocol):
    """What an application has printed."""

    #: Lines that wait for their ends, by thread and level.
    partial: dict[tuple[int, int], str]

    def flush(self) -> None:
        """Log the lines that wait."""


class Requests(LateParts, Refusals):
    """This part of `mpserver.interp.Interpreter`."""

    # What each request looks at has a place of its own: among as many other attributes it would be searched for.
    __slots__ = (
        "began", "delayed_flush", "draining", "home", "loader", "loop", "mail", "offloader", "output", "pipeline",
        "planner", "scoreboard_entry",
    )  # fmt: skip

    #: The interpreter whose requests are served here: none any more, once the application can't stay.
    home: InterpreterId
    #: Our end of the socket pair that the router and we share.
    inbox: _socket.socket
    loader: Loader
    planner: Planner
    scoreboard_entry: ScoreboardEntry
    #: When the running request began (seconds since the epoch), 0 between requests.
    began: float
    #: Messages that the offloader took from the inbox and that are for us alone.
    mail: deque[messages.Message | None]
    offloader: Offloader | None
    delayed_flush: DelayedFlush | None
    output: Printed
    #: None where no server speaks TLS.
    relays: Relays | None
    #: Of a process: the states of its connections, and what tells the router of those that were closed.
    connection_states: mmap.mmap | None
    closings: Closings
    #: The lines of access logs that wait; None: each is written at once.
    lines: LogLines | None = None
    #: Whether it runs under another account than its worker.
    is_foreign: bool
    #: Other interpreters, as the router is told of them.
    _names: dict[InterpreterId, bytes]
    #: The thread that runs the loop.
    thread = 0
    #: What could not be sent for want of descriptors.
    _unsent: Unsent | None = None

    def _on_message(self, message: messages.Message | None) -> None:
        raise NotImplementedError

    def send(self, message: messages.Message) -> None:
        """Send the router a message; for any thread."""
        raise NotImplementedError

    def pass_told(self, number: int, told: bytes) -> None:
        """Send the router what was told of a request of ``mpserver --trace``; for any thread."""
        self.send(messages.Message(messages.Kind.TRACED, number=number, state=told))

    def _send_later(self, message: messages.Message) -> None:
        """There is no descriptor left for the way of a message."""
        if self._unsent is None:
            from mpserver.serving.unsent import Unsent  # (it is seldom that anything waits)

            self._unsent = Unsent(self, self.thread)  # type: ignore[arg-type]  # (it is a part of one)
        self._unsent.add(message)

    def _connection(self, message: messages.Message) -> Connection:
        raise NotImplementedError

    def in_loop(self, function: Callable[[], None]) -> None:
        """Call something in the loop's thread, which is the only one here."""
        function()

    def apart(self, function: Callable[[], None]) -> None:
        """Call something that runs an application's code, where requests are served: here and now."""
        function()

    def serve(self, connection: Connection, head: Head) -> None:
        """One request, from its head to its log line; or give the connection back to the router."""
        now = time.time()
        planner, host = self.planner, connection.host
        try:
            if host.has_early or connection.transferred:
                self._serve_early(connection, head, now)
                return
            located = host.located.get(head.path)
            if located is None or (located.known is not None and not located.holds()):
                located = planner.locate(host, head.path)
            if located.plan.branches:
                located = self.pipeline.choose(connection, head, host, located)
        except ConfigError as error:
            self._misconfigured(connection, head, error)
            return
        plan = located.plan
        if plan.interpreter_id is not self.home and plan.needs_python and plan.interpreter_id != self.home:
            self._send_home(connection, plan.interpreter_id)
            return
        buffer = connection.buffer
        req = self._begin(connection, head, plan.limit_body, now)
        if req is None:
            return
        try:
            self.pipeline.serve(req, located)
        except Misplaced:
            self.move(connection, req, buffer, b"")
            return
        except Moves as move:
            self.moves.send_on(connection, req, buffer, move)
            return
        except Awaits as awaits:
            task = awaits.task  # (what it meets from here on did not happen during that)
        else:
            self.ended(req)
            connection.done()
            return
        self.wait_for_content(connection, req, buffer, task)

    def _begin(self, connection: Connection, head: Head, limit: int, now: float) -> Request | None:
        """The request for a head, which is ours now; None if its body made it impossible, which was answered."""
        self.scoreboard_entry.working(now, head.raw)
        self.began = now
        lines = self.lines
        if lines is not None and lines.waiting and (offloader := self.offloader) is not None and offloader.asleep:
            offloader.wake()  # (as in `watch_lines`, without a call)
        connection.take_head(head)
        req = Request(connection, head, connection.host, self.pipeline.clock, now)
        if head.length:
            try:
                req.mp_input = connection.take_body(head, limit)
            except RequestError as error:
                self.refuse(connection, error.about(head))
                self.ended()
                return None
        return req

    def watch_lines(self) -> None:
        """A request begins while the lines of others wait: let somebody look after these, should it take long."""
        lines, offloader = self.lines, self.offloader
        if lines is not None and lines.waiting and offloader is not None and offloader.asleep:
            offloader.wake()

    def _serve_early(self, connection: Connection, head: Head, now: float) -> None:
        """A request that meets handlers before its resource is known, or that comes from another interpreter."""
        if connection.transferred:
            self.moves.serve(connection, head, now)
            return
        planner, host = self.planner, connection.host
        early = planner.begins(host, head.path)
        if early.early_id != self.home:
            self._send_home(connection, early.early_id)
            return
        buffer = connection.buffer
        req = self._begin(connection, head, early.limit_body, now)
        if req is None:
            return
        try:
            self.pipeline.serve_early(req)
        except Misplaced:
            self.move(connection, req, buffer, b"")
            return
        except Moves as move:
            self.moves.send_on(connection, req, buffer, move)
            return
        except Awaits as awaits:
            task = awaits.task  # (what it meets from here on did not happen during that)
        else:
            self.ended(req)
            connection.done()
            return
        self.wait_for_content(connection, req, buffer, task)

    def stand_aside(self, connection: Connection, begin: Callable[[], None]) -> None:
        """A request waits for its body: its connection is the loop's, which begins with that."""
        begin()

    def resume(self, connection: Connection) -> None:
        """A connection's request goes on, whose body has come."""
        self.bodies.run(connection)

    def resumed(self, req: Request) -> None:
        """A request goes on that has stood aside."""
        self.began = now = time.time()
        self.scoreboard_entry.working(now, req.mp_head.raw)
        self.watch_lines()

    def paused(self) -> None:
        """A request stands aside, of which nothing was sent yet: other connections are ours again."""
        self.began = 0.0
        if self.output.partial:
            self.output.flush()
        if self.offloader is not None:
            self._pass(self.offloader)
        self.scoreboard_entry.pause()

    def ended(self, req: Request | None = None) -> None:
        """The request is over: other connections are ours again. It is None where it was not served."""
        self.began = 0.0
        delayed_flush, offloader = self.delayed_flush, self.offloader
        if delayed_flush is not None and delayed_flush.held is not None:
            delayed_flush.held.release_held()
        if self.output.partial:
            self.output.flush()
        if offloader is not None and (offloader.taking or self.mail):
            self._pass(offloader)
        now = time.time()
        if req is None:
            self.scoreboard_entry.done(now, now)
            return
        answered = req
        while answered.mp_next is not None:  # (the last of those that were redirected gave the response)
            answered = answered.mp_next
        status = answered.mp_status
        if self.loader.doubts:
            self.loader.judge(req, status >= 500)
        if status >= 500:
            self.scoreboard_entry.fail(now, _failure(req) or f"{status}: {req.mp_head.line}")
        self.scoreboard_entry.done(now, req.mp_request_time, answered.mp_sent, status, req.mp_host)

    def _pass(self, offloader: Offloader) -> None:
        """Leave a request behind while connections are taken from here, or after that."""
        with offloader.gate:
            if self.mail:
                self.loop.soon(self._read_mail)  # (the connection of this request has an end to come to first)

    def _read_mail(self) -> None:
        while self.mail:
            self._on_message(self.mail.popleft())

    # ---- what is not served here

    def move(self, connection: Connection, req: Request, buffer: bytes, transferred: bytes) -> None:
        """The application becomes a process: the request that met the reason is served by that one."""
        if self._rewind(connection, req, buffer):
            self.give_back(connection, messages.Kind.CONNECTION, self.onward(transferred))

    def _rewind(self, connection: Connection, req: Request, buffer: bytes) -> bool:
        """Make a connection what it was before its request, so that another interpreter can serve that.

        :returns: False where it is too late for that: the request was answered with an error.
        """
        self.ended()
        if self.loader.doubts:
            self.loader.judge(req, False)
        body = req.mp_input
        if req.mp_started or connection.is_taken or (body is not None and body.received):
            # the client has a part of the answer, or we have a part of a long body
            log_error(req, "the request can't go on in another interpreter: its answer or its body has begun")
            req.mp_cut = True
            self.pipeline.end(req, 500)
            self.pipeline.close(req)
            if connection.rope >= 0:
                self.moves.tell(connection, req)
            connection.done()
            return False
        self.pipeline.leave(req)
        req.mp_drop_parts()
        connection.buffer = buffer
        connection.served -= 1
        connection.input = None
        return True

    def broken(self, connection: Connection, error: Exception) -> None:
        """The server itself failed on a connection; see `Refusals.broken`."""
        super().broken(connection, error)
        self.ended()

    def _misconfigured(self, connection: Connection, head: Head, error: ConfigError) -> None:
        """A faulty .htaccess file fails the requests below it, with its place in the log."""
        connection.host.log.log(levels.ALERT, str(error), client=connection.client)
        self.refuse(connection, unusable(error, head.line).about(head))

    def give_back(
        self, connection: Connection, kind: messages.Kind = messages.Kind.CONNECTION, state: bytes = b""
    ) -> None:
        """Let the router have a connection and what was read of it: the request belongs to another interpreter.

        :param kind: of the message, see `mpserver.ipc.messages`.
        :param state: what goes along with the request, see `onward`.
        """
        if connection.channel is not None:
            self._give_back_pinned(connection, kind, state)
            return
        handed = messages.Message(
            kind,
            connection.fd,
            connection.buffer,
            connection.served,
            connection.number,
            connection.accepted,
            state,
            origin=connection.origin,
            luggage=connection.pack(),
            rope=connection.rope,
            place=connection.place,
        )
        try:
            messages.send(self.inbox, handed)
        except OSError as error:
            if is_crowded(error):
                self.crowd_out(connection)
                return
            self.loop.stop()  # the worker is gone
        connection.release()
        connection.let_go()
        connection.sock.close()

    def _send_home(self, connection: Connection, interpreter_id: InterpreterId) -> None:
        """Let the router have a connection whose next request belongs to an interpreter that is known."""
        if connection.channel is not None or self.is_foreign:
            self.give_back(connection)  # (there is more to look at than who serves it)
            return
        address = self._names.get(interpreter_id)
        if address is None:
            address = self._names[interpreter_id] = plain_data.pack((interpreter_id, b""))
        self.give_back(connection, messages.Kind.MOVED, address)

    def _give_back_pinned(self, connection: Connection, kind: messages.Kind, state: bytes) -> None:
        """The same where TLS is spoken here."""
        try:
            handed = self.unpin(connection, kind, state)
        except OSError as error:
            if not is_crowded(error):
                raise
            self.crowd_out(connection)
            return
        try:
            messages.send(self.inbox, handed)
        except OSError as error:
            if not is_crowded(error):
                self.loop.stop()  # the worker is gone
        handed.close()

    def unpin(self, connection: Connection, kind: messages.Kind, state: bytes) -> messages.Message:
        """A message with a connection whose TLS stays here, see `mpserver.serving.relays`; it has the other end.

        :raises OSError: there is no room for the descriptors.
        """
        from mpserver.tls.session import pack_origin  # (those that speak TLS have it already)

        channel, session, relays = connection.channel, connection.tls, self.relays
        assert channel is not None
        assert session is not None
        assert relays is not None
        relays.prepare()
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        message = messages.Message(
            kind,
            theirs.detach(),
            connection.buffer,
            connection.served,
            connection.number,
            connection.accepted,
            state,
            origin=pack_origin(connection.client, connection.local, session, connection.agent),
            luggage=connection.pack(),
            rope=connection.rope,
            place=connection.place,
        )
        connection.rope = -1
        connection.release()
        relays.begin(channel, ours, bool(connection.buffer))
        return message

    def give_back_unread(self) -> None:
        """Let the router send nothing more, and give back the connections that it has sent but we have not read."""
        try:
            self.inbox.shutdown(_socket.SHUT_RD)
        except OSError:
            return  # the worker is gone
        while (message := messages.receive(self.inbox)) is not None:
            if message.kind == messages.Kind.CONNECTION:
                try:
                    self.send(message._replace(state=self.onward(message.state)))
                except OSError:
                    self._crowd_out_unread(message)
                else:
                    message.close()

    def _crowd_out_unread(self, message: messages.Message) -> None:
        """There is no descriptor for the way back of a connection that was not read: answer it here."""
        connection = self._connection(message)
        connection.buffer = b""
        connection.accepted, connection.rope, connection.place = message.accepted, message.rope, message.place
        if message.origin:
            connection.come_from(message.origin)
        self.connections.add(connection)
        connection.start()
        self.crowd_out(connection)

    def released(self, connection: Connection) -> None:
        """Close what stood for a connection whose request was answered elsewhere."""
        connection.let_go()
        connection.sock.close()
        if self.connection_states is not None:
            self.in_loop(lambda: self.closings.add(connection.number))

    def onward(self, transferred: bytes) -> bytes:
        """The state of a connection that goes back unserved: what was transferred stays with its request."""
        return plain_data.pack((self.interpreter_id, transferred)) if transferred else b""


def _failure(req: Request) -> str | None:
    """What the first handler raised that failed, of a request or of those that it was redirected to."""
    one: Request | None = req
    while one is not None:
        if one.mp_failure:
            return one.mp_failure
        one = one.mp_next
    return None
