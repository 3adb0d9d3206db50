"""The end of a server: at once (SIGTERM), or when the requests in flight are done (SIGWINCH, ``graceful-stop``).

With ShutdownDelay the first of either only announces the end: all goes on as before but for `/readyz`, which says no,
so that load balancers send nobody any more; then the server ends gracefully. A second SIGTERM ends it at once, a second
SIGWINCH begins the graceful end.

A graceful end loses nobody whom the kernel let in. While clients wait at a port they would be reset where it is
closed, so first nobody else is let in; a moment later the ports close in the master, and workers take those who
wait before they close theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from mpserver.supervisor.generation import Generation
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.system.listeners import turn_away
from mpserver.system.systemd import Notifier

#: Seconds between the last client that a server lets in and the closing of its ports: for handshakes under way, and
#: for workers to take those who wait.
LAST_CLIENTS = 0.1


class Shutdown:
    """How far a master has come with its end."""

    __slots__ = (
        "_begin_at", "_close_at", "_generations", "_kill_at", "_notifier", "_release", "_workers", "announced", "begun",
        "on_announce",
    )  # fmt: skip

    def __init__(
        self,
        workers: Iterable[WorkerHandle],
        generations: Iterable[Generation],
        notifier: Notifier,
        release: Callable[[], float],
    ) -> None:
        """``workers`` and ``generations`` are always all that there are.

        ``release`` is called when the ports have closed gracefully, so that another server may start. It tells for
        how many seconds requests in flight may go on; 0: there is no limit.
        """
        self._workers, self._generations = workers, generations
        self._notifier, self._release = notifier, release
        #: Called when the end is announced or begins.
        self.on_announce: Callable[[], None] = lambda: None
        #: Clients should go elsewhere from here on.
        self.announced = False
        #: Nothing is begun from here on.
        self.begun = False
        #: When the graceful end begins that was announced, when the ports close, and when requests in flight have had
        #: their time (monotonic).
        self._begin_at = self._close_at = float("inf")
        self._kill_at = float("inf")

    def announce(self, delay: float) -> None:
        """Begin the graceful end in so many seconds, and let clients know."""
        self._begin_at = time.monotonic() + delay
        self._tell()

    def at_once(self) -> None:
        """Make all workers go now."""
        self._begin()
        self._close_ports()
        self._end_workers()

    def gracefully(self) -> None:
        """Let nobody in any more; the workers end when they have served those who are here."""
        self._begin()
        for generation in self._generations:
            listeners = generation.listeners
            lasting = listeners.lasting
            turn_away(sock for sock in listeners.sockets if sock not in lasting)
            generation.listeners.unlink()
        self._close_at = time.monotonic() + LAST_CLIENTS

    def leave(self) -> None:
        """End when those who are here were served: another server has the ports already."""
        self.announced = self.begun = True
        self._close_ports()
        for worker in self._workers:
            worker.drain(last=True)  # (no worker of ours stays, to whom connections could be given)
        if (patience := self._release()) > 0:
            self._kill_at = time.monotonic() + patience

    def deadline(self) -> float:
        """When `due` wants to be called (``time.monotonic()``)."""
        return min(self._begin_at, self._close_at, self._kill_at)

    def due(self, now: float) -> None:
        """Do what the time has come for."""
        if self._begin_at <= now:
            self.gracefully()
        if self._close_at <= now:
            self._drain()
        if self._kill_at <= now:
            self._end_workers()

    def _tell(self) -> None:
        if not self.announced:
            self.announced = True
            self.on_announce()
            self._notifier.stopping()

    def _begin(self) -> None:
        self.begun = True
        self._begin_at = float("inf")
        self._tell()

    def _close_ports(self) -> None:
        """They close here, and in the workers as they end or drain."""
        self._close_at = float("inf")
        for generation in self._generations:
            generation.listeners.close()

    def _drain(self) -> None:
        self._close_ports()
        patience = self._release()
        for worker in self._workers:
            worker.drain(last=True)
        if patience > 0:
            self._kill_at = time.monotonic() + patience

    def _end_workers(self) -> None:
        self._kill_at = float("inf")
        for worker in self._workers:
            worker.end()
