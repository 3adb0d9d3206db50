"""The directive of mod_authz_groupfile."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.authz_groupfile import GROUP_FILE, GroupFile


def _group_file(call: Call) -> None:
    word = call.args[0]
    call.conf[GROUP_FILE] = None if word.lower() == "none" else GroupFile(values.path(call, word))


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthGroupFile",
        Args.TAKE1,
        IN_DIRECTORY,
        _group_file,
        Override.AUTHCONFIG,
        "a file of groups and their members",
    ),
)
