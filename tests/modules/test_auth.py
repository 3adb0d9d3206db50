"""Requirements and what they come to; the statuses are those that httpd 2.4 answered in the same places."""

from __future__ import annotations

import pytest

from modules.requirements import check_access, check_authorization, decide, needs_user
from modules.scopes import Scope, in_directory
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules import auth_basic, authz_core
from mpserver.modules.authz_core import DENIED, GRANTED, NEEDS_USER


@pytest.mark.parametrize(
    ("lines", "nobody", "joe", "bob"),
    [
        ((), GRANTED, GRANTED, GRANTED),
        (("Require all granted",), GRANTED, GRANTED, GRANTED),
        (("Require all Denied",), DENIED, DENIED, DENIED),
        (("Require valid-user",), NEEDS_USER, GRANTED, GRANTED),
        (("Require user joe eve",), NEEDS_USER, GRANTED, DENIED),
        (("Require user joe", "Require user bob"), NEEDS_USER, GRANTED, GRANTED),
        (("Require group a staff",), NEEDS_USER, GRANTED, DENIED),
        (("Require all denied", "Require user joe"), NEEDS_USER, GRANTED, DENIED),
        (("Require user joe", "Require all granted"), GRANTED, GRANTED, GRANTED),
    ],
)
def test_decisions(
    lines: tuple[str, ...], nobody: authz_core.Decision, joe: authz_core.Decision, bob: authz_core.Decision
) -> None:
    conf = in_directory(*lines)
    assert decide(conf, None) is nobody
    assert decide(conf, "joe", {"staff"}) is joe
    assert decide(conf, "bob", {"guests"}) is bob
    assert needs_user(conf) is (nobody is NEEDS_USER)


OUTER = in_directory("Require user joe")


@pytest.mark.parametrize(
    ("lines", "statuses"),
    [
        (("Require user bob",), (-1, 401, 0)),
        (("AuthMerging Or", "Require user bob"), (-1, 0, 0)),
        (("AuthMerging and", "Require user bob"), (-1, 401, 401)),
        (("AuthMerging And", "Require all denied"), (403, 401, 401)),
        (("AuthMerging or", "Require all granted"), (0, 0, 0)),
        (("AuthMerging or",), (-1, 0, 401)),
        ((), (-1, 0, 401)),
    ],
)
def test_merging(lines: tuple[str, ...], statuses: tuple[int, int, int]) -> None:
    conf = OUTER.merged(in_directory("AuthType Basic", *lines))
    assert (
        check_access(conf),
        check_authorization(conf, "joe"),
        check_authorization(conf, "bob"),
    ) == statuses


def test_merging_of_three_scopes_does_not_depend_on_the_order_of_merging() -> None:
    middle = in_directory("AuthMerging And", "Require group staff")
    inner = in_directory("AuthMerging Or", "Require user eve")
    one, other = OUTER.merged(middle).merged(inner), OUTER.merged(middle.merged(inner))
    for user, groups, expected in (
        ("joe", {"staff"}, GRANTED),
        ("joe", (), DENIED),
        ("bob", {"staff"}, DENIED),
        ("eve", (), GRANTED),
    ):
        assert decide(one, user, groups) is decide(other, user, groups) is expected
    assert one[authz_core.REQUIRE].texts == ("user joe", "group staff", "user eve")
    off = one.merged(in_directory("Require user bob"))
    assert decide(off, "joe", {"staff"}) is DENIED


def test_forbidden_in_place_of_unauthorized() -> None:
    conf = OUTER.merged(in_directory("AuthType Basic", "AuthzSendForbiddenOnFailure On"))
    assert check_authorization(conf, "bob") == 403
    assert check_authorization(conf, "joe") == 0


def test_challenge() -> None:
    assert auth_basic.challenge(in_directory("AuthType basic", r'AuthName "a \" b\\c"')) == r'Basic realm="a \" b\\c"'
    assert auth_basic.challenge(in_directory("AuthType Basic")) is None
    assert auth_basic.challenge(in_directory("AuthType Form", "AuthName x")) is None
    outer = in_directory("AuthType Basic", "AuthName x")
    assert auth_basic.challenge(outer.merged(in_directory("AuthType None"))) is None
    assert auth_basic.challenge(Conf()) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Require", "Unknown Authz provider: "),
        ("Require foo", "Unknown Authz provider: foo"),
        ("Require VALID-USER", "Unknown Authz provider: VALID-USER"),
        ("Require all", "Argument for 'Require all' must be 'granted' or 'denied'"),
        ("Require all foo", "Argument for 'Require all' must be 'granted' or 'denied'"),
        ("Require all granted x", "Argument for 'Require all' must be 'granted' or 'denied'"),
        ("Require user", "needs at least one name"),
        ("Require group", "needs at least one name"),
        ("Require not user x", "negative Require directive has no effect in <RequireAny> directive"),
        ("AuthMerging foo", "AuthMerging must be one of: Off | And | Or"),
        ("Require dbm-group", "needs at least one name"),
        ("AuthDBMType GDBM", "such files can't be read; there are SQLite files: make it with mpserver htdbm"),
        ("AuthzDBMType sdbm", "such files can't be read"),
        ("AuthnCacheSOCache foo:x", "Unknown socache provider 'foo': write one of default, shmcb"),
        ("AuthnCacheTimeout -1", "must be a whole number from 0"),
        ("AuthDBMType foo", "must be one of: default, sqlite"),
    ],
)
def test_faults(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Scope().say(line)
    assert message in caught.value.message
