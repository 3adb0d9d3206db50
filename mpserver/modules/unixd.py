"""User and Group: as whom the workers run (httpd's mod_unixd)."""

from __future__ import annotations

import grp
import pwd

from mpserver.config.registry import SERVER_ONLY, Args, Call, Directive, Module
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.system.account import Account

#: A name, or "#" and a number; None: nothing was said.
USER: Setting[str | None] = Setting("User", None)
GROUP: Setting[str | None] = Setting("Group", None)


def _number(word: str) -> int | None:
    """The number of ``#12``, None for a name."""
    digits = word[1:]
    return int(digits) if word.startswith("#") and digits.isascii() and digits.isdigit() else None


def identity(conf: Conf) -> Account | None:
    """User and Group looked up; None without User. Without Group it is the user's own.

    :raises ConfigError: there is no such user or group.
    """
    user = conf[USER]
    return None if user is None else account(user, conf[GROUP])


def account(user: str, group: str | None) -> Account:
    """A user and a group looked up; without a group it is the user's own.

    :raises ConfigError: there is no such user or group.
    """
    number = _number(user)
    try:
        entry = pwd.getpwnam(user) if number is None else pwd.getpwuid(number)
    except KeyError:
        if number is None:
            raise ConfigError(f"bad user name {user}: create the user, or name one that exists") from None
        if group is None:
            raise ConfigError(f"User {user} is no user of this system, so it has no group: add Group") from None
        return Account(number, _gid(group), user, "/")
    return Account(entry.pw_uid, entry.pw_gid if group is None else _gid(group), entry.pw_name, entry.pw_dir)


def _gid(group: str) -> int:
    number = _number(group)
    if number is not None:
        return number
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(f"bad group name {group}: create the group, or name one that exists") from None


def _user(call: Call) -> None:
    call.server[USER] = name = values.filled(call, call.args[0])

    def test() -> str | None:
        try:
            if _number(name) is None:
                pwd.getpwnam(name)
        except KeyError:
            return f"bad user name {name}: create the user, or name one that exists"
        return None

    values.later(call, test)


def _group(call: Call) -> None:
    call.server[GROUP] = name = values.filled(call, call.args[0])

    def test() -> str | None:
        try:
            _gid(name)
        except ConfigError as error:
            return error.message
        return None

    values.later(call, test)


MODULE = Module(
    "mod_unixd.c",
    "unixd_module",
    (
        Directive("User", Args.TAKE1, SERVER_ONLY, _user, help="as whom the workers run: a name or #number"),
        Directive("Group", Args.TAKE1, SERVER_ONLY, _group, help="the workers' group: a name or #number"),
    ),
)
