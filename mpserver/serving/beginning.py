"""How connections begin of which something is read before they can be served, while nothing is answered."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.serving.connection import Connection
from mpserver.serving.states import TLS


class Beginning:
    """A connection that has not said yet what it has to say first; what was read of it is in its buffer."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def arrive(self) -> None:
        """As `start`, for a connection that was just accepted: something of it is usually there already."""
        if self._connection.read_first():
            self.start()

    def start(self) -> None:
        """Look at what was read already, and wait for the rest."""
        connection = self._connection
        connection.state = TLS
        loop = connection.owner.loop
        loop.add(connection.fd, self._read_on)
        loop.watch(connection)
        if connection.buffer:
            self._look()

    def _read_on(self, _event: int) -> None:
        """More has come, or the other side is gone."""
        connection = self._connection
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            connection.close()
            return
        connection.buffer += data
        self._look()

    def _look(self) -> None:
        """See whether all is there; `_go_on` then."""
        raise NotImplementedError

    def _go_on(self, begin: Callable[[Connection], None]) -> None:
        """All is there: let ``begin`` have the connection, which is out of the loop."""
        connection = self._connection
        leave_loop(connection)
        try:
            begin(connection)
        except Exception as error:
            connection.owner.broken(connection, error)


def leave_loop(connection: Connection) -> None:
    """Wait for nothing more of a connection."""
    loop = connection.owner.loop
    loop.remove(connection.fd)
    loop.unwatch(connection)
