"""The directives of mod_authz_dbm."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.authz_dbm import GROUP_DATABASE
from mpserver.modules.database_directives import check_type
from mpserver.modules.databases import Database


def _group_file(call: Call) -> None:
    call.conf[GROUP_DATABASE] = Database(values.path(call, call.args[0]))


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthDBMGroupFile",
        Args.TAKE1,
        IN_DIRECTORY,
        _group_file,
        Override.AUTHCONFIG,
        "a database of users and their groups, which mpserver httxt2dbm makes",
    ),
    Directive("AuthzDBMType", Args.TAKE1, IN_DIRECTORY, check_type, Override.AUTHCONFIG, "default or sqlite"),
)
