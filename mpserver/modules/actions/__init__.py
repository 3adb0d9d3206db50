"""CGI scripts for types, handlers and methods: Action and Script (httpd's mod_actions)."""

from __future__ import annotations

from mpserver.config.settings import Setting, update
from mpserver.typing import NamedTuple


class Target(NamedTuple):
    """The path of a script's URI; ``virtual``: for files that are not there, too."""

    path: str
    virtual: bool


#: By the name of a handler or a media type, in lower case.
ACTIONS: Setting[dict[str, Target]] = Setting("Action", {}, update)
#: By the method.
SCRIPTS: Setting[dict[str, str]] = Setting("Script", {}, update)
