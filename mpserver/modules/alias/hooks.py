"""Paths that an Alias or a Redirect leads elsewhere."""

from __future__ import annotations

from mpserver.builtin import partial
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules.alias import ALIASES, DIRECTORY_REDIRECTS, LOCATION_ALIAS, LOCATION_REDIRECT, REDIRECTS, translate
from mpserver.modules.hooks import SCRIPT_HANDLER, Planning, Step, Translation, Translator


def translate_path(server: Server) -> Translator | None:
    """Redirects and aliases, where there are some."""
    locations = [entry.conf for entry in server.sections.locations]
    redirects = server.conf[REDIRECTS] or any(conf[LOCATION_REDIRECT] is not None for conf in locations)
    if redirects:
        return _by_redirect
    if server.conf[ALIASES] or any(conf[LOCATION_ALIAS] is not None for conf in locations):
        return _by_alias
    return None


def _by_redirect(path: str, conf: Conf, server: Server) -> Translation | None:
    """A redirect comes before all aliases."""
    from mpserver.modules.alias import redirects  # (few servers have some)

    found = redirects.of_server(path, server.conf, conf)
    if found is None:
        return _by_alias(path, conf, server)
    return Translation(None, None, partial(redirects.answer, redirect=found))


def _by_alias(path: str, conf: Conf, server: Server) -> Translation | None:
    """The Alias of the innermost Location, else the server's; what a ScriptAlias leads to is run."""
    found = translate(path, server.conf, conf)
    return None if found is None else Translation(found[0], SCRIPT_HANDLER if found[1] else None)


def fixups(planning: Planning) -> Step | None:
    """Redirects of Directory sections and .htaccess files."""
    own = planning.conf[DIRECTORY_REDIRECTS]
    if not own:
        return None
    from mpserver.modules.alias import redirects

    return redirects.in_directory(own)
