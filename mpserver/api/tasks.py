"""Content that waits without a thread: a task.

A content handler that has to wait for others than its client (another server, a program) makes a generator of what it
does, a `Task`, and returns what `content` answers for it. The task yields what it waits for, and returns what a handler
returns::

    def answered(req: Request) -> Task:
        found = yield Apart(partial(look_up, name))        # may take long: called where nobody is held up
        wait = Wait(sock.fileno(), select.POLLIN, 60.0)
        events = yield wait                                # those of the descriptor that came; 0: none did in 60 s
        ...
        wait.unwatch()
        yield MAY_BLOCK                                    # from here on it has a thread, and waits as it likes
        return constants.OK

Where a yield raises `ClientGone`, the client has left meanwhile; it raises GeneratorExit where the request is given up.
So what is to be closed in any case belongs into ``finally``, and a descriptor is taken out of the loop by
`Wait.unwatch` before it is closed, or left to a thread. What a task raises counts as if a handler had raised it.

In an interpreter with threads whose requests run no application code (`RequestPlan.waits`) a task runs in the event
loop, which serves others as long as it waits. Elsewhere it blocks as any handler does: `finish` goes through all of it.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Generator

from mpserver.errors import Awaits, ClientGone
from mpserver.typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: The generator that a task is; what it yields is a `Wait`, an `Apart`, or `MAY_BLOCK`.
Task = Generator[Any, Any, int]


T = TypeVar("T")


class Watcher(Protocol):
    """The event loop, as far as descriptors of tasks are concerned."""

    def hand(self, fd: int, callback: Callable[[int], object], /) -> None:
        """Call a function back when a descriptor is ready that it looks at."""

    def change(self, fd: int, events: int, /) -> None:
        """Look for other events of it."""

    def remove(self, fd: int, /) -> None:
        """Forget a descriptor; for any thread."""


class Waiter(Protocol):
    """What runs a task in the loop."""

    def watch(self, wait: Wait, /) -> None:
        """Go on when something has come on its descriptor, or its time is over."""

    def call_apart(self, function: Callable[[], object], /) -> None:
        """Go on with what a function returns, which another thread calls."""

    def leave_loop(self) -> None:
        """Go on in a thread."""


class Wait:
    """A descriptor that a task waits for; it may be yielded again and again."""

    __slots__ = ("events", "fd", "loop", "seconds", "watched")

    def __init__(self, fd: int, events: int = select.POLLIN, seconds: float = 0.0) -> None:
        """``events``: POLLIN, POLLOUT or both; ``seconds``: how long it waits at most."""
        self.fd, self.events, self.seconds = fd, events, seconds
        #: The loop that looks at it, which it stays with between two waits, and for which events; None: no one does.
        self.loop: Watcher | None = None
        self.watched = 0

    def unwatch(self) -> None:
        """No loop looks at it any more; for any thread."""
        loop, self.loop = self.loop, None
        if loop is not None:
            loop.remove(self.fd)

    def stand(self, waiter: Waiter) -> None:
        """Wait for it in a loop."""
        waiter.watch(self)

    def block(self, req: Request | None) -> int:
        """Wait for it here and now. :returns: the events. :raises ClientGone: the client has left meanwhile."""
        self.unwatch()
        poll = select.poll()
        poll.register(self.fd, self.events)
        if req is not None:
            poll.register(req.mp_link.fd, select.POLLRDHUP)
        ready = dict(poll.poll(max(self.seconds, 0.0) * 1000 + 1))
        event = ready.get(self.fd, 0)
        if ready and not event:
            raise ClientGone(LEFT)
        return event


class Apart:
    """A function that may take long; the yield answers with what it returns, or raises what it raises."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function

    def stand(self, waiter: Waiter) -> None:
        """Have it called elsewhere."""
        waiter.call_apart(self.function)

    def block(self, _req: Request | None) -> object:
        """Call it here and now."""
        return self.function()


class MayBlock:
    """A task is to be a thread's from here on."""

    __slots__ = ()

    def stand(self, waiter: Waiter) -> None:
        """Leave the loop."""
        waiter.leave_loop()

    def block(self, _req: Request | None) -> None:
        """It is in a thread."""


MAY_BLOCK = MayBlock()
#: Why a request ends whose client has left.
LEFT = "the client closed the connection while another server answered"


def content(req: Request, task: Task) -> int:
    """What a content handler returns that has a task.

    What is a part of another request goes through all of it, and so does what has filters, or a body that has not all
    come: it may have to wait for the client.

    :raises Awaits: the task runs in the loop.
    """
    body = req.mp_input
    if (
        req.mp_plan.waits and req.mp_link.lets_wait and req.mp_chain is None and req.mp_main is None
        and req.mp_prev is None and not req.mp_started and (body is None or body.complete)
    ):  # fmt: skip
        raise Awaits(task)
    return finish(req, task)


def over(status: int) -> Task:
    """What is left of a task that is over, with a status that nobody has answered with yet."""
    yield from ()
    return status


def finish(req: Request | None, task: Generator[Any, Any, T]) -> T:
    """All that is left of a task, in a thread.

    :param req: the request whose client it ends with; None: it is no request's.
    :returns: the status, or whatever else a part of a task returns.
    """
    resume, given = task.send, None
    while True:
        try:
            pause = resume(given)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            resume, given = task.send, pause.block(req)
        except BaseException as error:
            resume, given = task.throw, error
