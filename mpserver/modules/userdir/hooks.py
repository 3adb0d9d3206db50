"""Paths that begin with a user's name."""

from __future__ import annotations

import os
from functools import partial

from mpserver.api import constants
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.http1.percent import encode_path, sendable
from mpserver.modules.hooks import Translation, Translator
from mpserver.modules.userdir import CLOSED, DISABLED, ENABLED, PLACES
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def translate_path(server: Server) -> Translator | None:
    """Users' directories, where there are some."""
    return _translate if server.conf[PLACES] else None


def _translate(path: str, _conf: Conf, server: Server) -> Translation | None:
    if not path.startswith("/~"):
        return None
    user, slash, rest = path[2:].partition("/")
    conf = server.conf
    if user in ("", ".", "..") or user in conf[DISABLED] or (conf[CLOSED] and user not in conf[ENABLED]):
        return None
    rest = slash + rest
    places = conf[PLACES]
    for place in places:
        before, star, after = place.partition("*")
        if star and not place.startswith("/"):
            # (what follows the * is lost, as in httpd)
            return Translation(None, None, partial(_redirect, target=before + encode_path(user + rest)))
        folder = before + user + after if star else f"{place}/{user}" if place.startswith("/") else _home(user, place)
        if folder is not None and (place is places[-1] or os.path.exists(folder)):
            return Translation(folder + rest)
    return None


def _home(user: str, place: str) -> str | None:
    """A directory below a user's home; None if there is no such user."""
    import pwd  # (few look there)

    try:
        return f"{pwd.getpwnam(user).pw_dir}/{place}"
    except (KeyError, ValueError):
        return None


def _redirect(req: Request, target: str) -> int:
    """Answer with the place of a user's documents on another server."""
    req.mp_headers_out_table()["Location"] = sendable(target)
    return constants.HTTP_MOVED_TEMPORARILY
