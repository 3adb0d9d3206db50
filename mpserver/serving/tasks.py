"""Requests whose content waits in the loop by a task (`mpserver.api.tasks`), so that it occupies nobody.

The task runs in the loop's thread from one pause to the next. Where it may block from there on, a thread of the pool
goes on with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mpserver.api.request import Request
from mpserver.api.tasks import LEFT, Task, Wait, finish, over
from mpserver.builtin import partial
from mpserver.errors import ClientGone, Moves
from mpserver.ipc.waiting_requests import NOWHERE
from mpserver.phases.plan import is_resource, plan_of
from mpserver.serving.states import AWAITING, READING
from mpserver.system.loop import HUNG_UP, READ
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.serving.connection import Connection
    from mpserver.serving.interpreter_owner import TaskOwner

#: When a task goes on that waits for no time.
NEVER = float("inf")


class Standing:
    """A request that stands aside while its task waits; implements `mpserver.serving.after_request.Pending`."""

    __slots__ = ("_connection", "_is_deaf", "_pause", "_tasks", "_task", "place", "req")

    def __init__(self, tasks: Tasks, connection: Connection, req: Request, task: Task) -> None:
        self._tasks, self._connection, self._task = tasks, connection, task
        self.req = req
        #: Where it is shown (`mpserver.serving.carrying`).
        self.place = NOWHERE
        #: What the task waits for; None: it is over, or runs.
        self._pause: Any = None
        #: What the client says is not listened to any more: it has said something already, which belongs to the next
        #: request, or is gone.
        self._is_deaf = False

    # ---- in the loop: the client

    @property
    def events(self) -> int:
        """See `Pending`."""
        return HUNG_UP if self._is_deaf else READ

    def begin(self) -> None:
        """Begin with the task."""
        connection = self._connection
        connection.state, connection.pending = AWAITING, self
        self._tasks.enter(self)
        self._run(self._task.send, None, True)

    def on_event(self) -> None:
        """The client has sent something, or is gone: that it is gone shows where nothing else is waited for."""
        if self._is_deaf:
            self._run(self._task.throw, ClientGone(LEFT))
        else:
            self._is_deaf = True
            self._connection.owner.loop.change(self._connection.fd, self.events)

    def expire(self, now: float) -> None:
        """Nothing has come in time."""
        self._run(self._task.send, 0)

    def dropped(self) -> None:
        """The connection is closed."""
        self._tasks.leave(self)
        self._task.close()
        self._tasks.interpreter.apart(self._give_up)

    def _give_up(self) -> None:
        self._tasks.interpreter.pipeline.give_up(self.req, LEFT)

    # ---- in the loop: the task (`mpserver.api.tasks.Waiter`)

    def watch(self, wait: Wait) -> None:
        """See `Waiter`."""
        loop, connection = self._tasks.interpreter.loop, self._connection
        if wait.loop is None:
            wait.loop, wait.watched = loop, wait.events
            loop.add(wait.fd, self._on_ready, wait.events)
        else:
            loop.hand(wait.fd, self._on_ready)
            if wait.watched != wait.events:
                wait.watched = wait.events
                loop.change(wait.fd, wait.events)
        connection.deadline = deadline = loop.now + wait.seconds
        if deadline < loop.next_sweep:
            loop.hasten(deadline)

    def call_apart(self, function: Callable[[], object]) -> None:
        """See `Waiter`."""
        interpreter, pause = self._tasks.interpreter, self._pause
        self._connection.deadline = NEVER

        def call() -> None:
            try:
                resume, given = self._task.send, function()
            except Exception as error:
                resume, given = self._task.throw, error
            interpreter.in_loop(lambda: self._answered(pause, resume, given))

        interpreter.apart(call)

    def _answered(self, pause: object, resume: Callable[[Any], object], given: object) -> None:
        if self._pause is pause and self._connection.pending is self:  # (it is still there)
            try:
                self._run(resume, given)
            except Exception as error:
                self._tasks.interpreter.broken(self._connection, error)

    def leave_loop(self) -> None:
        """See `Waiter`."""
        self._tasks.leave(self)
        connection = self._connection
        self._is_deaf = False
        connection.state = READING
        self._tasks.interpreter.go_on_in_thread(connection)

    def _on_ready(self, event: int) -> None:
        try:
            self._run(self._task.send, event)
        except Exception as error:
            self._tasks.interpreter.broken(self._connection, error)

    def _run(self, resume: Callable[[Any], object], given: object, begins: bool = False) -> None:
        """The task, up to its next pause or its end.

        :param begins: who has called serves what follows on the connection, where the task ends at once.
        """
        self._pause = None
        self._be_last()
        try:
            self._pause = pause = resume(given)
        except StopIteration as end:
            status: int = end.value
        except Exception as error:
            status = self._failed(error)
        else:
            pause.stand(self)  # type: ignore[attr-defined]  # (what a task yields)
            return
        if status and is_resource(plan_of(self.req).error_documents.get(status)):
            self._task = over(status)
            self.leave_loop()  # (who serves that resource may block)
            return
        self._tasks.leave(self)
        connection = self._connection
        connection.pending, connection.state = None, READING
        if self._is_deaf:
            connection.owner.loop.change(connection.fd, READ)
        self._end(status)
        if connection.state == READING and not begins:
            connection.advance()

    def _failed(self, error: Exception) -> int:
        """What a task has raised: it counts as if a handler had. :returns: the status."""
        plan = plan_of(self.req)

        def content(_req: Request) -> int:
            raise error

        return self._tasks.interpreter.pipeline.run(self.req, plan, len(plan.steps), content)

    # ---- where requests are served

    def run(self) -> None:
        """Go on with the task, in a thread."""
        interpreter, req = self._tasks.interpreter, self.req
        plan = plan_of(req)
        req.mp_clock = interpreter.pipeline.clock  # (threads have their own)
        interpreter.resumed(req)
        self._be_last()
        self._end(interpreter.pipeline.run(req, plan, len(plan.steps), partial(finish, task=self._task)))

    def _be_last(self) -> None:
        """Where the interpreter ends, which may have begun while it waited, no request follows."""
        if self._tasks.interpreter.draining and not self.req.mp_started:
            self._connection.keep_alive = False

    def _end(self, status: int) -> None:
        """The request is answered."""
        connection, req, interpreter = self._connection, self.req, self._tasks.interpreter
        self._be_last()
        try:
            interpreter.pipeline.complete(req, status)
        except Moves as move:
            interpreter.moves.send_on(connection, req, req.mp_head.raw, move)
            return
        if connection.rope >= 0:
            interpreter.moves.tell(connection, req)
        interpreter.ended(req)
        connection.done()


class Tasks:
    """This part of an interpreter."""

    __slots__ = ("_awaits_end", "deadline", "interpreter", "standing")

    def __init__(self, interpreter: TaskOwner) -> None:
        self.interpreter = interpreter
        #: The requests whose tasks wait in the loop.
        self.standing: set[Standing] = set()
        self._awaits_end = False
        #: When `await_end` gives up (`mpserver.system.loop.Timed`).
        self.deadline = NEVER

    def wait(self, connection: Connection, req: Request, task: Task) -> None:
        """A request has come to its content, which is a task; where requests are served."""
        standing = Standing(self, connection, req, task)
        loop = self.interpreter.loop
        if loop.is_ours():
            standing.begin()
            return

        def begin() -> None:
            req.mp_clock = self.interpreter.pipeline.clock
            standing.begin()

        self.interpreter.paused()
        self.interpreter.stand_aside(connection, begin)

    def run(self, connection: Connection) -> None:
        """Go on with the request of a connection, in a thread."""
        standing, connection.pending = connection.pending, None
        assert isinstance(standing, Standing)
        standing.run()

    def enter(self, standing: Standing) -> None:
        """A request waits in the loop."""
        self.standing.add(standing)
        req = standing.req
        standing.place = self.interpreter.scoreboard_entry.stands(req.mp_request_time, req.mp_head.raw)

    def leave(self, standing: Standing) -> None:
        """It does not wait there any more."""
        if standing in self.standing:
            self.standing.remove(standing)
            self.interpreter.scoreboard_entry.goes(standing.place)
        if self._awaits_end and not self.standing:
            self.interpreter.loop.stop()

    def await_end(self, deadline: float) -> bool:
        """The loop has ended: let it go on until no task waits.

        :param deadline: how long at most (``time.monotonic()`` seconds).
        :returns: whether none does.
        """
        loop = self.interpreter.loop
        if self.standing:
            self._awaits_end, self.deadline = True, deadline
            loop.watch(self)
            while self.standing and time.monotonic() < deadline:  # (others may stop it, too)
                loop.running = True
                loop.run()
            loop.unwatch(self)
        return not self.standing

    def expire(self, _now: float) -> None:
        """It has taken too long."""
        self.interpreter.loop.stop()
