"""Who may: Require and AuthMerging (httpd's mod_authz_core, and the providers of mod_authz_user and _groupfile).

Users and groups come from authentication handlers; here is only what Require makes of them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection

from mpserver.config.settings import Conf, Setting
from mpserver.modules.authn_core import AUTH_TYPE
from mpserver.typing import NamedTuple

#: Whether an authenticated user who may not is told 403 in place of 401.
SEND_FORBIDDEN = Setting("AuthzSendForbiddenOnFailure", False)


class Decision(enum.Enum):
    """What the requirements come to."""

    GRANTED = enum.auto()
    DENIED = enum.auto()
    #: No, as long as nobody has authenticated.
    NEEDS_USER = enum.auto()


GRANTED, DENIED, NEEDS_USER = Decision.GRANTED, Decision.DENIED, Decision.NEEDS_USER


class Requirement(NamedTuple):
    """One Require: ``kind`` is granted, denied, valid-user, user or group; ``text`` as it was written."""

    kind: str
    names: tuple[str, ...]
    text: str


class Rules(NamedTuple):
    """The requirements of one scope: any of them is enough.

    With AuthMerging they stand beside those of the ``outer`` scope: ``and``: both must grant,
    ``or``: one is enough, ``off``: the outer ones don't count.
    """

    entries: tuple[Requirement, ...] = ()
    merging: str = "off"
    outer: Rules | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments of the Require lines in effect, from outside in."""
        own = tuple(entry.text for entry in self.entries)
        return own if self.outer is None else self.outer.texts + own


def _merge(outer: Rules, inner: Rules) -> Rules:
    """A scope without Require inherits; else AuthMerging decides, which is not inherited itself."""
    if not inner.entries:
        return outer
    if inner.merging == "off" or not outer.entries:
        return inner
    return inner._replace(outer=outer if inner.outer is None else _merge(outer, inner.outer))


#: Require and, as ``merging``, AuthMerging.
REQUIRE: Setting[Rules] = Setting("Require", Rules(), _merge)


def _valid_user(_names: tuple[str, ...], user: str | None, _groups: Collection[str]) -> Decision:
    return NEEDS_USER if user is None else GRANTED


def _user(names: tuple[str, ...], user: str | None, _groups: Collection[str]) -> Decision:
    if user is None:
        return NEEDS_USER
    return GRANTED if user in names else DENIED


def _group(names: tuple[str, ...], user: str | None, groups: Collection[str]) -> Decision:
    if user is None:
        return NEEDS_USER
    return GRANTED if any(name in groups for name in names) else DENIED


_PROVIDERS: dict[str, Callable[[tuple[str, ...], str | None, Collection[str]], Decision]] = {
    "granted": lambda _names, _user, _groups: GRANTED,
    "denied": lambda _names, _user, _groups: DENIED,
    "valid-user": _valid_user,
    "user": _user,
    "group": _group,
}


def decide(conf: Conf, user: str | None, groups: Collection[str] = ()) -> Decision:
    """Whether the request may go on. Nothing required is granted.

    :param user: the authenticated user, None before or without authentication.
    :param groups: the groups that the user is in.
    """
    return _decide(conf[REQUIRE], user, groups)


def _decide(rules: Rules, user: str | None, groups: Collection[str]) -> Decision:
    own = GRANTED if not rules.entries else _any(rules, user, groups)
    if rules.outer is None:
        return own
    outer = _decide(rules.outer, user, groups)
    if rules.merging == "or":
        return _or(outer, own)
    return _and(outer, own)


def _any(rules: Rules, user: str | None, groups: Collection[str]) -> Decision:
    decision = DENIED
    for entry in rules.entries:
        decision = _or(decision, _PROVIDERS[entry.kind](entry.names, user, groups))
        if decision is GRANTED:
            break
    return decision


def _or(one: Decision, other: Decision) -> Decision:
    for wanted in (GRANTED, NEEDS_USER):
        if wanted in (one, other):
            return wanted
    return DENIED


def _and(one: Decision, other: Decision) -> Decision:
    for wanted in (DENIED, NEEDS_USER):
        if wanted in (one, other):
            return wanted
    return GRANTED


def needs_user(conf: Conf) -> bool:
    """Whether authentication must run: without a user the requirements can't be met, with one perhaps."""
    return decide(conf, None) is NEEDS_USER


def check_access(conf: Conf, user: str | None = None, groups: Collection[str] = ()) -> int:
    """The access phase, before authentication.

    :param user: whom a handler of an earlier phase has found, by a cookie perhaps; None: nobody is known yet.
    :returns: OK (granted to everybody, or to this user), 403, or DECLINED: authenticate, then `check_authorization`.
    """
    return _BEFORE[decide(conf, user, groups)]


def check_authorization(conf: Conf, user: str | None, groups: Collection[str] = ()) -> int:
    """The authorisation phase. :returns: OK, 401, or 403 with AuthzSendForbiddenOnFailure."""
    if decide(conf, user, groups) is GRANTED:
        return 0
    return 403 if conf[SEND_FORBIDDEN] or conf[AUTH_TYPE] is None else 401


_BEFORE = {GRANTED: 0, DENIED: 403, NEEDS_USER: -1}
