"""The account that a process runs as."""

from __future__ import annotations

import os

from mpserver.errors import StartError
from mpserver.typing import NamedTuple


class Account(NamedTuple):
    """A user and a group, looked up: their numbers, the user's name (``#12`` where it has none) and home.

    ``gains``: whether programs that it starts may have more rights than it has (setuid, setgid, file capabilities).
    """

    uid: int
    gid: int
    name: str
    home: str
    gains: bool = False


def name_of(uid: int) -> str:
    """The name of a user; ``#12`` where the number has none."""
    import pwd  # (few need names)

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def assume(account: Account) -> None:
    """Become this account, for good: its supplementary groups, its group, its user; no program gets more than that.

    With its user number root loses its capabilities, too (capabilities(7)).

    :raises StartError: the system refuses.
    """
    if account.uid and not account.gains:
        can_keep_from_gaining()  # (what it loads the account may have no right to read)
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
    if account.uid and not account.gains:
        _gain_nothing()


def can_keep_from_gaining() -> bool:
    """Whether `assume` can keep programs from gaining rights: a Python may lack what that takes."""
    try:
        import ctypes  # noqa: F401 (as below)
    except ImportError:
        return False
    return True


#: PR_SET_NO_NEW_PRIVS, of <linux/prctl.h>.
_NO_NEW_PRIVILEGES = 38


def _gain_nothing() -> None:
    """Let no program that this process or its children start have more rights than they (prctl(2)).

    :raises StartError: the system refuses.
    """
    if not can_keep_from_gaining():
        return  # (then this is the system's, such as NoNewPrivileges= of systemd)
    import ctypes  # (the library has no other way)

    library = ctypes.CDLL(None, use_errno=True)
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    if library.prctl(_NO_NEW_PRIVILEGES, one, none, none, none):
        error = ctypes.get_errno()
        raise StartError(f"({error}){os.strerror(error)}: prctl: unable to give up new privileges")
