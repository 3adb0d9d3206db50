"""The interpreter under the worker MPM: up to ThreadsPerChild of its requests overlap.

Its own thread keeps the loop: the connections, their deadlines, the inbox. A request that is complete leaves
the loop with its connection, for a thread of the pool; that serves it, sends what the client takes at once,
and puts the connection back into the loop. Threads are started inside the interpreter when there is none that
waits, and are used again.

Everything of the loop, but for putting a connection back to wait, happens in the loop's thread: `Loop.call`
brings there what another one has to ask for.
"""

from __future__ import annotations

import os
import threading
import time
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable

from mpserver import handoff, talk
from mpserver.api import log as levels
from mpserver.api.output import Clock
from mpserver.api.server import Server as ServerObject
from mpserver.connection import ENDING, WAITING, Connection
from mpserver.http1.head import Head, refused
from mpserver.interp import Boot, Interpreter
from mpserver.ledger import Entered
from mpserver.loop import COARSE, READ, Loop
from mpserver.modules import mpm
from mpserver.phases.dispatch import describe
from mpserver.phases.pipeline import Pipeline
from mpserver.porter import ORPHAN, room
from mpserver.scoreboard import Place, Scoreboard
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from mpserver.api.loader import Loader
    from mpserver.config.compile import Server
    from mpserver.config.settings import Conf
    from mpserver.phases.host import Host
    from mpserver.phases.plan import Plan

#: A connection's state while a thread of the pool serves its request; it is not in the loop then.
SERVING = 6

#: A connection with a complete request.
Job = tuple[Connection, Head]

#: Stands for the request of a connection that a connection handler gets.
TALK = refused("")

#: How long a request waits for a thread before a sibling worker is looked for, in seconds.
PATIENCE = 0.01


class SharedLoop(Loop):
    """A loop that other threads can ask for something; it belongs to the thread that makes it."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = get_ident()
        self._away: set[int] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._rung = False
        self.add(self._bell, self._answer)

    def is_ours(self) -> bool:
        """Whether the calling thread is the loop's."""
        return get_ident() == self._thread

    def call(self, function: Callable[[], None]) -> None:
        """Call it in the loop's thread."""
        self._calls.append(function)
        if not self._rung:
            self._rung = True
            os.eventfd_write(self._bell, 1)

    def _answer(self, _event: int = 0) -> None:
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            pass
        self._rung = False
        self.answer()

    def answer(self) -> None:
        """Do what was asked for so far."""
        while self._calls:
            self._calls.popleft()()

    def send_away(self, fd: int) -> None:
        """Don't look at a descriptor until it comes `back`."""
        self._away.add(fd)
        self._poll.unregister(fd)

    def back(self, fd: int) -> None:
        """Look at it again, for reading; for any thread."""
        self._away.discard(fd)
        self._poll.register(fd, READ)

    def remove(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""
        if fd in self._away:
            self._away.discard(fd)
            self._callbacks.pop(fd, None)
        else:
            super().remove(fd)

    def close(self) -> None:
        """Release the descriptors."""
        super().close()
        os.close(self._bell)


class SharedConnection(Connection):
    """A connection whose requests are served by threads of the pool."""

    __slots__ = ()

    owner: ThreadedInterpreter  # type: ignore[assignment]

    def start(self) -> None:
        """Wait for the client in the owner's loop, which a request leaves with its connection; serve what was read."""
        self.owner.loop.add(self.fd, self.on_event)
        self.owner.loop.watch(self)
        if self.buffer:
            self.serve_read()

    def done(self) -> None:
        """The request is over: where nothing is left to do, wait for the next; the loop does the rest."""
        owner = self.owner
        if owner.loop.is_ours():
            super().done()
            return
        body = self.input
        if body is not None:
            self.input = None
            self.leave_body(body)
        if self.keep_alive and not (self.buffer or self._outgoing or self.skip or self._is_aborted()):
            with owner.gate:  # a drain gives those that wait a new deadline, a retirement gives them away
                waits = not owner.draining
                if waits:
                    self.deadline = time.monotonic() + self.keep_alive_timeout
                    self.state = WAITING
                    owner.loop.back(self.fd)
            if waits:
                return
        owner.loop.call(self._go_on)

    def _is_aborted(self) -> bool:
        return self._object is not None and bool(self._object._aborted)

    def _go_on(self) -> None:
        """In the loop again: send the rest, close, or serve the requests that came meanwhile."""
        try:
            self.owner.loop.back(self.fd)
            super().done()
            if self.state == WAITING and self.owner.draining:
                limit = time.monotonic() + ENDING
                self.hurry(limit)
                self.owner.loop.hasten(limit)
            self.advance()
        except Exception as error:
            self.owner.broken(self, error)

    def expire(self, now: float) -> None:
        """The deadline has passed; while a request is served there is none."""
        if self.state == SERVING:
            self.deadline = now + max(self.keep_alive_timeout, COARSE)
        elif self.deadline <= now:  # (a thread may have put it back this moment)
            super().expire(now)


class SharedEntered(SharedConnection, Entered):
    """The same in a process."""

    __slots__ = ()


class SharedPipeline(Pipeline):
    """The phases, for several threads at a time."""

    def __init__(self, *arguments: Any) -> None:
        self._compiling = threading.RLock()
        self._own = threading.local()
        super().__init__(*arguments)

    def host(self, server: Server) -> Host:
        """A server's facts; threads that ask at once get the same."""
        host = self._hosts.get(server)
        if host is None:
            with self._compiling:
                host = super().host(server)
        return host

    def _server_object(self, host: Host) -> ServerObject:
        with self._compiling:
            return host.made or super()._server_object(host)

    def _compile(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        with self._compiling:
            return super()._compile(host, conf, filename)

    @property
    def clock(self) -> Clock:
        """Each thread has one of its own, for it keeps the heads of a second."""
        found: Clock | None = getattr(self._own, "clock", None)
        if found is None:
            found = self._own.clock = Clock(self.software)
        return found

    @clock.setter
    def clock(self, clock: Clock) -> None:
        self._own.clock = clock


class SharedPlace(Place):
    """An interpreter's place on the scoreboard, when threads of it count their requests there."""

    __slots__ = ("_gate", "_running")

    def __init__(self, board: Scoreboard, slot: int, index: int) -> None:
        super().__init__(board.memory, slot, index, board.writer(slot, index))
        self._gate = allocate_lock()
        #: The threads whose requests have a program run, by the program's number.
        self._running: dict[int, int] = {}

    def working(self, now: float, head: bytes) -> None:
        """A request enters its handlers: the pool tells how many are there."""
        self.writer.begin(now, head)

    def done(self, now: float, began: float, size: int = 0) -> None:
        """A request was served: count it."""
        with self._gate:
            self.count(now, began, size)

    def fail(self, now: float, why: str) -> None:
        """A request failed."""
        with self._gate:
            self.writer.fail(now, why)

    def runs(self, group: int) -> None:
        """Tell what program the request of this thread has run; 0: it has ended."""
        with self._gate:
            mine = get_ident()
            number = next((number for number, thread in self._running.items() if thread == mine), -1)
            if number < 0:
                number = next(number for number in range(len(self._running) + 1) if number not in self._running)
                self._running[number] = mine
            self.runs_also(group, number)
            if not group:
                del self._running[number]


class _Thread:
    """A thread of the pool, and what it is to do when its bell rings; nothing: end."""

    __slots__ = ("bell", "job", "thread")

    def __init__(self) -> None:
        self.bell = allocate_lock()
        self.bell.acquire()
        self.job: Job | None = None
        self.thread: threading.Thread


class Pool:
    """At most ``most`` threads that serve requests by ``work``; those that have to wait are served in their order.

    ``busy`` is told how many threads are in a request whenever that changes.
    """

    def __init__(
        self, name: str, most: int, work: Callable[[Connection, Head], None], busy: Callable[[int, int], None]
    ) -> None:
        self._name, self._most, self._work, self._tell = name, most, work, busy
        self._gate = allocate_lock()
        self._threads: list[_Thread] = []
        #: Those without a request; the last that had one is the first to get another.
        self._idle: list[_Thread] = []
        self._waiting: deque[Job] = deque()
        self._ends = False

    def submit(self, connection: Connection, head: Head) -> bool:
        """Have a request served. :returns: whether a thread was free for it."""
        with self._gate:
            thread = self._idle.pop() if self._idle else self._start()
            if thread is None:
                self._waiting.append((connection, head))
                return False
            self._tell(len(self._threads) - len(self._idle), self._most)
        thread.job = (connection, head)
        thread.bell.release()
        return True

    def _start(self) -> _Thread | None:
        if len(self._threads) >= self._most:
            return None
        thread = _Thread()
        name = f"{self._name} {len(self._threads) + 1}"
        thread.thread = threading.Thread(target=self._run, args=(thread,), name=name)
        try:
            thread.thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            return None  # the system has no room for more: those that there are have to do
        self._threads.append(thread)
        return thread

    def __bool__(self) -> bool:
        """Whether requests wait for a thread."""
        return bool(self._waiting)

    def take_back(self, most: int) -> list[Job]:
        """Up to ``most`` of those that wait longest."""
        with self._gate:
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def _run(self, me: _Thread) -> None:
        while True:
            me.bell.acquire()
            job, me.job = me.job, None
            if job is None:
                return
            while job is not None:
                self._work(*job)
                job = self._next(me)

    def _next(self, me: _Thread) -> Job | None:
        """The next request; None: there is none, so the thread waits for its bell."""
        with self._gate:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(me)
            self._tell(len(self._threads) - len(self._idle), self._most)
            if self._ends:
                me.bell.release()
        return None

    def close(self, patience: float | None = None) -> bool:
        """End the threads, those in a request after that; what waits is not served any more.

        :param patience: how long to wait for them, in seconds; None: as long as it takes.
        :returns: whether they have ended.
        """
        with self._gate:
            self._ends = True
            self._waiting.clear()
            for thread in self._idle:
                thread.bell.release()
        deadline = None if patience is None else time.monotonic() + patience
        for thread in self._threads:
            thread.thread.join(None if deadline is None else max(deadline - time.monotonic(), 0.0))
        return not any(thread.thread.is_alive() for thread in self._threads)


class ThreadedInterpreter(Interpreter):
    """The engine of one interpreter with threads."""

    loop_type = SharedLoop
    pipeline_type = SharedPipeline
    connection_type = SharedConnection
    entered_type = SharedEntered
    alone = False

    loop: SharedLoop

    def __init__(self, boot: Boot, inbox: socket.socket, loader: Loader | None = None) -> None:
        super().__init__(boot, inbox, loader)
        #: Held where a connection begins to wait, and where those that wait are told to end.
        self.gate = allocate_lock()
        threads = mpm.limits_of(boot.configuration).threads
        work = self._work_or_talk if self.talks.wanted else self._work
        self.pool = Pool(boot.place.name, threads, work, self.seat.threads)
        self.deadline = float("inf")

    def _seat(self, board: Scoreboard) -> SharedPlace:
        self._board = board
        return SharedPlace(board, self.boot.slot, self.boot.seat)

    def serve(self, connection: Connection, head: Head) -> None:
        """A request is complete: it leaves the loop with its connection."""
        connection.state = SERVING
        # (not infinite: so the loop looks at it again before it waits with a deadline of its own)
        connection.deadline = self.loop.now + max(connection.keep_alive_timeout, COARSE)
        self.loop.hasten(connection.deadline)
        self.loop.send_away(connection.fd)
        if not self.pool.submit(connection, head) and not self.boot.one_process:
            self._look_for_siblings(self.loop.now)

    def _work(self, connection: Connection, head: Head) -> None:
        """A request, in a thread of the pool."""
        try:
            super().serve(connection, head)
        except ConnectionError:
            self.loop.call(connection.close)
        except BaseException as error:  # whatever it is, it must not end the thread
            self.broken(connection, error)

    def talk(self, connection: Connection) -> None:
        """A connection handler has a thread of the pool as long as its connection lasts."""
        self.loop.add(connection.fd, connection.on_event)
        self.loop.watch(connection)
        self.serve(connection, TALK)

    def _work_or_talk(self, connection: Connection, head: Head) -> None:
        """As `_work`, where there are connection handlers."""
        if head is not TALK:
            self._work(connection, head)
            return
        try:
            declined = self.talks.run(connection)
        except BaseException as error:  # whatever it is, it must not end the thread
            self.broken(connection, error)
            return
        self.loop.call(lambda: talk.go_on(connection, declined))

    # ---- what waits for a thread goes to sibling workers that have one

    def _look_for_siblings(self, now: float) -> None:
        self.deadline = now + PATIENCE
        self.loop.watch(self)
        self.loop.hasten(self.deadline)

    def expire(self, now: float) -> None:
        """Requests have waited for a thread."""
        for connection, _head in self.pool.take_back(room(self._board, self.boot.slot, self.place.key)):
            self.give_back(connection, handoff.SPARE, self.onward(connection.carried))
        if self.pool:
            self._look_for_siblings(now)
        else:
            self.loop.unwatch(self)

    # ---- what belongs to the loop's thread

    def _in_loop(self, function: Callable[[], None]) -> None:
        if self.loop.is_ours():
            function()
        else:
            self.loop.call(function)

    def give_back(self, connection: Connection, kind: int = handoff.CONNECTION, state: bytes = b"") -> None:
        give = super().give_back
        self._in_loop(lambda: give(connection, kind, state))

    def crowd_out(self, connection: Connection) -> None:
        self.loop.back(connection.fd)
        super().crowd_out(connection)

    def shed(self, count: int) -> None:
        """Make room: close idle connections."""
        with self.gate:  # (a thread may be about to put one back)
            super().shed(count)

    def broken(self, connection: Connection, error: BaseException) -> None:
        """The server itself failed on a connection: that one ends, with all there is to know in the log."""
        for line in describe(error):
            connection.host.log.log(levels.CRIT, f"internal error: {line.rstrip()}", client=connection.client)
        self._in_loop(connection.close)
        if not self.loop.is_ours():
            self._ended()

    def retire(self) -> None:
        """Give the connections to another interpreter that has the place now, and end."""
        with self.gate:
            self.draining = True
        super().retire()

    def drain(self, heirs: bool = False) -> None:
        """Serve what there is, keep no connection, and end."""
        with self.gate:
            super().drain(heirs)

    def _end_requests(self) -> None:
        # a process outlives its worker where that was killed
        if not self.pool.close(ORPHAN if self.boot.kind == "process" else None):
            self.abandon()
        self.loop.answer()
