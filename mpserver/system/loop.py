"""The event loop of a router and of an interpreter: descriptors, and deadlines of connections."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from mpserver.typing import Protocol

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
#: The other side sends nothing any more; that it is gone shows in any case.
HUNG_UP = select.EPOLLRDHUP
#: Only one of the processes that wait for a listener is woken.
EXCLUSIVE = getattr(select, "EPOLLEXCLUSIVE", 0)

#: Deadlines are looked at no more often than this, in seconds.
COARSE = 0.05


FOREVER = float("inf")


class Timed(Protocol):
    """Something with a deadline (``time.monotonic()`` seconds)."""

    deadline: float

    def expire(self, now: float) -> None:
        """The deadline has passed."""


class Loop:
    """Calls back when descriptors are ready or deadlines pass; sleeps otherwise."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._callbacks: dict[int, Callable[[int], object]] = {}
        self._timed: dict[Timed, None] = {}
        #: When deadlines are looked at next.
        self.next_sweep = FOREVER
        self._soon: list[Callable[[], None]] = []
        #: What is called at the first wake-up from a time on, and that time.
        self._late: Callable[[], None] | None = None
        self._late_at = FOREVER
        self.running = True
        #: The time of the last wake-up, ``time.monotonic()``.
        self.now = time.monotonic()

    def add(self, fd: int, callback: Callable[[int], object], events: int = READ) -> None:
        """Call ``callback(events)`` whenever the descriptor is ready."""
        self._callbacks[fd] = callback
        self._poll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for other events, where it waits for any."""
        if fd in self._callbacks:
            self._poll.modify(fd, events)

    def hand(self, fd: int, callback: Callable[[int], object]) -> None:
        """Call another function back for a descriptor that it looks at."""
        self._callbacks[fd] = callback

    def remove(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""
        if self._callbacks.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def watch(self, timed: Timed) -> None:
        """Expire it when its deadline passes; the deadline may be moved meanwhile."""
        self._timed[timed] = None
        if timed.deadline < self.next_sweep:
            self.next_sweep = timed.deadline

    def hasten(self, deadline: float) -> None:
        """A watched deadline was moved to an earlier time."""
        if deadline < self.next_sweep:
            self.next_sweep = deadline

    def unwatch(self, timed: Timed) -> None:
        """It has no deadline any more."""
        self._timed.pop(timed, None)

    def soon(self, function: Callable[[], None]) -> None:
        """Call it after the events at hand."""
        self._soon.append(function)

    def later(self, when: float, function: Callable[[], None]) -> None:
        """Call it at a time (``time.monotonic()``), or soon after that; it is the only one that is called so."""
        self._late_at, self._late = when, function

    def run(self) -> None:
        """Run until `stop`."""
        poll, callbacks, monotonic = self._poll.poll, self._callbacks, time.monotonic
        while self.running:
            if self._soon:
                timeout = 0.0
            else:
                until = self.next_sweep if self._timed else FOREVER
                if self._late_at < until:
                    until = self._late_at
                if until == FOREVER:
                    timeout = -1.0
                else:
                    timeout = until - monotonic()
                    if timeout < 0.0:
                        timeout = 0.0
            events = poll(timeout)
            self.now = now = monotonic()
            for fd, event in events:
                callback = callbacks.get(fd)
                if callback is not None:
                    callback(event)
            if self._soon:
                soon, self._soon = self._soon, []
                for function in soon:
                    function()
            if now >= self.next_sweep:
                self._sweep()
            if now >= self._late_at:
                self._be_late()

    def _be_late(self) -> None:
        function, self._late, self._late_at = self._late, None, FOREVER
        if function is not None:
            function()

    def fileno(self) -> int:
        """The epoll descriptor: readable when anything in the loop is ready."""
        return self._poll.fileno()

    def ready(self) -> list[tuple[int, int]]:
        """What is ready now, as (descriptor, events), without calling anybody back."""
        return self._poll.poll(0)

    def stop(self) -> None:
        """Return from `run` after the events at hand."""
        self.running = False

    def close(self) -> None:
        """Release the epoll descriptor."""
        self._poll.close()

    def _sweep(self) -> None:
        now = self.now
        self.next_sweep = FOREVER
        for timed in [timed for timed in self._timed if timed.deadline <= now]:
            timed.expire(now)
        if self._timed:
            earliest = min(timed.deadline for timed in self._timed)
            self.next_sweep = min(self.next_sweep, max(earliest, now + COARSE))
