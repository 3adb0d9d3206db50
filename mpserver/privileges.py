"""Who the workers run as: User and Group (httpd's mod_unixd)."""

from __future__ import annotations

import os

from mpserver.api import log
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError, StartError
from mpserver.modules import unixd
from mpserver.modules.unixd import Identity
from mpserver.typing import NamedTuple


class Decision(NamedTuple):
    """The account to assume (None: stay who we are), and what to tell: (level, text) pairs."""

    identity: Identity | None
    notices: tuple[tuple[int, str], ...] = ()


def decide(conf: Conf, file: str, euid: int) -> Decision:
    """What User and Group mean for a server started as ``euid``; ``file`` is the configuration, for the remedy.

    :raises StartError: started by root without User, or an unknown account.
    """
    if euid != 0:
        if unixd.USER not in conf and unixd.GROUP not in conf:
            return Decision(None)
        text = "User and Group are ignored: the server was not started by root and can't change its account"
        return Decision(None, ((log.NOTICE, text),))
    try:
        identity = unixd.identity(conf)
    except ConfigError as error:
        raise StartError(error.message) from error
    if identity is None:
        raise StartError(
            f"Started by root, but no User is configured for the workers. Add 'User' and 'Group' with an "
            f"unprivileged account to {file} (for example 'User www-data' and 'Group www-data'), or "
            f"'User root' to run every application as root."
        )
    if identity.uid == 0:
        return Decision(identity, ((log.WARN, "User root: applications run with all rights on this machine"),))
    return Decision(identity)


def assume(identity: Identity) -> None:
    """Become this account, for good: its groups, its group, its user.

    :raises StartError: the system refuses.
    """
    try:
        if identity.name.startswith("#"):  # a number without an account
            os.setgroups([identity.gid])
        else:
            os.initgroups(identity.name, identity.gid)
        os.setgid(identity.gid)
        os.setuid(identity.uid)
    except OSError as error:
        raise StartError(
            f"({error.errno}){error.strerror}: AH02162: setuid: unable to change to uid: {identity.uid}"
        ) from error
