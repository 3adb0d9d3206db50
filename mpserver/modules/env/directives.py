"""The directives of mod_env."""

from __future__ import annotations

import os

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.modules.env import VARIABLES, Variables


def _set(call: Call) -> None:
    name, value = call.args if len(call.args) == 2 else (call.args[0], "")
    call.conf[VARIABLES] = _own(call).having(name, value)


def _pass(call: Call) -> None:
    for name in call.args:
        value = os.environ.get(name)
        if value is None:
            call.warn(f"AH01506: PassEnv variable {name} was undefined")
        else:
            call.conf[VARIABLES] = _own(call).having(name, value)


def _unset(call: Call) -> None:
    """As in httpd this is about the scopes around this one: what this one sets itself stays."""
    own = _own(call)
    call.conf[VARIABLES] = own._replace(unset=own.unset | {name.lower() for name in call.args})


def _own(call: Call) -> Variables:
    found: Variables = call.conf.values.get(VARIABLES, Variables())
    return found


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "SetEnv", Args.TAKE12, EVERYWHERE, _set, Override.FILEINFO,
        "a variable for programs and, optionally, its value",
    ),
    Directive(
        "PassEnv", Args.ITERATE, EVERYWHERE, _pass, Override.FILEINFO, "variables of the server's that programs get"
    ),
    Directive(
        "UnsetEnv", Args.ITERATE, EVERYWHERE, _unset, Override.FILEINFO,
        "the names of variables that programs don't get",
    ),
)  # fmt: skip
