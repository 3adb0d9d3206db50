"""Hosts that VirtualDocumentRoot makes of their names: servers like that of the configuration, each with its own root.

Each is a server of its own to all that comes after, with an interpreter that is called by the parts of the name in its
path. Names come from clients: only those whose directory is there have one.
"""

from __future__ import annotations

import os

from mpserver.config.host_names import normal_host
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules.alias import ALIASES, Alias
from mpserver.modules.core import DOCUMENT_ROOT, USE_CANONICAL_NAME
from mpserver.modules.vhost_alias import NAME, ROOT, SCRIPTS, Template, interpolated
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.connection import Address

#: Where VirtualScriptAlias holds.
SCRIPT_PATH = "/cgi-bin/"


class NamedHosts:
    """Makes them, and keeps them: those of one root are one."""

    def __init__(self) -> None:
        self._made: dict[tuple[Server, str, str], Server] = {}

    def of(self, server: Server, address: Address, name: str | None) -> Server:
        """The server of a name: the one of the configuration, where its documents do not depend on the name."""
        root, scripts = server.conf[ROOT], server.conf[SCRIPTS]
        if root is None and scripts is None:
            return server
        changed: Conf = Conf()
        label = ""
        if root is not None:
            path, label = _path(root, server, address, name)
            if not path or not os.path.isdir(path):
                path, label = root.text, ""  # (where nothing is)
            changed[DOCUMENT_ROOT] = path
        if scripts is not None:
            path, found = _path(scripts, server, address, name)
            if path and os.path.isdir(path):
                label = label or found
                changed[ALIASES] = (Alias(SCRIPT_PATH, None, path + "/", is_script=True),)
        key = server, changed[DOCUMENT_ROOT], changed[ALIASES][0].target if changed[ALIASES] else ""
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = like(server, label or server.name, server.conf.merged(changed))
        return made


def _path(template: Template, server: Server, address: Address, name: str | None) -> tuple[str, str]:
    """What a template comes to, and the parts of the name in it; "" for a name that can be no part of a path."""
    asked = address[0] if template.by_address else normal_host(name) if name else ""
    if not asked or (not template.by_address and server.base[USE_CANONICAL_NAME] == "on"):
        asked = server.name
    asked = asked.lower()
    if NAME.fullmatch(asked) is None:
        return "", ""
    return interpolated(template.text, asked, server.port or address[1])


def like(server: Server, name: str, conf: Conf) -> Server:
    """Another server with the same sections."""
    made = Server(server.defn_name, server.defn_line, server.number)
    for member in ("port", "own_name", "names", "wild_names", "addresses", "own_base", "base", "sections"):
        setattr(made, member, getattr(server, member))
    made.name, made.conf, made.own_conf = name, conf, conf
    return made
