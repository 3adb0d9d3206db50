"""The directives of mod_unixd."""

from __future__ import annotations

import pwd

from mpserver.config.registry import SERVER_ONLY, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.unixd import GROUP, NO_NEW_PRIVILEGES, USER, gid_of, number_of


def _user(call: Call) -> None:
    call.server[USER] = name = values.filled(call, call.args[0])

    def test() -> str | None:
        try:
            if number_of(name) is None:
                pwd.getpwnam(name)
        except KeyError:
            return f"bad user name {name}: create the user, or name one that exists"
        return None

    values.later(call, test)


def _group(call: Call) -> None:
    call.server[GROUP] = name = values.filled(call, call.args[0])

    def test() -> str | None:
        try:
            gid_of(name)
        except ConfigError as error:
            return error.message
        return None

    values.later(call, test)


DIRECTIVES: tuple[Directive, ...] = (
    Directive("User", Args.TAKE1, SERVER_ONLY, _user, help="as whom the workers run: a name or #number"),
    Directive("Group", Args.TAKE1, SERVER_ONLY, _group, help="the workers' group: a name or #number"),
    Directive("NoNewPrivileges", Args.FLAG, SERVER_ONLY, values.server(NO_NEW_PRIVILEGES, values.flag)),
)
