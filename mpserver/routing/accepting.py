"""How a router takes connections, and how it leaves the listeners alone while there is no room for more.

Where the descriptors of the process come to an end, or the system's do, accepting again at once would find the
same, thousands of times a second. So the listeners are left alone for a moment (other workers are woken instead,
and who comes waits in the kernel's queue), and idle connections are closed, the oldest first.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial

from mpserver.api import error_log as levels
from mpserver.interpreters.handle import SERVING, InterpreterHandle
from mpserver.ipc.scoreboard import WORKING
from mpserver.modules import mpm
from mpserver.serving.connection import Connection
from mpserver.serving.refusals import Refusals
from mpserver.system import descriptors
from mpserver.system.descriptors import Seldom
from mpserver.system.listeners import Acceptor
from mpserver.system.loop import EXCLUSIVE, READ
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.phases.plan import InterpreterId
    from mpserver.routing.listener_leases import ListenerLeases
    from mpserver.supervisor.worker_start import WorkerStart

#: What is told when the reserve begins.
SCARCE = "the descriptors of this process come to an end"

#: How long the listeners are left alone, in seconds.
PAUSE = 0.1


class Accepting(Refusals):
    """This part of `mpserver.routing.router.Router`."""

    start: WorkerStart
    log: ErrorLog
    leases: ListenerLeases
    interps: dict[InterpreterId, InterpreterHandle]
    stopping: bool
    #: Begin with a connection that was just accepted.
    _arrive: Callable[[Connection], object]

    def __init__(self, start: WorkerStart) -> None:
        self.start = start
        #: How many connections were accepted; and how many may be, 0: there is no limit.
        self.accepted = 0
        self.limit: int = start.configuration.main.conf[mpm.MAX_CONNECTIONS_PER_CHILD]
        #: When the listeners are looked at again, while they are left alone.
        self.deadline = float("inf")
        self._may = descriptors.limit()
        self._ceiling = self._may.ceiling
        self.seldom = Seldom()

    def listen(self) -> None:
        """Begin to accept."""
        for listener in self.start.listeners:
            self.loop.add(listener.fileno(), partial(self._accept, Acceptor(listener)), READ | EXCLUSIVE)

    def ignore(self) -> None:
        """Leave what comes at the listeners to others."""
        for listener in self.start.listeners:
            self.loop.remove(listener.fileno())

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
        connection = self.newcomer(sock, self.accepted << 16 | self.start.number, peer, acceptor.local)
        full = connection.fd >= self._ceiling
        connection.accepted = time.time()
        self.connections.add(connection)
        self._arrive(connection)
        if full:
            self._pause(SCARCE)
        self._leave_at_limit()
        return True

    def newcomer(self, sock: socket.SocketType, number: int, peer: object, local: object) -> Connection:
        """A connection that was just accepted."""
        raise NotImplementedError

    def leave(self) -> None:
        """Take nothing new and ask to be replaced."""
        raise NotImplementedError

    def _leave_at_limit(self) -> None:
        if self.limit and self.accepted >= self.limit and not self.draining:
            self.leave()

    def took_back(self, accepted: int) -> None:
        """Listeners that were lent are back."""
        self.accepted = accepted
        if not self.draining and not self.stopping:
            if not self._pauses:
                self.listen()
            self._leave_at_limit()

    # ---- a shortage

    @property
    def _pauses(self) -> bool:
        return self.deadline != float("inf")

    def _pause(self, why: str) -> None:
        """Leave the listeners alone for a moment, and make room meanwhile."""
        if self.seldom("accept"):
            self.log.log(
                levels.ERROR,
                f"{why} ({self._may.soft} may be open here): new clients wait, and the oldest idle connections are "
                "closed. Raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit), or lower KeepAliveTimeout",
            )
        self.relieve()
        if self.draining or self.stopping:
            return
        self.ignore()
        self.deadline = time.monotonic() + PAUSE
        self.loop.watch(self)

    def relieve(self) -> None:
        """Have idle connections closed, here and in the interpreters."""
        count = max(self._may.reserve // 2, 1)
        board, number = self.start.scoreboard, self.start.number
        able = [
            interp
            for interp in self.interps.values()
            if interp.state == SERVING and board.interpreter_state(number, interp.boot.scoreboard_index) != WORKING
        ]
        for interp in able:
            interp.shed(max(count // len(able), 1))
        self.shed(count)

    def expire(self, _now: float) -> None:
        """The moment is over."""
        self.loop.unwatch(self)
        self.deadline = float("inf")
        if self.draining or self.stopping or self.leases.borrower is not None:
            return
        self._may = descriptors.limit()
        self._ceiling = self._may.ceiling
        over = descriptors.lowest_free(self.loop.fileno()) - self._ceiling
        if over < 0:
            self.listen()
            return
        self._pause(SCARCE)
        if over < self._may.reserve // 4:  # nothing gives way: a few may come at the cost of the reserve
            for listener in self.start.listeners:
                self._accept(Acceptor(listener))
