"""How a worker takes connections, and how it leaves the listeners alone while there is no room for more.

When the process or the system has no descriptors left, accepting fails, and would fail again at once, thousands of
times a second. So the listeners are left alone for a moment (other workers are woken instead, and new clients wait in
the kernel's queue), and idle connections are closed, the oldest first.
"""

from __future__ import annotations

import socket
import time
from functools import partial

from mpserver.api import error_log as levels
from mpserver.modules import mpm
from mpserver.system import descriptors
from mpserver.system.descriptors import Seldom
from mpserver.system.listeners import Acceptor
from mpserver.system.loop import EXCLUSIVE, READ, Loop
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.supervisor.worker_start import WorkerStart

#: What the log says once only the reserve is left.
SCARCE = "the descriptors of this process come to an end"

#: How long the listeners are left alone, in seconds.
PAUSE = 0.1


class Taker(Protocol):
    """Who gets the connections that are accepted: the router."""

    def arrived(self, sock: socket.SocketType, number: int, peer: object, local: object) -> None:
        """A connection was accepted; ``peer`` and ``local`` are its addresses."""

    def relieve(self) -> None:
        """Descriptors run out: have idle connections closed."""

    def leave(self) -> None:
        """MaxConnectionsPerChild is reached: take nothing new, and ask to be replaced."""


class Accepting:
    """A worker's listeners."""

    def __init__(self, start: WorkerStart, loop: Loop, log: ErrorLog, taker: Taker) -> None:
        self.listeners: list[socket.socket] = start.listeners
        self._number = start.number
        self._loop, self._log, self._taker = loop, log, taker
        #: How many connections were accepted; and how many may be, 0: there is no limit.
        self.accepted = 0
        self.limit: int = start.configuration.main.conf[mpm.MAX_CONNECTIONS_PER_CHILD]
        #: The worker ends: nothing is accepted any more.
        self.closed = False
        #: An interpreter has a lease of the listeners (`mpserver.routing.listener_leases`).
        self.leased = False
        #: When the listeners are looked at again, while they are left alone.
        self.deadline = float("inf")
        self._limit = descriptors.limit()
        self._ceiling = self._limit.ceiling
        self._seldom = Seldom()

    def listen(self) -> None:
        """Begin to accept."""
        for listener in self.listeners:
            self._loop.add(listener.fileno(), partial(self._accept, Acceptor(listener)), READ | EXCLUSIVE)

    def _ignore(self) -> None:
        """Leave what comes at the listeners to others."""
        for listener in self.listeners:
            self._loop.remove(listener.fileno())

    def _accept(self, acceptor: Acceptor, _event: int = READ) -> bool:
        """Take one connection: so workers share a rush, and none looks in vain for a second, which is dear.

        :returns: whether there was one.
        """
        try:
            sock, peer = acceptor.accept()
        except BlockingIOError:
            return False
        except ConnectionError:
            return True  # that client has gone again
        except OSError as error:
            self._pause(f"accepting a connection failed: {error.strerror}")
            return False
        self.accepted += 1
        full = sock.fileno() >= self._ceiling
        self._taker.arrived(sock, self.accepted << 16 | self._number, peer, acceptor.local)
        if full:
            self._pause(SCARCE)
        self._leave_at_limit()
        return True

    def _leave_at_limit(self) -> None:
        if self.limit and self.accepted >= self.limit and not self.closed:
            self._taker.leave()

    # ---- leases

    def lease(self) -> None:
        """Another one accepts from the listeners now."""
        self.leased = True
        self._ignore()

    def lease_over(self, accepted: int) -> None:
        """The lease of the listeners is over, with so many connections accepted in all."""
        self.leased = False
        self.accepted = accepted
        if not self.closed:
            if not self.pauses:
                self.listen()
            self._leave_at_limit()

    # ---- a shortage

    @property
    def pauses(self) -> bool:
        """Whether the listeners are left alone for want of descriptors."""
        return self.deadline != float("inf")

    def run_short(self) -> None:
        """Descriptors are used up by others: leave the listeners alone for a moment."""
        if not self.pauses:
            self._pause(SCARCE)

    def _pause(self, why: str) -> None:
        """Leave the listeners alone for a moment, and make room meanwhile."""
        if self._seldom("accept"):
            self._log.log(
                levels.ERROR,
                f"{why} ({self._limit.soft} may be open here): new clients wait, and the oldest idle connections are "
                "closed. Raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit), or lower KeepAliveTimeout",
            )
        self._taker.relieve()
        if self.closed:
            return
        self._ignore()
        self.deadline = time.monotonic() + PAUSE
        self._loop.watch(self)

    def expire(self, _now: float) -> None:
        """The moment is over."""
        self._loop.unwatch(self)
        self.deadline = float("inf")
        if self.closed or self.leased:
            return
        self._limit = descriptors.limit()
        self._ceiling = self._limit.ceiling
        over = descriptors.lowest_free(self._loop.fileno()) - self._ceiling
        if over < 0:
            self.listen()
            return
        self._pause(SCARCE)
        if over < self._limit.reserve // 4:  # nothing gives way: a few may come at the cost of the reserve
            for listener in self.listeners:
                self._accept(Acceptor(listener))

    # ---- the end

    def take_waiting(self) -> None:
        """The whole server ends: take those who wait at the listeners, for nobody else will."""
        self.closed = True
        for listener in self.listeners:
            acceptor = Acceptor(listener)
            while self._accept(acceptor):
                pass

    def close(self) -> None:
        """Accept nothing any more."""
        self.closed = True
        self._ignore()
        for listener in self.listeners:
            if listener.fileno() >= 0:
                listener.close()  # while any process has it open, clients can connect
