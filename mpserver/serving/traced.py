"""Connections that stand for the client of ``mpserver --trace``.

The worker that is asked has the other end of each (`mpserver.routing.traced`). Such a connection is told apart by its
origin, which goes along wherever it goes. There its local address gets a third part, the number by which who asked
knows the request: by that the planner finds the twin of a server (`mpserver.phases.planner.Planner.host_of`), whose
plans tell of their steps. Connections of others know nothing of all that.
"""

from __future__ import annotations

from mpserver.ipc import plain_data
from mpserver.ipc.messages import TRACED
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.phases.host import Host
    from mpserver.phases.planner import TracedAddress

#: Who asks, in logs and for who may come in: this machine.
CLIENT = ("127.0.0.1", 0)
#: What variables say of the TLS that nobody speaks: the protocol, the cipher, whether its session is an earlier one.
SPOKEN = ("TLSv1.3", ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256), False)


def pack_origin(local: TracedAddress, host: Host, name: str | None, tls: bool) -> bytes:
    """The origin of such a connection.

    :param local: the address that it pretends to have come in at, and the number of who asked.
    :param host: the server that it is for, by ``name``.
    :param tls: whether its requests are as if they had come over TLS.
    """
    told: tuple[Any, ...] | None = None
    if tls and host.tls is not None:
        from mpserver.tls.profile import to_plain  # (those that speak TLS have it already)

        told = to_plain(host.tls), host.server.number, name, SPOKEN, [], []
    return TRACED + plain_data.pack((CLIENT, local, told))


def unpack_origin(data: bytes) -> tuple[Any, Any, Any, Any]:
    """As `mpserver.tls.session.unpack_origin`."""
    client, local, told = plain_data.unpack(data.removeprefix(TRACED))
    if told is None:
        return client, local, None, None
    from mpserver.tls.session import Told

    return client, local, Told(*told), None
