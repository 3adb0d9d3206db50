"""How the server is configured, as a page (httpd's mod_info)."""

from __future__ import annotations

from mpserver.config.settings import Setting, append
from mpserver.typing import NamedTuple

#: The name of the content handler.
HANDLER = "server-info"


class Added(NamedTuple):
    """What AddModuleInfo says of a module, by the name of its source: a piece of HTML."""

    source: str
    text: str


ADDED: Setting[tuple[Added, ...]] = Setting("AddModuleInfo", (), append)
