"""The directive of mod_userdir."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules.userdir import CLOSED, DISABLED, ENABLED, PLACES


def _user_dir(call: Call) -> None:
    if not call.args:
        raise ConfigError(f"{call.name} requires an argument: {_HELP}")
    word, *users = call.args
    if word.lower() == "disabled":
        if users:
            call.server[DISABLED] = (*call.server.values.get(DISABLED, ()), *users)
        else:
            call.server[CLOSED] = True
        return
    if word.lower() == "enabled":
        if not users:
            raise ConfigError(f'{call.name} "enabled" keyword requires a list of usernames')
        call.server[ENABLED] = (*call.server.values.get(ENABLED, ()), *users)
        return
    for place in call.args:
        if place in ("", ".", "..") or ".." in place.split("/"):
            raise ConfigError(f"{call.name} {place!r} would lead out of the users' directories: {_HELP}")
        if "*" in place and ":" not in place and not place.startswith("/"):
            raise ConfigError(f"{call.name} {place}: a path with a * has to be absolute, as in /home/*/www")
        if ":" in place and "*" not in place:
            call.warn(f"{call.name} {place} is no redirect without a * where the user's name goes: http://host/~*")
    call.server[PLACES] = call.args


_HELP = "a directory of users' homes, an absolute one, one with a * for the user, http://host/~*, enabled or disabled"

DIRECTIVES = (Directive("UserDir", Args.RAW, SERVER_VHOST, _user_dir, help=_HELP),)
