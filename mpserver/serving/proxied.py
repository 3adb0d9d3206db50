"""Connections that begin with a header of the PROXY protocol (RemoteIPProxyProtocol): the router reads it.

It comes before TLS and before HTTP. What it says travels with the connection, in its origin.
"""

from __future__ import annotations

from mpserver.api.error_log import ERROR
from mpserver.modules.networks import packed
from mpserver.modules.remoteip import EXCEPTIONS, PROXY_PROTOCOL
from mpserver.serving import proxy_header
from mpserver.serving.beginning import Beginning
from mpserver.serving.connection import Connection, Starter
from mpserver.serving.states import READING
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


class Introduction(Beginning):
    """A connection whose proxy has not said yet who its client is; a `mpserver.serving.after_request.Pending`."""

    __slots__ = ("_begin",)

    events = READ

    def __init__(self, connection: Connection, begin: Starter) -> None:
        """``begin`` begins with the connection once the header is read; what follows is in the buffer."""
        super().__init__(connection)
        self._begin = begin

    def start(self) -> None:
        """See `Beginning`."""
        self._connection.pending = self
        super().start()

    def on_event(self) -> None:
        """See `Pending`."""
        self._read_on(READ)

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
        connection.be_for(found.client or connection.client)
        connection.buffer = connection.buffer[found.size :]
        connection.state = READING
        self._go_on(self._begin)
