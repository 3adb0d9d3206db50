"""How an interpreter leaves its place to another one, without a lost request.

It serves no request any more: its connections go back to the router, which gives them to its successor. Those
that still send a response, or wait for a client to read it, stay until that is over.

One whose whole worker leaves serves what it gets none the less, for whoever follows is farther away.
"""

from __future__ import annotations

from mpserver.ipc import messages
from mpserver.serving.connection import Connection
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.http1.head import Head
    from mpserver.interp import Interpreter

#: How often connections that still send are looked at, in seconds.
TICK = 0.05


class HandingOver:
    """The end of one interpreter."""

    def __init__(self, interpreter: Interpreter, serves: bool = False) -> None:
        """``serves``: it serves the requests that are here before their connections have gone."""
        self._interpreter, self._serves = interpreter, serves
        self.deadline = 0.0

    def begin(self) -> None:
        """Give back what is here; called between requests."""
        interpreter = self._interpreter
        if not self._serves:
            interpreter.serve = self._send_on  # type: ignore[method-assign]  # (what comes now, belongs to another)
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

    def _send_on(self, connection: Connection, head: Head) -> None:
        state = self._interpreter.onward(connection.carried)
        self._interpreter.give_back(connection, messages.CONNECTION, state)

    def _give_back(self) -> None:
        for connection in list(self._interpreter.connections):
            if self._interpreter.may_leave(connection):
                if connection.reader is not None:
                    connection.buffer = bytes(connection.reader.buffer)
                self._interpreter.give_back(connection)
