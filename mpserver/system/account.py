"""The account that a process runs as."""

from __future__ import annotations

import os

from mpserver.errors import StartError
from mpserver.typing import NamedTuple


class Account(NamedTuple):
    """A user and a group, looked up: their numbers, the user's name (``#12`` where it has none) and home."""

    uid: int
    gid: int
    name: str
    home: str


def name_of(uid: int) -> str:
    """The name of a user; ``#12`` where the number has none."""
    import pwd  # (few need names)

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def assume(account: Account) -> None:
    """Become this account, for good: its supplementary groups, its group, its user.

    :raises StartError: the system refuses.
    """
    try:
        if account.name.startswith("#"):  # a number without an account
            os.setgroups([account.gid])
        else:
            os.initgroups(account.name, account.gid)
        os.setgid(account.gid)
        os.setuid(account.uid)
    except OSError as error:
        raise StartError(
            f"({error.errno}){error.strerror}: AH02162: setuid: unable to change to uid: {account.uid}"
        ) from error
