"""A worker that leaves gives its connections to other workers; none is closed without a word.

A client sends its next request on a kept connection at once, for nobody told it not to. If the connection was closed
meanwhile, the request is lost. So a worker that leaves while others stay (after a graceful restart, at
MaxConnectionsPerChild, where fewer workers will do) gives away the connections that wait for a request, and the next
request is served by a worker that stays. The master carries them (`mpserver.supervisor.relay`). A connection that no
worker can take now is kept, and a request that arrives on it is served here.

Where the whole server ends there are no heirs.
"""

from __future__ import annotations

import time

from mpserver.ipc import messages, siblings
from mpserver.ipc.worker_messages import ANYONE, PASS
from mpserver.serving.connection import Connection
from mpserver.serving.states import LAST_WAIT, READING, WAITING
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.supervisor.worker_start import WorkerStart

#: How many connections are given away at a time, so that they fit into the master's sockets; and after how many
#: seconds the next ones follow.
BATCH = 64
BATCH_INTERVAL = 0.05
#: After how many seconds connections that nobody could take are offered again.
OFFERED_AGAIN = 0.25
#: How long connections that wait are kept for an heir at most, in seconds.
KEPT_FOR_HEIRS = 30.0

#: The numbers of connections that came from others are beyond those of its own.
TAKEN = 1 << 44

#: What goes before a message for the master.
FOR_ANYONE = PASS + ANYONE.to_bytes(4, "little")


class Heirs:
    """The other workers, as the router of one that leaves sees them."""

    __slots__ = (
        "_connections",
        "_full_at",
        "_left",
        "_loop",
        "_nobody",
        "_start",
        "_taken",
        "_until",
        "active",
        "deadline",
    )

    def __init__(self, start: WorkerStart, loop: Loop, connections: set[Connection]) -> None:
        """``connections``: those of the router, now and later."""
        self._start, self._loop, self._connections = start, loop, connections
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
        self._until = time.monotonic() + (patience or LAST_WAIT)
        for connection in self._connections:
            connection.deadline = min(connection.deadline, self._until)
        self._loop.hasten(self._until)
        if self.active:
            self.expire(self._loop.now)

    def give(self, message: messages.Message) -> bool:
        """Give away a connection, and close our descriptor of it.

        :returns: False where that can't be now; then it is still ours.
        """
        if not self._send(message):
            return False
        message.close()
        return True

    def _send(self, message: messages.Message) -> bool:
        start = self._start
        self._nobody = not siblings.there_are(start.scoreboard, start.number)
        if self._nobody:
            return False
        now = time.monotonic()
        if now >= self._full_at:
            self._left, self._full_at = BATCH, now + BATCH_INTERVAL
        if not self._left:
            return False
        try:
            messages.send(start.control, message._replace(kind=messages.Kind.SPARE), wait=False, before=FOR_ANYONE)
        except OSError:
            return False
        self._left -= 1
        return True

    def take(self, message: messages.Message) -> tuple[messages.Message, bool]:
        """A connection from another worker, or one of ours that nobody took after all.

        Its number may be one of ours, so it gets another. :returns: the connection, and whether it has to stay for its
        request.
        """
        self._taken += 1
        number = (TAKEN + self._taken) << 16 | self._start.number
        home = self.active and message.kind == messages.Kind.SPARE
        self._nobody = self._nobody or home
        stays = home or message.kind == messages.Kind.CONNECTION or bool(message.data or message.state)
        return message._replace(number=number), stays

    def keep(self, connection: Connection) -> None:
        """A connection is here: where it waits, offer it soon."""
        if self.active and connection.state in (WAITING, READING):
            connection.deadline = min(connection.deadline, self._until)
            self._loop.hasten(connection.deadline)
            if self.deadline == float("inf"):
                self.deadline = time.monotonic() + (OFFERED_AGAIN if self._nobody else BATCH_INTERVAL)
                self._loop.watch(self)

    def expire(self, _now: float) -> None:
        """Offer those that are here."""
        self.deadline = float("inf")
        self._loop.unwatch(self)
        for connection in list(self._connections):
            if connection.state not in (WAITING, READING):
                continue  # it is being answered, or closed
            if not self._give_away(connection):
                self.keep(connection)

    def _give_away(self, connection: Connection) -> bool:
        buffer = connection.buffer if connection.reader is None else bytes(connection.reader.buffer)
        message = messages.Message(
            messages.Kind.SPARE, connection.fd, buffer, connection.served, connection.number, connection.accepted,
            origin=connection.origin, luggage=connection.luggage, rope=connection.rope,
            place=connection.place,
        )  # fmt: skip
        if not self._send(message):
            return False
        connection.release()
        connection.let_go()
        connection.sock.close()
        return True
