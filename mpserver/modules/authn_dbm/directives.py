"""The directives of mod_authn_dbm."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.authn_dbm import USER_DATABASE, UserDatabase
from mpserver.modules.database_directives import check_type


def _user_file(call: Call) -> None:
    call.conf[USER_DATABASE] = UserDatabase(values.path(call, call.args[0]))


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthDBMUserFile",
        Args.TAKE1,
        IN_DIRECTORY,
        _user_file,
        Override.AUTHCONFIG,
        "a database of users and passwords, which mpserver htdbm makes",
    ),
    Directive("AuthDBMType", Args.TAKE1, IN_DIRECTORY, check_type, Override.AUTHCONFIG, "default or sqlite"),
)
