"""Whom the workers run as: what is refused, what is told, and that nothing of root stays."""

import os
import pwd
import sys

import pytest

from mpserver.api import error_log
from mpserver.config.settings import Conf
from mpserver.errors import StartError
from mpserver.modules import unixd
from mpserver.supervisor import settings
from mpserver.system.account import Account
from support.processes import run_code

NOBODY = pwd.getpwnam("nobody")


def conf(user: str | None = None, group: str | None = None) -> Conf:
    made = Conf()
    for setting, value in ((unixd.USER, user), (unixd.GROUP, group)):
        if value is not None:
            made[setting] = value
    return made


def test_root_without_user_is_refused_with_the_remedy() -> None:
    with pytest.raises(StartError, match=r"'User' and 'Group'.*to /etc/x\.conf.*'User root'"):
        settings.decide(conf(), "/etc/x.conf", 0)


def test_user_root_is_accepted_with_a_warning() -> None:
    identity, [(level, text)] = settings.decide(conf("root"), "x", 0)
    assert identity is not None
    assert identity.uid == 0
    assert level == error_log.WARN
    assert "User root" in text


def test_an_unprivileged_user_is_taken_with_its_group() -> None:
    identity, notices = settings.decide(conf("nobody"), "x", 0)
    assert identity is not None
    assert (identity.uid, identity.gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert notices == ()


@pytest.mark.parametrize("gains", [False, True])
def test_a_python_that_can_not_forbid_programs_more_rights_is_told(
    monkeypatch: pytest.MonkeyPatch, *, gains: bool
) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    made = conf("nobody")
    made[unixd.NO_NEW_PRIVILEGES] = not gains
    _identity, notices = settings.decide(made, "x", 0)
    assert notices == (() if gains else ((error_log.WARN, settings.NO_CTYPES),))


def test_an_unknown_user_is_refused() -> None:
    with pytest.raises(StartError, match="bad user name no-such-user"):
        settings.decide(conf("no-such-user"), "x", 0)


def test_without_root_user_and_group_are_ignored_with_a_notice() -> None:
    assert settings.decide(conf(), "x", 1000) == (None, ())
    identity, [(level, text)] = settings.decide(conf("root", "root"), "x", 1000)
    assert identity is None
    assert level == error_log.NOTICE
    assert "ignored" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(
    "identity",
    [
        Account(NOBODY.pw_uid, NOBODY.pw_gid, "nobody", "/"),
        Account(54321, 54322, "#54321", "/"),
    ],
)
def test_who_was_root_can_not_become_root_again(identity: Account) -> None:
    code = f"""
        import os, re
        from mpserver.system.account import Account, assume
        assume({identity!r})
        print(os.getresuid(), os.getresgid(), 0 in os.getgroups())
        print(re.findall(r"(?:CapPrm|CapEff|CapAmb|NoNewPrivs):\\t(\\w+)", open("/proc/self/status").read()))
        try:
            os.setuid(0)
        except PermissionError:
            print("refused")
    """
    none = "0" * 16
    assert run_code(code) == (
        f"{(identity.uid,) * 3} {(identity.gid,) * 3} False\n{[none, none, none, '1']}\nrefused\n"
    )
