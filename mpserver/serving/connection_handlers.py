"""Connections for connection handlers: they are handed over, and begun, before the client says anything.

A server without PythonConnectionHandler has none of this: its routers and interpreters start their connections
as ever. With one, a connection that is new and belongs to such a server by its address goes to the
interpreter of that server at once, and occupies it (a thread of it, with the worker MPM) like a long request.
"""

from __future__ import annotations

import time

from mpserver.api.constants import DECLINED
from mpserver.errors import Misplaced
from mpserver.serving.connection import Connection
from mpserver.serving.states import GONE, READING
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.modules.hooks import ConnectionServer
    from mpserver.phases.host import Host
    from mpserver.serving.interpreter_owner import InterpreterOwner


def is_for_handler(connection: Connection) -> bool:
    """Whether a connection is for a connection handler: it is new, and its server has one."""
    if connection.served or connection.buffer:
        return False
    return connection.default.site.takes_connections


class WaitingWire:
    """A connection as a handler uses it: waiting, but no longer than Timeout."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self) -> bytes:
        """See `mpserver.api.connection_stream.Wire`."""
        return self._connection.receive_any()

    def send(self, data: bytes) -> None:
        """See `mpserver.api.connection_stream.Wire`."""
        self._connection.send([data])
        self._connection.await_sent()


class ConnectionHandlers:
    """The connection handlers of one interpreter."""

    def __init__(self, interpreter: InterpreterOwner) -> None:
        self._interpreter = interpreter
        self._protocols: dict[Host, ConnectionServer] = {}

    def run(self, connection: Connection) -> bool:
        """Let the handler have a connection, from its beginning to its end.

        :returns: whether it left it to HTTP. Otherwise it is over, or went where the application can run.
        """
        interpreter = self._interpreter
        if interpreter.home != interpreter.interpreter_id:
            interpreter.give_back(connection)
            return False
        found = self._protocol(connection.default)
        wire = WaitingWire(connection)
        connection.send([])  # (for the books: should a process crash from here on, nobody can go on with it)
        given = found.connection(connection.connection(), wire)
        now = interpreter.began = time.time()
        interpreter.scoreboard_entry.working(now, f"PythonConnectionHandler {given.hlist.handler}".encode())
        try:
            result = found.call(given, interpreter.loader)
        except Misplaced:  # (the handler has not begun)
            interpreter.ended()
            interpreter.give_back(connection)
            return False
        interpreter.ended()
        if result == DECLINED:
            connection.buffer = given.mp_stream().rest
            return True
        return False

    def go_on(self, connection: Connection, declined: bool) -> None:
        """See the function `go_on`."""
        go_on(connection, declined)

    def _protocol(self, host: Host) -> ConnectionServer:
        found = self._protocols.get(host)
        if found is None:
            plan = self._interpreter.planner.plan(host, host.server.base, None)
            found = self._protocols[host] = plan.ask("process_connection")[0]
        return found


def go_on(connection: Connection, declined: bool) -> None:
    """What becomes of a connection after its handler, in the loop of its owner: requests, or its end."""
    if connection.state == GONE:
        return  # it went elsewhere
    connection.state = READING
    connection.deadline = time.monotonic() + connection.timeout
    connection.owner.loop.remove(connection.fd)
    connection.start()
    if not declined:
        connection.linger()
