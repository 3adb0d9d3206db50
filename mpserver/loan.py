"""Lending listeners: an interpreter that gets all new connections takes them by itself.

A router accepts, reads the first head and hands the connection over. Where many connections in a row went to the
same interpreter, it lends it the listeners, and accepts nothing itself any more. The borrower takes one connection
whenever it is idle, so the kernel wakes a sibling worker for the next one while it is busy. What belongs to another
interpreter comes back to the router, as ever; then the listeners are recalled, and the next loan takes twice as many
connections in a row. The borrower returns them by itself where it ends or retires, where it has taken as many
connections as it was lent (MaxConnectionsPerChild), and, by its porter, where a request of it takes long.

Nobody borrows under the worker MPM, with connection handlers, or in a process: the descriptors of its connections
are kept by the router, for it may crash (`mpserver.ledger`).
"""

from __future__ import annotations

import socket
import time
from functools import partial

from mpserver import descriptors, handoff
from mpserver.listeners import Acceptor
from mpserver.loop import EXCLUSIVE, READ
from mpserver.modules import mpm
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.interp import Interpreter
    from mpserver.kinds import Interp
    from mpserver.phases.plan import Place
    from mpserver.router import Router

#: How many connections in a row make a borrower; after loans that went wrong, up to so many.
LOYAL = 16
CAUTIOUS = 1 << 14
#: How many connections are lent at a time.
LOAN = 1 << 14


class Lender:
    """The router's side."""

    __slots__ = ("_end", "_lends", "_loyal", "_place", "_router", "_row", "borrower")

    def __init__(self, router: Router) -> None:
        self._router = router
        start = router.start
        self._lends = not (start.one_process or mpm.is_threaded(start.configuration) or router.talks)
        self._place: Place | None = None
        self._row = 0
        self._loyal = LOYAL
        self._end = 0
        self.borrower: Interp | None = None

    def went(self, place: Place, interp: Interp) -> None:
        """A new connection was handed to an interpreter."""
        self._row += 1
        if place != self._place:
            self._place, self._row = place, 0
            if self.borrower is not None:
                self._loyal = min(2 * self._loyal, CAUTIOUS)
                self.recall()
        elif self._row >= self._loyal and self._lends and interp.borrows and self.borrower is None:
            self._lend(interp)

    def _lend(self, interp: Interp) -> None:
        router = self._router
        if router.draining or router.stopping:
            return
        accepted = router.accepted
        self._end = accepted + (min(LOAN, router.limit - accepted) if router.limit else LOAN)
        lent = [interp.lend(listener, accepted, self._end) for listener in router.start.listeners]
        if any(lent):
            self.borrower = interp
            router.ignore()
            if not all(lent):
                self.recall()

    def recall(self) -> None:
        """Have the listeners back, soon."""
        if self.borrower is not None:
            self.borrower.recall()

    def repaid(self, number: int) -> None:
        """The listeners are back; connections were accepted up to this number."""
        self.borrower = None
        self._row = 0
        if number == self._end:  # the loan went well: another one follows at once
            self._loyal = self._row = LOYAL
        self._router.took_back(number)

    def ended(self, interp: Interp) -> None:
        """An interpreter is gone."""
        if interp is self.borrower:
            self.repaid(self._end)


class Loan:
    """The interpreter's side: listeners that were lent to it."""

    __slots__ = ("_ceiling", "_end", "_interpreter", "_listeners", "_number")

    def __init__(self, interpreter: Interpreter, number: int, end: int) -> None:
        """``number``: of the last connection that was accepted; ``end``: of the last that may be."""
        self._interpreter = interpreter
        self._number, self._end = number, end
        self._listeners: list[socket.socket] = []
        self._ceiling = descriptors.limit().ceiling

    def add(self, fd: int) -> None:
        """Accept from a listener, which is ours now."""
        listener = socket.socket(fileno=fd)
        self._listeners.append(listener)
        self._interpreter.loop.add(fd, partial(self._accept, Acceptor(listener)), READ | EXCLUSIVE)

    def _accept(self, acceptor: Acceptor, _event: int) -> None:
        try:
            sock, peer = acceptor.accept()
        except BlockingIOError:
            return
        except OSError:
            self.give_back()  # the router will find and tell what is wrong
            return
        interpreter = self._interpreter
        self._number += 1
        number = self._number << 16 | interpreter.boot.slot
        connection = interpreter.connection_type(interpreter, sock, number, peer=peer, local=acceptor.local)
        connection.accepted = time.time()
        interpreter.connections.add(connection)
        full = connection.fd >= self._ceiling
        connection.arrive()
        if (full or self._number >= self._end) and interpreter.loan is self:
            self.give_back()  # (where there is no room, the router makes some)

    def give_back(self) -> None:
        """Accept nothing any more, and tell the router."""
        self.close()
        self._interpreter.loan = None
        self._interpreter.tell(handoff.REPAID, number=self._number)

    def close(self) -> None:
        """Accept nothing any more."""
        for listener in self._listeners:
            self._interpreter.loop.remove(listener.fileno())
            listener.close()
        self._listeners.clear()
