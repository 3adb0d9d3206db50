"""Paths that an Alias leads elsewhere."""

from __future__ import annotations

from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules.alias import ALIASES, LOCATION_ALIAS, translate
from mpserver.modules.hooks import SCRIPT_HANDLER, Translation, Translator


def translate_path(server: Server) -> Translator | None:
    """Aliases, where there are some."""
    if server.conf[ALIASES] or any(entry.conf[LOCATION_ALIAS] is not None for entry in server.sections.locations):
        return _by_alias
    return None


def _by_alias(path: str, conf: Conf, server: Server) -> Translation | None:
    """The Alias of the innermost Location, else the server's; what a ScriptAlias leads to is run."""
    found = translate(path, server.conf, conf)
    return None if found is None else Translation(found[0], SCRIPT_HANDLER if found[1] else None)
