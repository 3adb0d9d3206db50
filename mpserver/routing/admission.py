"""Who may have one more connection (MaxConnectionsPerAddress).

It is looked at where a connection is accepted, before anything is read of it or answered. One beyond the limit is
closed without a word: an answer would cost what the limit is to save, and could be no HTTP where TLS is spoken. Those
of proxies don't count, for they are of many clients: where the PROXY protocol names one, that one's do.
"""

from __future__ import annotations

import time

from mpserver.api import error_log as levels
from mpserver.api.connection import Address
from mpserver.ipc.address_table import AddressTable
from mpserver.modules import mpm, networks, remoteip
from mpserver.serving.connection import Connection
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished


class Admission:
    """The limit, as the router of a worker keeps it."""

    __slots__ = ("_limit", "_proxies", "_table")

    def __init__(self, configuration: Finished, table: AddressTable) -> None:
        self._limit: int = configuration.main.conf[mpm.MAX_CONNECTIONS_PER_ADDRESS]
        self._table = table
        found: dict[networks.Network, None] = {}
        for server in (configuration.main, *configuration.hosts):
            if server.conf[remoteip.HEADER] is not None:
                found.update((proxy.network, None) for proxy in server.conf[remoteip.PROXIES] or ())
        self._proxies = tuple(found)

    def admits(self, connection: Connection) -> bool:
        """Whether a connection that was just accepted may stay; it is closed otherwise."""
        conf = connection.default.server.conf
        if conf[remoteip.HEADER] is not None and conf[remoteip.PROXIES] is None:
            return True  # (everybody's word counts there, so everybody may be a proxy)
        if remoteip.reads_proxy_protocol(conf):
            exceptions: tuple[networks.Network, ...] = conf[remoteip.EXCEPTIONS]
            if not networks.within(networks.packed(connection.client[0]), exceptions):
                return True  # (whose it is will be told)
        return self._enter(connection, connection.client)

    def admits_told(self, connection: Connection) -> bool:
        """The same once a proxy has told whose it is."""
        agent = connection.agent
        return agent is None or agent == connection.client or self._enter(connection, agent)

    def count(self, connection: Connection) -> None:
        """Count one that was let in elsewhere."""
        address = networks.packed((connection.agent or connection.client)[0])
        if address:
            connection.place = self._table.enter(address, connection.number)

    def _enter(self, connection: Connection, client: Address) -> bool:
        address = networks.packed(client[0])
        if not (address and client[1]) or networks.within(address, self._proxies):
            return True  # (no port: it came by a file)
        table = self._table
        connection.place = table.enter(address, connection.number)
        if table.count(address) <= self._limit:
            return True
        if table.may_tell(address, time.time()):
            connection.default.log.log(
                levels.WARN,
                f"{client[0]} has {self._limit} connections (MaxConnectionsPerAddress): further ones of it are closed; "
                "this is told once in a minute",
                client=client,
            )
        connection.close()
        return False
