"""Bodies that come slowly: their requests wait for them in the loop, so that they occupy nobody.

A request goes through its phases as soon as its head is there, up to its content; so whoever may not come in hears
that at once. Where its content is likely to read a body that has not all come, the request stands aside (`Waiting`).
The loop takes the body in, and then the request goes on.

Where the content is to have the body as it comes (RequestBodyStreaming, other servers by mod_proxy, bodies that are
too long to be kept), the request occupies its interpreter, or a thread of it, as long as the body takes. Only a small
share of these may be occupied so at a time (`Streams`); others wait in the loop for their turn.
"""

from __future__ import annotations

import time
from _thread import allocate_lock

from mpserver.api.kept_body import KeptBody
from mpserver.api.request import Request
from mpserver.builtin import deque
from mpserver.errors import Awaits, ClientGone, Misplaced, Moves, RequestError
from mpserver.ipc import siblings
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules.hooks import PROXY_HANDLER, PROXY_PREFIX
from mpserver.phases.error_response import log_error
from mpserver.phases.plan import plan_of
from mpserver.serving.slow_reading import SlowReading
from mpserver.serving.states import AWAITING, GONE, READING
from mpserver.system.loop import READ
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.connection import Connection
    from mpserver.serving.interpreter_owner import InterpreterOwner

#: So much of a body is read at a time, in bytes.
READ_SIZE = 1 << 18
#: A longer body does not move to another interpreter once it is taken in, in bytes.
MOVABLE = 1 << 26
#: One of so many workers, or threads of an interpreter, may wait for a body.
SHARE = 4
#: How often those that wait for their turn ask whether another worker's has ended, in seconds.
TURN = 0.05


class Waiting:
    """A request that waits for its body, or for its turn to read it; implements `Pending`."""

    __slots__ = (
        "_bodies", "_buffer", "_connection", "_moved", "_queued", "_since", "_status", "_why", "req", "streams",
    )  # fmt: skip

    def __init__(self, bodies: Bodies, connection: Connection, req: Request, buffer: bytes, moved: bool) -> None:
        self._bodies, self._connection, self.req, self._moved = bodies, connection, req, moved
        #: What was read of the connection before the request was taken.
        self._buffer = buffer
        self._since = time.monotonic()
        self.streams = self._queued = False
        #: The answer where the body did not come as it has to, 0: it did.
        self._status, self._why = 0, ""

    # ---- in the loop

    def begin(self) -> None:
        """Begin to take the body in."""
        connection, loop = self._connection, self._connection.owner.loop
        connection.state, connection.pending = AWAITING, self
        stage = connection.host.read_timeouts.body
        connection.slow = SlowReading(stage, time.monotonic()) if stage.first else None
        self._prolong(0)
        loop.hasten(connection.deadline)

    def _prolong(self, received: int) -> None:
        connection = self._connection
        slow = connection.slow
        connection.deadline = time.monotonic() + connection.timeout  # (Timeout counts from each piece on)
        if slow is not None:
            slow.received += received
            connection.deadline = min(slow.until, connection.deadline)

    @property
    def events(self) -> int:
        """See `Pending`: nothing is waited for of a client whose request waits for its turn."""
        return 0 if self._queued else READ

    def on_event(self) -> None:
        """Something of the body has come, or the client has left."""
        connection, body = self._connection, self._connection.input
        assert body is not None
        if self._queued:
            connection.close()  # (nothing is waited for of the client, so it has left)
            return
        try:
            data = connection.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            connection.close()
            return
        if not data:
            self._fail(400, "the client closed the connection before the end of its body")
            return
        try:
            size = body.take_in(data)
        except RequestError as error:
            self._fail(error.status, error.reason)
            return
        except OSError as error:
            self._fail(*self._no_room(error))
            return
        if body.complete:
            if size > MOVABLE:
                body.received = True
            self._go_on()
        elif size > plan_of(self.req).body_room.most:
            body.received = True
            self.stream()
        else:
            self._prolong(len(data))

    def stream(self) -> None:
        """Let the handler read it, when it is this one's turn."""
        connection, loop = self._connection, self._connection.owner.loop
        connection.pending = self
        if self._bodies.streams.enter(self):
            self.turn()
            return
        self._queued = True
        connection.state = AWAITING
        connection.deadline = time.monotonic() + connection.timeout
        loop.hasten(connection.deadline)
        loop.change(connection.fd, self.events)

    def turn(self) -> None:
        """It is its turn: the handler may read the body as it comes."""
        connection = self._connection
        self.streams = True
        if self._queued:
            self._queued = False
            connection.owner.loop.change(connection.fd, READ)
        connection.slow = None
        self._go_on()

    def _fail(self, status: int, why: str) -> None:
        self._status, self._why = status, why
        self._go_on()

    def _no_room(self, error: OSError) -> tuple[int, str]:
        self.req.err_headers_out["Retry-After"] = "1"
        return 503, f"its body can't be kept in {plan_of(self.req).body_room.directory}: {error.strerror}"

    def fail_at_once(self, error: OSError) -> None:
        """There is no room for the body, as is known where requests are served."""
        self._status, self._why = self._no_room(error)
        self.run()

    def _go_on(self) -> None:
        connection = self._connection
        self.req.mp_paused += time.monotonic() - self._since
        connection.state = READING
        self._bodies.interpreter.resume(connection)
        if connection.state == READING:
            connection.advance()

    def expire(self, now: float) -> None:
        """The time is over in which the body had to come, or its turn."""
        connection = self._connection
        if self._queued:
            self._bodies.streams.leave_queue(self)
            self._queued = False
            connection.owner.loop.change(connection.fd, READ)
            self.req.err_headers_out["Retry-After"] = "1"
            self._fail(503, "too many requests with slow bodies (RequestBodyStreaming) are being served")
            return
        self.on_event()  # (it may have come while others were served)
        if connection.pending is self and connection.state == AWAITING and connection.deadline <= now:
            slow = connection.slow
            why = "RequestReadTimeout" if slow is not None and slow.until <= now else "Timeout"
            self._fail(408, f"the client did not send the request's body in time ({why})")

    def dropped(self) -> None:
        """The connection is closed."""
        self._bodies.streams.leave_queue(self)
        if self.streams:
            self._bodies.streams.leave()
        self._bodies.interpreter.apart(self._give_up)

    def _give_up(self) -> None:
        connection, interpreter = self._connection, self._bodies.interpreter
        try:
            interpreter.pipeline.give_up(self.req, "the client left, or had to go, before the end of its body")
        except Moves as move:
            text = f"a handler of {self.req.mp_uri} was not run in the interpreter {move.interpreter_id[1]}"
            log_error(self.req, text)
        if connection.input is not None:
            connection.input.close()

    # ---- where requests are served

    def run(self) -> None:
        """Go on with the request."""
        connection, req, interpreter = self._connection, self.req, self._bodies.interpreter
        body = connection.input
        assert body is not None
        if self._moved:
            body.received = True
        if interpreter.draining:  # (that may have begun while it waited)
            connection.keep_alive = False
        try:
            interpreter.resumed(req)
            if self._status:
                interpreter.pipeline.fail(req, self._status, self._why)
            else:
                interpreter.pipeline.resume(req)
        except Misplaced:
            buffer = self._buffer
            if body.was_kept:
                buffer = req.mp_head.raw
                if not body.received:
                    buffer += body.framed() + connection.buffer
            interpreter.move(connection, req, buffer, b"")
            return
        except Moves as move:
            interpreter.moves.send_on(connection, req, req.mp_head.raw, move)
            return
        except Awaits as awaits:
            task = awaits.task
        else:
            task = None
        finally:
            if self.streams:
                self._bodies.streams.leave()
        if task is not None:
            interpreter.tasks.wait(connection, req, task)
            return
        if connection.rope >= 0:
            interpreter.moves.tell(connection, req)
        interpreter.ended(req)
        connection.done()


class Streams:
    """The share of an interpreter's capacity that may wait for bodies."""

    def __init__(self, bodies: Bodies, board: Scoreboard, threads: int) -> None:
        self._bodies = bodies
        self._board = board
        interpreter = bodies.interpreter
        self._slot, self._key = interpreter.boot.slot, interpreter.interpreter_id.key
        self._threads = threads
        self._gate = allocate_lock()
        self._running = 0
        self._queue: deque[Waiting] = deque()
        #: When it asks again (`mpserver.system.loop.Timed`).
        self.deadline = float("inf")

    def _has_room(self) -> bool:
        """Whether one more may wait for its body: of our threads, or under prefork of all workers with the like."""
        if self._threads > 1:
            return self._running < max(self._threads // SHARE, 1)
        others, running = siblings.streaming(self._board, self._slot, self._key)
        return not self._running and running < max((others + 1) // SHARE, 1)

    def enter(self, waiting: Waiting) -> bool:
        """Take a place. :returns: whether there is one; where not it is in the queue, and told when it is its turn."""
        with self._gate:
            if self._take():
                return True
            self._queue.append(waiting)
        self._bodies.interpreter.in_loop(self._ask_again)
        return False

    def try_now(self) -> bool:
        """Take a place where one is free."""
        with self._gate:
            return self._take()

    def _take(self) -> bool:
        """The same, for who has the gate: those in the queue come first."""
        free = not self._queue and self._has_room()
        if free:
            self._count(1)
        return free

    def _count(self, more: int) -> None:
        self._running += more
        self._bodies.interpreter.scoreboard_entry.streams(self._running)

    def leave(self) -> None:
        """Give the place back."""
        with self._gate:
            self._count(-1)
            waits = bool(self._queue)
        if waits:
            loop = self._bodies.interpreter.loop
            self._bodies.interpreter.in_loop(lambda: loop.soon(self._next))

    def leave_queue(self, waiting: Waiting) -> None:
        """It does not want its turn any more."""
        with self._gate:
            if waiting in self._queue:
                self._queue.remove(waiting)

    def _ask_again(self) -> None:
        loop = self._bodies.interpreter.loop
        self.deadline = time.monotonic() + TURN
        loop.watch(self)
        loop.hasten(self.deadline)

    def expire(self, _now: float) -> None:
        """Others may have given their places back."""
        self._next()
        if self._queue:
            self._ask_again()
        else:
            self._bodies.interpreter.loop.unwatch(self)

    def _next(self) -> None:
        """Let those have their turn for which there is a place."""
        while True:
            with self._gate:
                if not self._queue or not self._has_room():
                    return
                waiting = self._queue.popleft()
                self._count(1)
            try:
                waiting.turn()
            except Exception as error:
                self._bodies.broken(waiting, error)


class Bodies:
    """This part of an interpreter."""

    __slots__ = ("interpreter", "streams")

    def __init__(self, interpreter: InterpreterOwner, board: Scoreboard, threads: int) -> None:
        self.interpreter = interpreter
        self.streams = Streams(self, board, threads)

    def wait(self, connection: Connection, req: Request, buffer: bytes, moved: bool = False) -> None:
        """A request has come to its content, and its body has not all come; where requests are served.

        :param buffer: what was read of the connection before the request was taken.
        :param moved: it began in another interpreter.
        """
        body, plan = connection.input, plan_of(req)
        assert body is not None
        waiting = Waiting(self, connection, req, buffer, moved)
        handler = req.mp_handler or ""
        if req.mp_locks is not None:  # (nobody may wait for a session's lock while its holder needs the loop)
            waiting.run()
            return
        if (
            plan.streams or handler == PROXY_HANDLER or handler.startswith(PROXY_PREFIX)
            or req.mp_head.length > plan.body_room.most
        ):  # fmt: skip
            if self.streams.try_now():
                waiting.streams = True
                waiting.run()
                return
            begin = waiting.stream
        else:
            begin = waiting.begin
            try:
                body.keep(KeptBody(plan.body_room, self.interpreter.slow_clients))
                body.invite()
            except ClientGone:
                connection.pending = waiting
                self.interpreter.paused()
                self.interpreter.in_loop(connection.close)
                return
            except OSError as error:
                waiting.fail_at_once(error)
                return
        self.interpreter.paused()
        self.interpreter.stand_aside(connection, begin)

    def run(self, connection: Connection) -> None:
        """Go on with the request of a connection, where requests are served."""
        waiting, connection.pending = connection.pending, None
        assert isinstance(waiting, Waiting)
        waiting.run()

    def broken(self, waiting: Waiting, error: Exception) -> None:
        """The server itself failed with a request."""
        connection = waiting.req.mp_link
        if getattr(connection, "state", GONE) != GONE:
            self.interpreter.broken(connection, error)
