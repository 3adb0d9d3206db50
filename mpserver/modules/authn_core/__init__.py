"""How users prove who they are: AuthType and AuthName (httpd's mod_authn_core)."""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting, update
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request


class Alias(NamedTuple):
    """A provider of another one's kind, with settings of its own (AuthnProviderAlias)."""

    base: str
    conf: Conf


#: The name of a provider, or an alias.
Provider = str | Alias

#: By their names. Of the main server.
ALIASES: Setting[dict[str, Alias]] = Setting("AuthnProviderAlias", {}, update)

#: None: none was set, or AuthType None.
AUTH_TYPE: Setting[str | None] = Setting("AuthType", None)
AUTH_NAME: Setting[str | None] = Setting("AuthName", None)
#: What proves that a nonce of Digest authentication comes from this server: the same for all of its processes.
NONCE_KEY: Setting[bytes] = Setting("the key of nonces", b"")


def authorization(req: Request) -> str | None:
    """The Authorization header: as it came, or from the table of headers once there is one."""
    table = req.mp_table_in
    value: str | None = req.mp_head.get("authorization") if table is None else table.get("Authorization")
    return value
