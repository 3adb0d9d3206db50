"""What a worker that leaves has of connections goes to other workers; none is closed without a word.

A client sends its next request on a kept connection at once, for nobody told it not to. If the connection was closed
meanwhile, the request is lost. So a worker that another one follows (after a graceful restart, at
MaxConnectionsPerChild, where fewer workers will do) gives away its connections that wait: the next request is served
by a worker that stays. The master carries them (`mpserver.supervisor.relay`). As long as there is nobody for one,
it stays, and is served here where a request arrives.

Where the whole server ends there are no heirs.
"""

from __future__ import annotations

import time

from mpserver.ipc import messages
from mpserver.ipc.worker_messages import ANYONE, PASS
from mpserver.serving.connection import ENDING, READING, WAITING, Connection
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.routing.router import Router

#: So many connections are given away at a time, so that they fit into the master's sockets, and how long after these
#: the next ones follow, in seconds.
BATCH = 64
TICK = 0.05
#: How long it takes until those that nobody can take are offered again, in seconds.
AGAIN = 0.25
#: How long connections that wait are kept for an heir at most, in seconds.
PATIENCE = 30.0

#: The numbers of connections that came from others are beyond those of its own.
TAKEN = 1 << 44

#: What goes before a message for the master.
FOR_ANYONE = PASS + ANYONE.to_bytes(4, "little")


class Heirs:
    """The other workers, as the router of one that leaves sees them."""

    __slots__ = ("_full_at", "_left", "_nobody", "_router", "_taken", "_until", "active", "deadline")

    def __init__(self, router: Router) -> None:
        self._router = router
        #: Whether there are any.
        self.active = False
        self._left, self._full_at = BATCH, 0.0
        #: Whether there was nobody for the last one.
        self._nobody = False
        self._until = 0.0
        #: How many came from others.
        self._taken = 0
        self.deadline = float("inf")

    def begin(self, patience: float) -> None:
        """The worker leaves: give away what the router has itself.

        ``patience``: for how long others may be found for what waits, in seconds; 0: there are none.
        """
        self.active = patience > 0
        self._until = time.monotonic() + (patience or ENDING)
        for connection in self._router.connections:
            connection.deadline = min(connection.deadline, self._until)
        self._router.loop.hasten(self._until)
        if self.active:
            self.expire(self._router.loop.now)

    def give(self, message: messages.Message) -> bool:
        """Give away a connection, and close our descriptor of it. :returns: False where that can't be now"""
        if not self._send(message):
            return False
        message.close()
        return True

    def _send(self, message: messages.Message) -> bool:
        start = self._router.start
        self._nobody = not start.scoreboard.has_siblings(start.number)
        if self._nobody:
            return False
        now = time.monotonic()
        if now >= self._full_at:
            self._left, self._full_at = BATCH, now + TICK
        if not self._left:
            return False
        try:
            messages.send(start.control, message._replace(kind=messages.SPARE), wait=False, before=FOR_ANYONE)
        except OSError:
            return False
        self._left -= 1
        return True

    def take(self, message: messages.Message) -> tuple[messages.Message, bool]:
        """A connection from another worker, or one of ours that nobody took after all.

        Its number may be one of ours, so it gets another. :returns: it, and whether it has to stay for its request.
        """
        self._taken += 1
        number = (TAKEN + self._taken) << 16 | self._router.start.number
        home = self.active and message.kind == messages.SPARE
        self._nobody = self._nobody or home
        stays = home or message.kind == messages.CONNECTION or bool(message.data or message.state)
        return message._replace(number=number), stays

    def keep(self, connection: Connection) -> None:
        """A connection is here: where it waits, offer it soon."""
        if self.active and connection.state in (WAITING, READING):
            connection.deadline = min(connection.deadline, self._until)
            self._router.loop.hasten(connection.deadline)
            if self.deadline == float("inf"):
                self.deadline = time.monotonic() + (AGAIN if self._nobody else TICK)
                self._router.loop.watch(self)

    def expire(self, _now: float) -> None:
        """Offer those that are here."""
        self.deadline = float("inf")
        self._router.loop.unwatch(self)
        for connection in list(self._router.connections):
            if connection.state not in (WAITING, READING):
                continue  # it is being answered, or closed
            if not self._give_away(connection):
                self.keep(connection)

    def _give_away(self, connection: Connection) -> bool:
        buffer = connection.buffer if connection.reader is None else bytes(connection.reader.buffer)
        message = messages.Message(
            messages.SPARE, connection.fd, buffer, connection.served, connection.number, connection.accepted
        )
        if not self._send(message):
            return False
        connection.release()
        connection.sock.close()
        return True
