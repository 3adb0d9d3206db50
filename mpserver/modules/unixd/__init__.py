"""User and Group: as whom the workers run (httpd's mod_unixd)."""

from __future__ import annotations

import grp
import pwd

from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.system.account import Account

#: A name, or "#" and a number; None: nothing was said.
USER: Setting[str | None] = Setting("User", None, travels=False)
GROUP: Setting[str | None] = Setting("Group", None, travels=False)
#: Whether programs of the workers get no more rights than these have.
NO_NEW_PRIVILEGES: Setting[bool] = Setting("NoNewPrivileges", True, travels=False)


def number_of(word: str) -> int | None:
    """The number of ``#12``, None for a name."""
    digits = word[1:]
    return int(digits) if word.startswith("#") and digits.isascii() and digits.isdigit() else None


def identity(conf: Conf) -> Account | None:
    """User and Group looked up; None without User. Without Group it is the user's own.

    :raises ConfigError: there is no such user or group.
    """
    user = conf[USER]
    return None if user is None else account(user, conf[GROUP])._replace(gains=not conf[NO_NEW_PRIVILEGES])


def account(user: str, group: str | None) -> Account:
    """A user and a group looked up; without a group it is the user's own.

    :raises ConfigError: there is no such user or group.
    """
    number = number_of(user)
    try:
        entry = pwd.getpwnam(user) if number is None else pwd.getpwuid(number)
    except KeyError:
        if number is None:
            raise ConfigError(f"bad user name {user}: create the user, or name one that exists") from None
        if group is None:
            raise ConfigError(f"User {user} is no user of this system, so it has no group: add Group") from None
        return Account(number, gid_of(group), user, "/")
    return Account(entry.pw_uid, entry.pw_gid if group is None else gid_of(group), entry.pw_name, entry.pw_dir)


def gid_of(group: str) -> int:
    """Return the number of a group. :raises ConfigError: there is none of this name."""
    number = number_of(group)
    if number is not None:
        return number
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(f"bad group name {group}: create the group, or name one that exists") from None
