"""Connections that begin with a header of the PROXY protocol (RemoteIPProxyProtocol): the router reads it.

It comes before TLS and before HTTP. What it says travels with the connection, in its origin.
"""

from __future__ import annotations

from mpserver.api.error_log import ERROR
from mpserver.modules.networks import packed
from mpserver.modules.remoteip import EXCEPTIONS, PROXY_PROTOCOL
from mpserver.serving import proxy_header
from mpserver.serving.connection import Connection, Starter
from mpserver.serving.states import READING, TLS
from mpserver.system.loop import READ


def is_proxied(connection: Connection) -> bool:
    """Whether a connection has to begin with a header that was not read yet."""
    if connection.served or connection.origin:
        return False
    conf = connection.default.server.conf
    if not conf[PROXY_PROTOCOL]:
        return False
    client = packed(connection.client[0])
    return not any(network.has(client) for network in conf[EXCEPTIONS])


class Introduction:
    """A connection whose proxy has not said yet who its client is; a `mpserver.serving.after_request.Pending`."""

    __slots__ = ("_connection", "_go_on")

    events = READ

    def __init__(self, connection: Connection, go_on: Starter) -> None:
        """``go_on`` begins with the connection once the header is read; what follows is in the buffer."""
        self._connection, self._go_on = connection, go_on

    def arrive(self) -> None:
        """As `start`, for a connection that was just accepted: its proxy has usually said something already."""
        if self._connection.read_first():
            self.start()

    def start(self) -> None:
        """Look at what was read already, and wait for the rest."""
        connection = self._connection
        connection.state, connection.pending = TLS, self
        loop = connection.owner.loop
        loop.add(connection.fd, self.on_event)
        loop.watch(connection)
        if connection.buffer:
            self._look()

    def on_event(self, _event: int = READ) -> None:
        """More has come, or the proxy is gone."""
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

    def expire(self, _now: float) -> None:
        """The header has not come in time."""
        self._refuse(f"its header did not come in time ({len(self._connection.buffer)} bytes of it did)")

    def dropped(self) -> None:
        """The connection is closed."""

    def _refuse(self, why: object) -> None:
        connection = self._connection
        text = f"RemoteIPProxyProtocol: the connection is closed, for {why}"
        connection.host.log.log(ERROR, text, module="remoteip", client=connection.client)
        connection.close()

    def _look(self) -> None:
        connection = self._connection
        try:
            found = proxy_header.read(connection.buffer)
        except ValueError as error:
            self._refuse(error)
            return
        if found is None:
            return
        connection.pending = None
        loop = connection.owner.loop
        loop.remove(connection.fd)
        loop.unwatch(connection)
        connection.be_for(found.client or connection.client)
        connection.buffer = connection.buffer[found.size :]
        connection.state = READING
        try:
            self._go_on(connection)
        except Exception as error:
            connection.owner.broken(connection, error)
