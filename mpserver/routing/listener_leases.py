"""Listeners lent to the one interpreter that gets all connections, as the worker sees it."""

from __future__ import annotations

from mpserver.modules import mpm
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.interpreters.handle import InterpreterHandle
    from mpserver.phases.plan import InterpreterId
    from mpserver.routing.router import Router


#: How many connections in a row make a borrower; after loans that went wrong, up to so many.
LOYAL = 16


CAUTIOUS = 1 << 14


#: How many connections are lent at a time.
LOAN = 1 << 14


class ListenerLeases:
    """The router's side."""

    __slots__ = ("_end", "_lends", "_loyal", "_interpreter_id", "_router", "_row", "borrower")

    def __init__(self, router: Router) -> None:
        self._router = router
        start = router.start
        self._lends = not (start.one_process or mpm.is_threaded(start.configuration) or router.has_connection_handlers)
        self._interpreter_id: InterpreterId | None = None
        self._row = 0
        self._loyal = LOYAL
        self._end = 0
        self.borrower: InterpreterHandle | None = None

    def went(self, interpreter_id: InterpreterId, interp: InterpreterHandle) -> None:
        """A new connection was handed to an interpreter."""
        self._row += 1
        if interpreter_id != self._interpreter_id:
            self._interpreter_id, self._row = interpreter_id, 0
            if self.borrower is not None:
                self._loyal = min(2 * self._loyal, CAUTIOUS)
                self.recall()
        elif self._row >= self._loyal and self._lends and interp.borrows and self.borrower is None:
            self._lend(interp)

    def _lend(self, interp: InterpreterHandle) -> None:
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

    def ended(self, interp: InterpreterHandle) -> None:
        """An interpreter is gone."""
        if interp is self.borrower:
            self.repaid(self._end)
