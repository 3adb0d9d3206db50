"""Leases of the listeners, for an interpreter that gets all new connections: the worker's side.

`mpserver.serving.leased_listeners` has the interpreter's side, and tells why.
"""

from __future__ import annotations

from mpserver.interpreters.handle import InterpreterHandle
from mpserver.phases.plan import InterpreterId
from mpserver.routing.accepting import Accepting

#: How many connections in a row make an interpreter the lessee.
ROW = 16
#: After leases that had to be recalled more in a row are needed, up to so many.
LONGEST_ROW = 1 << 14
#: How many connections are accepted in one lease at most.
LEASE = 1 << 14


class ListenerLeases:
    """The leases of a worker: one at a time."""

    __slots__ = ("_accepting", "_lessee", "_end", "_interpreter_id", "_grants", "_needed", "_row")

    def __init__(self, accepting: Accepting, grants: bool) -> None:
        """``grants``: whether there are leases at all."""
        self._accepting = accepting
        self._grants = grants
        #: Who got the last connection, and how many in a row before it.
        self._interpreter_id: InterpreterId | None = None
        self._row = 0
        #: How many in a row are needed for a lease.
        self._needed = ROW
        #: The number of the last connection that the lessee may accept.
        self._end = 0
        self._lessee: InterpreterHandle | None = None

    def went(self, interp: InterpreterHandle) -> None:
        """A new connection was handed to an interpreter."""
        self._row += 1
        if interp.interpreter_id != self._interpreter_id:
            self._interpreter_id, self._row = interp.interpreter_id, 0
            if self._lessee is not None:
                self._needed = min(2 * self._needed, LONGEST_ROW)
                self.recall()
        elif self._row >= self._needed and self._grants and interp.takes_leases and self._lessee is None:
            self._grant(interp)

    def _grant(self, interp: InterpreterHandle) -> None:
        accepting = self._accepting
        if accepting.closed:
            return
        accepted = accepting.accepted
        self._end = accepted + (min(LEASE, accepting.limit - accepted) if accepting.limit else LEASE)
        leased = [interp.lease(listener, accepted, self._end) for listener in accepting.listeners]
        if any(leased):
            self._lessee = interp
            accepting.lease()
            if not all(leased):
                self.recall()

    def recall(self) -> None:
        """Ask for the end of the lease; it comes soon."""
        if self._lessee is not None:
            self._lessee.recall()

    def lease_over(self, number: int) -> None:
        """The lease is over; connections were accepted up to this number."""
        self._lessee = None
        self._row = 0
        if number == self._end:  # it went well: another lease follows at once
            self._needed = self._row = ROW
        self._accepting.lease_over(number)

    def ended(self, interp: InterpreterHandle) -> None:
        """An interpreter is gone."""
        if interp is self._lessee:
            self.lease_over(self._end)
