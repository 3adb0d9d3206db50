"""How an interpreter hands its connections over to its successor, without losing a request.

An interpreter that has a successor serves no requests any more: its connections go back to the router, which gives
them to the successor. Those that still send a response, or wait for a client to read it, stay until that is over
(`HandingOver`).

A connection that an application has something on is not given to others: the next answer on it is its last.

Where the whole worker leaves, other workers get its connections, which takes longer. Requests that arrive here
meanwhile are still served, and only connections without one go back (`GivingBack`).
"""

from __future__ import annotations

from mpserver.ipc import messages
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.connection import Address
    from mpserver.errors import RequestError
    from mpserver.http1.head import Head
    from mpserver.ipc.address_table import AddressTable
    from mpserver.ipc.slow_clients import SlowClients
    from mpserver.phases.host import Host
    from mpserver.serving.connection import Connection
    from mpserver.serving.courier import Courier
    from mpserver.serving.interpreter_owner import InterpreterOwner

#: How often connections that still send are looked at, in seconds.
TICK = 0.05


class GivingBack:
    """Gives the connections of an interpreter back, each as soon as nothing of a request is with it."""

    def __init__(self, interpreter: InterpreterOwner) -> None:
        self._interpreter = interpreter
        self.deadline = 0.0

    def begin(self) -> None:
        """Give back what is here; called between requests."""
        interpreter = self._interpreter
        self._give_back()
        if interpreter.connections:
            self.deadline = interpreter.loop.now + TICK
            interpreter.loop.watch(self)
        interpreter.loop.soon(interpreter.end_if_empty)

    def expire(self, now: float) -> None:
        """Look again at those that were sending."""
        self._give_back()
        self.deadline = now + TICK
        self._interpreter.loop.hasten(self.deadline)

    def _give_back(self) -> None:
        for connection in list(self._interpreter.connections):
            if self._interpreter.may_leave(connection) and not connection.is_pinned:
                if connection.reader is not None:
                    connection.buffer = bytes(connection.reader.buffer)
                self._interpreter.give_back(connection)


class HandingOver(GivingBack):
    """The owner of the connections of an interpreter that has a successor: it sends their next requests there."""

    #: Connections end after the response that they are in.
    draining = True

    def __init__(self, interpreter: InterpreterOwner) -> None:
        super().__init__(interpreter)
        self.loop, self.delayed_flush = interpreter.loop, interpreter.delayed_flush

    @property
    def began(self) -> float:
        """See `mpserver.serving.owner.Owner`."""
        return self._interpreter.began

    @property
    def courier(self) -> Courier | None:
        """See `mpserver.serving.owner.Owner`; for a request that is in its handler, or of a connection that stays."""
        return self._interpreter.courier

    @property
    def slow_clients(self) -> SlowClients | None:
        """As above."""
        return self._interpreter.slow_clients

    @property
    def addresses(self) -> AddressTable:
        """See `mpserver.serving.owner.Owner`."""
        return self._interpreter.addresses

    def begin(self) -> None:
        """Take over the connections, and give back what is here; called between requests."""
        interpreter = self._interpreter
        interpreter.owner_of_arrivals = self
        for connection in interpreter.connections:
            connection.owner = self
        super().begin()

    def host_of(self, local: Address, name: str | None) -> Host:
        """See `mpserver.serving.owner.Owner`."""
        return self._interpreter.host_of(local, name)

    def serve(self, connection: Connection, head: Head) -> None:
        """A request has come meanwhile: it belongs to the successor, but for one of a connection that stays here."""
        if connection.is_pinned:
            self._interpreter.serve(connection, head)  # its answer ends the connection
            return
        state = self._interpreter.onward(connection.transferred)
        self._interpreter.give_back(connection, messages.Kind.CONNECTION, state)

    def refuse(self, connection: Connection, error: RequestError) -> None:
        """See `mpserver.serving.owner.Owner`."""
        self._interpreter.refuse(connection, error)

    def broken(self, connection: Connection, error: Exception) -> None:
        """See `mpserver.serving.owner.Owner`."""
        self._interpreter.broken(connection, error)

    def closed(self, connection: Connection) -> None:
        """See `mpserver.serving.owner.Owner`."""
        self._interpreter.closed(connection)
