"""An interpreter of the worker MPM: several threads serve its requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mpserver.api import error_log as levels
from mpserver.errors import ConfigError, Unavailable
from mpserver.http1.head import Head
from mpserver.interp import Interpreter
from mpserver.interpreters.limited import LimitedInterpreter
from mpserver.ipc import messages
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.siblings import room
from mpserver.modules import mpm, python
from mpserver.modules.python.application_errors import describe
from mpserver.phases.threaded_pipeline import SharedPipeline
from mpserver.serving.boot import Boot
from mpserver.serving.connection import EARLY_BODY, Connection
from mpserver.serving.errands import Errands
from mpserver.serving.offloader import ALL, ORPHANED_FOR
from mpserver.serving.states import IN_THREAD
from mpserver.serving.thread_pool import ThreadPool
from mpserver.serving.threaded_parts import (
    FOR_HANDLER,
    RESUMED,
    TASK,
    SharedConnection,
    SharedEntry,
    SharedTrackedConnection,
)
from mpserver.system.loop import COARSE
from mpserver.system.thread_loop import SharedLoop
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from mpserver.application.preloaded import Preloaded

#: How long a request waits for a thread before a sibling worker is looked for, in seconds.
WAIT_FOR_THREAD = 0.01

#: What Retry-After says where too many requests wait for a thread, in seconds.
FULL_FOR = 1

#: How long a process waits at most until its queue has left, before it ends because of a request that does not, in
#: seconds.
LEAVING = 1.0


class ThreadedInterpreter(Interpreter):
    """The engine of one interpreter with threads."""

    loop_type = SharedLoop
    pipeline_type = SharedPipeline
    connection_type = SharedConnection
    tracked_type = SharedTrackedConnection
    alone = False

    loop: SharedLoop

    def __init__(self, boot: Boot, inbox: socket.socket, preloaded: Preloaded | None = None) -> None:
        super().__init__(boot, inbox, preloaded)
        self.threads = threads = mpm.threads_of(boot.configuration, boot.interpreter_id.name)
        work = self._work_or_handle if self.connection_handlers is not None else self._work
        self.pool = ThreadPool(boot.interpreter_id.name, threads, work, self.scoreboard_entry.threads)
        self.deadline = float("inf")
        #: Whether its requests are those that may wait in the loop: no application has them.
        self._carries = boot.interpreter_id.name in mpm.THREADED
        self._queue: int = boot.configuration.main.conf[python.INTERP_QUEUE]
        #: The ends of requests which went on elsewhere, or whose clients left.
        self._errands = Errands(f"{boot.interpreter_id.name} after the answer", threads)

    def _scoreboard_entry(self, board: Scoreboard) -> SharedEntry:
        if self.boot.interpreter_id.name in mpm.THREADED:
            from mpserver.serving.carrying import CarryingEntry  # (only one interpreter of a worker)

            return CarryingEntry(board, self.boot.slot, self.boot.scoreboard_index)
        return SharedEntry(board, self.boot.slot, self.boot.scoreboard_index)

    def serve(self, connection: Connection, head: Head) -> None:
        """A request is complete: it leaves the loop with its connection."""
        if self._queue and head is not FOR_HANDLER and not connection.transferred and self._is_full():
            full = f"{self._queue} requests wait for interpreter '{self.interpreter_id.name}' (PythonInterpQueue)"
            self.refuse(connection, Unavailable(full, FULL_FOR).about(head))
            return
        if self._carries and head is not FOR_HANDLER and self._runs_in_loop(connection, head):
            super().serve(connection, head)
        else:
            self._submit(connection, head)

    def _runs_in_loop(self, connection: Connection, head: Head) -> bool:
        """Whether a request needs no thread: it waits for others in the loop, and is quick but for that."""
        host = connection.host
        if connection.transferred or host.has_early or (head.length and not 0 < head.length <= EARLY_BODY):
            return False
        located = host.located.get(head.path)
        if located is None or (located.known is not None and not located.holds()):
            try:
                located = self.planner.locate(host, head.path)
            except ConfigError:
                return False  # (a thread meets it again)
        plan = located.plan  # (what If sections and rules make of it is not known yet, nor how long it takes)
        return plan.in_loop and not plan.branches and not head.expects_continue

    def _is_full(self) -> bool:
        """Whether as many requests wait for a thread as may, and no other worker has one."""
        if self.pool.waiting < self._queue:
            return False
        return self.boot.one_process or not room(self.board, self.boot.slot, self.interpreter_id.key)

    def stand_aside(self, connection: Connection, begin: Callable[[], None]) -> None:
        """A request waits for its body: its connection goes back to the loop."""

        def back() -> None:
            self.loop.back(connection.fd)
            try:
                begin()
                connection.advance()  # (where it is over already)
            except Exception as error:
                self.broken(connection, error)

        self.loop.call(back)

    def resume(self, connection: Connection) -> None:
        """A connection's request goes on, in a thread."""
        self._submit(connection, RESUMED)

    def go_on_in_thread(self, connection: Connection) -> None:
        """See `mpserver.serving.interpreter_owner.TaskOwner`."""
        self._submit(connection, TASK)

    def _submit(self, connection: Connection, head: Head) -> None:
        connection.state = IN_THREAD
        # (not infinite: so the loop looks at it again before it waits with a deadline of its own)
        connection.deadline = self.loop.now + max(connection.keep_alive_timeout, COARSE)
        self.loop.hasten(connection.deadline)
        self.loop.send_away(connection.fd)
        if not self.pool.submit(connection, head) and not self.boot.one_process:
            self._look_for_siblings(self.loop.now)

    def _work(self, connection: Connection, head: Head) -> None:
        """A request, in a thread of the pool."""
        try:
            if head is RESUMED:
                self.bodies.run(connection)
            elif head is TASK:
                self.tasks.run(connection)
            else:
                super().serve(connection, head)
        except ConnectionError:
            self.loop.call(connection.close)
        except BaseException as error:  # whatever it is, it must not end the thread
            self.broken(connection, error)

    def run_connection_handler(self, connection: Connection) -> None:
        """A connection handler has a thread of the pool as long as its connection lasts."""
        self.loop.add(connection.fd, connection.on_event)
        self.loop.watch(connection)
        connection.owner.serve(connection, FOR_HANDLER)

    def _work_or_handle(self, connection: Connection, head: Head) -> None:
        """As `_work`, where there are connection handlers."""
        if head is not FOR_HANDLER:
            self._work(connection, head)
            return
        handlers = self.connection_handlers
        assert handlers is not None
        try:
            declined = handlers.run(connection)
        except BaseException as error:  # whatever it is, it must not end the thread
            self.broken(connection, error)
            return
        self.loop.call(lambda: handlers.go_on(connection, declined))

    # ---- what waits for a thread goes to sibling workers that have one

    def _look_for_siblings(self, now: float) -> None:
        self.deadline = now + WAIT_FOR_THREAD
        self.loop.watch(self)
        self.loop.hasten(self.deadline)

    def expire(self, now: float) -> None:
        """Requests have waited for a thread."""
        for connection, _head in self.pool.take_back(room(self.board, self.boot.slot, self.interpreter_id.key)):
            self.give_back(connection, messages.Kind.SPARE, self.onward(connection.transferred))
        if self.pool:
            self._look_for_siblings(now)
        else:
            self.loop.unwatch(self)

    # ---- what belongs to the loop's thread

    def in_loop(self, function: Callable[[], None]) -> None:
        """Call something in the loop's thread."""
        if self.loop.is_ours():
            function()
        else:
            self.loop.call(function)

    def apart(self, function: Callable[[], None]) -> None:
        """Call something that runs an application's code, in another thread."""

        def run() -> None:
            try:
                function()
            except BaseException as error:  # whatever it is, it must not end the thread
                for line in describe(error):
                    self.log.log(levels.CRIT, f"internal error: {line.rstrip()}")

        self._errands.do(run)

    def give_back(
        self, connection: Connection, kind: messages.Kind = messages.Kind.CONNECTION, state: bytes = b""
    ) -> None:
        """Let the router have a connection; from any thread, see `Requests.give_back`."""
        give = super().give_back
        self.in_loop(lambda: give(connection, kind, state))

    def crowd_out(self, connection: Connection) -> None:
        """Answer a request that can't go where it belongs, in the loop, which has left the connection alone."""
        self.loop.back(connection.fd)
        super().crowd_out(connection)

    def shed(self, count: int) -> None:
        """Make room: close idle connections."""
        with self.loop.gate:  # (a thread may be about to put one back)
            super().shed(count)

    def broken(self, connection: Connection, error: BaseException) -> None:
        """The server itself failed on a connection: that one ends, with all there is to know in the log."""
        for line in describe(error):
            connection.host.log.log(levels.CRIT, f"internal error: {line.rstrip()}", client=connection.client)
        self.in_loop(connection.close)
        if not self.loop.is_ours():
            self.ended()

    def hand_over(self) -> None:
        """Give the connections to another interpreter that has the place now, and end."""
        with self.loop.gate:
            self.draining = True
        self._give_back_queued()
        super().hand_over()

    def _give_back_queued(self) -> None:
        """Let others serve the requests that wait for a thread."""
        for connection, _head in self.pool.take_back(ALL):
            self.give_back(connection, messages.Kind.SPARE, self.onward(connection.transferred))

    def _stuck(self) -> None:
        """As for every interpreter; those that wait for a thread leave before a process ends."""
        left = threading.Event()

        def leave() -> None:
            if self.boot.kind == "process":  # what is sent from here on is not read, and so goes to the next one
                self.loop.remove(self.inbox.fileno())
            self._give_back_queued()
            left.set()

        self.loop.call(leave)
        left.wait(LEAVING)
        super()._stuck()

    def drain(self, heirs: bool = False) -> None:
        """Serve what there is, keep no connection, and end."""
        with self.loop.gate:
            super().drain(heirs)

    def _end_requests(self) -> None:
        # a process outlives its worker where that was killed
        if self._tasks is not None:
            self.draining = True
            patience = ORPHANED_FOR if self.boot.kind == "process" else float("inf")
            if not self._tasks.await_end(time.monotonic() + patience):
                self.abandon()
        if not self.pool.close(ORPHANED_FOR if self.boot.kind == "process" else None):
            self.abandon()
        self._errands.join()
        self.loop.answer()


class LimitedThreadedInterpreter(LimitedInterpreter, ThreadedInterpreter):
    """The same where PythonInterpMaxRequests limits its life."""
