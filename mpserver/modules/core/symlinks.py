"""Symbolic links on the way to a file: followed where Options says so (httpd's directory walk).

Each name of the path counts by the options of the directory that it lies in. Where all of a server's
sections follow links, as they do by default, nothing is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from stat import S_ISLNK

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.config.sections import merge
from mpserver.modules.core.options import Option, effective
from mpserver.modules.paths import chain
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.sections import HtaccessLookup
    from mpserver.config.server import Server


def step(server: Server, htaccess: HtaccessLookup) -> Callable[[Request], int]:
    """The step of a plan that looks at them."""

    def look(req: Request) -> int:
        if req.mp_filename is None or req.mp_proxyreq:
            return constants.OK
        refused = first_refused(server, req.mp_uri, req.mp_filename, htaccess)
        if refused is None:
            return constants.OK
        text = f"Symbolic link not allowed or link target not accessible: {refused}"
        req.mp_log.log(ERROR, text, about=req, number=37)
        return constants.HTTP_FORBIDDEN

    return look


def first_refused(server: Server, uri: str, filename: str, htaccess: HtaccessLookup | None) -> str | None:
    """The first link of a file's path that may not be followed."""
    if _is_direct(filename):
        return None
    directories = chain(filename)
    for number, directory in enumerate(directories):
        end = filename.find("/", len(directory))
        name = filename[:end] if end >= 0 else filename
        if len(name) <= len(directory):
            return None
        found = effective(merge(server, uri, directories[: number + 1], htaccess, ""))
        if not found & Option.LINKS and not _may_follow(name, owned=bool(found & Option.OWNER)):
            return name
    return None


def _is_direct(filename: str) -> bool:
    """Whether there is a file of that path and no name of it is a link: the kernel tells that of all names at once."""
    try:
        fd = os.open(filename, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return False  # (each name tells more)
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == (filename.rstrip("/") or "/")
    except OSError:
        return False  # (there is no /proc)
    finally:
        os.close(fd)


def _may_follow(name: str, *, owned: bool) -> bool:
    try:
        link = os.lstat(name)
        if not S_ISLNK(link.st_mode):
            return True
        return owned and os.stat(name).st_uid == link.st_uid
    except FileNotFoundError:
        return True  # there is none: the handler says so
    except OSError:
        return False
