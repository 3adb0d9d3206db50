"""The connection object of a connection handler (manual 4.4, 4.5.4): no request is read from it."""

from __future__ import annotations

from mpserver.api.connection import Connection
from mpserver.api.connection_stream import Incoming, Wire
from mpserver.api.members import ReadOnly, named
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.handler_list import HandlerList


@named("mp_conn")
class ProtocolConnection(Connection):
    """A connection on which a handler speaks a protocol of its own."""

    __slots__ = ("mp_hlist",)

    def __init__(self, plain: Connection, wire: Wire, hlist: HandlerList) -> None:
        super().__init__(plain.mp_id, plain.mp_client_addr, plain.mp_local_addr, plain.mp_base_server, plain.mp_log)
        self.mp_incoming = Incoming(wire)
        self.mp_hlist = hlist

    @ReadOnly
    def hlist(self) -> HandlerList:
        """The connection handlers."""
        return self.mp_hlist
