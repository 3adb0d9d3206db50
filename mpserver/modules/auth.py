"""Who may: AuthType, AuthName, Require (httpd's mod_authn_core, mod_authz_core and their providers).

Users and groups come from authentication handlers; here is only what Require makes of them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection

from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive, Module, Override
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.typing import NamedTuple

#: None: none was set, or AuthType None.
AUTH_TYPE: Setting[str | None] = Setting("AuthType", None)
AUTH_NAME: Setting[str | None] = Setting("AuthName", None)
#: Whether a failed Basic authentication is final, or left to other modules.
AUTH_BASIC_AUTHORITATIVE = Setting("AuthBasicAuthoritative", True)
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


def check_access(conf: Conf) -> int:
    """The access phase, before anybody is authenticated.

    :returns: OK (granted to everybody), 403, or DECLINED: authenticate, then `check_authorization`.
    """
    return _BEFORE[decide(conf, None)]


def check_authorization(conf: Conf, user: str | None, groups: Collection[str] = ()) -> int:
    """The authorisation phase. :returns: OK, 401, or 403 with AuthzSendForbiddenOnFailure."""
    if decide(conf, user, groups) is GRANTED:
        return 0
    return 403 if conf[SEND_FORBIDDEN] or conf[AUTH_TYPE] is None else 401


_BEFORE = {GRANTED: 0, DENIED: 403, NEEDS_USER: -1}


def challenge(conf: Conf) -> str | None:
    """The value of WWW-Authenticate for a 401; None unless AuthType is Basic and AuthName is set."""
    kind, realm = conf[AUTH_TYPE], conf[AUTH_NAME]
    if kind is None or kind.lower() != "basic" or realm is None:
        return None
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return f'Basic realm="{quoted}"'


# ---- directives


def _require(call: Call) -> None:
    words = call.args
    name = words[0] if words else ""
    if name.lower() == "not":
        raise ConfigError(
            "negative Require directive has no effect in <RequireAny> directive: say who may in place of who may not"
        )
    requirement = Requirement(name, words[1:], " ".join(words))
    if name == "all":
        which = words[1].lower() if len(words) == 2 else ""
        if which not in ("granted", "denied"):
            raise ConfigError("Argument for 'Require all' must be 'granted' or 'denied'")
        requirement = Requirement(which, (), f"all {which}")
    elif name in ("user", "group"):
        if len(words) < 2:
            raise ConfigError(f"Require {name} needs at least one name: nobody could meet it")
    elif name != "valid-user":
        raise ConfigError(
            f"Unknown Authz provider: {name}: use all granted, all denied, valid-user, user NAME... or group NAME..."
        )
    rules = call.conf.values.get(REQUIRE, Rules())
    call.conf[REQUIRE] = rules._replace(entries=(*rules.entries, requirement))


def _merging(call: Call) -> None:
    word = call.args[0].lower()
    if word not in ("off", "and", "or"):
        raise ConfigError("AuthMerging must be one of: Off | And | Or")
    rules = call.conf.values.get(REQUIRE, Rules())
    call.conf[REQUIRE] = rules._replace(merging=word)


MODULES = (
    Module(
        "mod_authn_core.c",
        "authn_core_module",
        (
            Directive(
                "AuthType",
                Args.TAKE1,
                IN_DIRECTORY,
                values.directory(AUTH_TYPE, values.optional(values.filled)),
                Override.AUTHCONFIG,
                "the kind of authentication, such as Basic, or None",
            ),
            Directive(
                "AuthName",
                Args.TAKE1,
                IN_DIRECTORY,
                values.directory(AUTH_NAME, values.text),
                Override.AUTHCONFIG,
                "the name of the realm",
            ),
        ),
    ),
    Module(
        "mod_authz_core.c",
        "authz_core_module",
        (
            Directive("Require", Args.RAW, IN_DIRECTORY, _require, Override.AUTHCONFIG),
            Directive("AuthMerging", Args.TAKE1, IN_DIRECTORY, _merging, Override.AUTHCONFIG, "Off, And or Or"),
            Directive(
                "AuthzSendForbiddenOnFailure",
                Args.FLAG,
                IN_DIRECTORY,
                values.directory(SEND_FORBIDDEN, values.flag),
                Override.AUTHCONFIG,
            ),
        ),
    ),
    Module("mod_authz_user.c", "authz_user_module", ()),
    Module("mod_authz_groupfile.c", "authz_groupfile_module", ()),
    Module(
        "mod_auth_basic.c",
        "auth_basic_module",
        (
            Directive(
                "AuthBasicAuthoritative",
                Args.FLAG,
                IN_DIRECTORY,
                values.directory(AUTH_BASIC_AUTHORITATIVE, values.flag),
                Override.AUTHCONFIG,
            ),
        ),
    ),
)
