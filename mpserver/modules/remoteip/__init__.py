"""Who a request's client is where a proxy stands before the server (httpd's mod_remoteip)."""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting
from mpserver.modules.networks import Network
from mpserver.typing import NamedTuple


class Proxy(NamedTuple):
    """A proxy that is trusted: where it is, and whether clients with private addresses may be behind it."""

    network: Network
    internal: bool


#: The header that proxies tell the client's address in.
HEADER: Setting[str | None] = Setting("RemoteIPHeader", None)
#: Those whose word counts; None: everybody's does, as that of a proxy outside.
PROXIES: Setting[tuple[Proxy, ...] | None] = Setting("RemoteIPTrustedProxy", None)
#: The header of the request that gets the addresses of the proxies.
PROXIES_HEADER: Setting[str | None] = Setting("RemoteIPProxiesHeader", None)
#: Whether connections begin with a header of the PROXY protocol, and those of which clients don't.
PROXY_PROTOCOL = Setting("RemoteIPProxyProtocol", False)
EXCEPTIONS: Setting[tuple[Network, ...]] = Setting("RemoteIPProxyProtocolExceptions", ())


def reads_proxy_protocol(conf: Conf) -> bool:
    """Whether connections of a server may begin with a header of the PROXY protocol."""
    return conf[PROXY_PROTOCOL]
