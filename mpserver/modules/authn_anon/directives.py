"""The directives of mod_authn_anon."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.authn_anon import ANONYMOUS, LOG_EMAIL, MUST_GIVE_EMAIL, NO_USER_ID, VERIFY_EMAIL


def _anonymous(call: Call) -> None:
    call.conf[ANONYMOUS] = (*call.conf[ANONYMOUS], *(word.lower() for word in call.args))


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "Anonymous",
        Args.ITERATE,
        IN_DIRECTORY,
        _anonymous,
        Override.AUTHCONFIG,
        "the names of guests",
    ),
    *(
        Directive(setting.name, Args.FLAG, IN_DIRECTORY, values.directory(setting, values.flag), Override.AUTHCONFIG)
        for setting in (MUST_GIVE_EMAIL, VERIFY_EMAIL, LOG_EMAIL, NO_USER_ID)
    ),
)
