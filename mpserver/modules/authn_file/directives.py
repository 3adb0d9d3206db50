"""The directive of mod_authn_file."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.authn_file import USER_FILE, UserFile


def _user_file(call: Call) -> None:
    call.conf[USER_FILE] = UserFile(values.path(call, call.args[0]))


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthUserFile",
        Args.TAKE1,
        IN_DIRECTORY,
        _user_file,
        Override.AUTHCONFIG,
        "a file of users and passwords, which mpserver htpasswd makes",
    ),
)
