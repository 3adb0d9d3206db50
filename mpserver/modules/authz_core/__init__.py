"""Who may: Require, what it stands in, and AuthMerging (httpd's mod_authz_core).

What a requirement asks for is decided by the modules that `mpserver.modules.authz_core.providers` lists; here is what
several of them come to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mpserver.config.methods import Methods, holds_for
from mpserver.config.settings import Conf, Setting, update
from mpserver.enumeration import Enum, auto
from mpserver.modules.authn_core import AUTH_TYPE
from mpserver.typing import Any, NamedTuple

#: Whether an authenticated user who may not is told 403 in place of 401.
SEND_FORBIDDEN = Setting("AuthzSendForbiddenOnFailure", False)


class Decision(Enum):
    """What the requirements come to."""

    GRANTED = auto()
    DENIED = auto()
    #: No, as long as nobody has authenticated.
    NEEDS_USER = auto()
    #: Neither yes nor no; at the end that is a no.
    NEUTRAL = auto()
    #: It can't be found out, for something is wrong with the server.
    FAILED = auto()


GRANTED, DENIED, NEEDS_USER = Decision.GRANTED, Decision.DENIED, Decision.NEEDS_USER
NEUTRAL, FAILED = Decision.NEUTRAL, Decision.FAILED


def decided(yes: bool) -> Decision:
    """What a yes or a no comes to."""
    return GRANTED if yes else DENIED


class Requirement(NamedTuple):
    """One Require: ``kind`` is granted, denied, or the name of what decides; ``text`` as it was written.

    ``names`` are its words. ``negated``: Require not. ``data`` is what was read of its words, and ``methods`` those
    that it is limited to. ``settings``: those of the alias by whose name it was asked for; they hold for it alone.
    """

    kind: str
    names: tuple[str, ...]
    text: str
    negated: bool = False
    methods: Methods | None = None
    data: Any = None
    settings: Conf | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Its arguments."""
        return (self.text,)

    def decide(self, ask: Ask, method: str, in_all: bool) -> Decision:
        """What it comes to, among others of which all are wanted, or one."""
        if not holds_for(self.methods, method):
            return GRANTED if in_all else NEUTRAL
        decision = ask(self)
        return _NEGATED.get(decision, decision) if self.negated else decision

    def covers(self, method: str) -> bool:
        """Whether it says something about requests of a method."""
        return holds_for(self.methods, method)


#: Decides a requirement.
Ask = Callable[[Requirement], Decision]


class Rules(NamedTuple):
    """The requirements of one scope or container: ``op`` tells how many are wanted: any, all or none.

    With AuthMerging (``merging``: ``and``, ``or``, ``off``; "" where it was not said) they stand beside those of the
    ``outer`` scope: ``and``: both must grant, ``or``: one is enough, ``off``: the outer ones don't count.
    """

    entries: tuple[Requirement | Rules, ...] = ()
    merging: str = ""
    outer: Rules | None = None
    op: str = "any"

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments of the Require lines in effect, from outside in."""
        own = tuple(text for entry in self.entries for text in entry.texts)
        return own if self.outer is None else self.outer.texts + own

    @property
    def requirements(self) -> Iterator[Requirement]:
        """All of them, those of outer scopes and of containers as well."""
        if self.outer is not None:
            yield from self.outer.requirements
        for entry in self.entries:
            yield from _leaves(entry)

    @property
    def negated(self) -> bool:
        """Whether they can only say no: the container is RequireNone."""
        return self.op == "none"

    def covers(self, method: str) -> bool:
        """Whether one of them says something about requests of a method."""
        return any(entry.covers(method) for entry in self.entries) or (
            self.outer is not None and self.outer.covers(method)
        )

    def decide(self, ask: Ask, method: str, in_all: bool) -> Decision:
        """What they come to, as one among others of which all are wanted, or one."""
        if not self.covers(method):
            return GRANTED if in_all else NEUTRAL
        if self.outer is None:
            return self._own(ask, method, in_all)
        wants_all = self.merging == "and"
        both = self.outer.decide(ask, method, wants_all), self._own(ask, method, wants_all)
        return _combine(wants_all, both)

    def _own(self, ask: Ask, method: str, in_all: bool) -> Decision:
        if not any(entry.covers(method) for entry in self.entries):
            return GRANTED if in_all else NEUTRAL
        wants_all = self.op == "all"
        decision = _combine(wants_all, (entry.decide(ask, method, wants_all) for entry in self.entries))
        return _NEGATED.get(decision, decision) if self.negated else decision


#: What is no is not yes for the opposite: others have to say that.
_NEGATED = {GRANTED: DENIED, DENIED: NEUTRAL, NEEDS_USER: NEUTRAL}


def _leaves(entry: Requirement | Rules) -> Iterator[Requirement]:
    if isinstance(entry, Requirement):
        yield entry
    else:
        yield from entry.requirements


def _combine(wants_all: bool, decisions: Iterable[Decision]) -> Decision:
    """What several decisions come to; the first that settles it ends the asking."""
    settles, result = (DENIED if wants_all else GRANTED), NEUTRAL
    for decision in decisions:
        if decision in (settles, FAILED):
            return decision
        if decision is not NEUTRAL and (result is NEUTRAL or decision is NEEDS_USER):
            result = decision
    return result


def _merge(outer: Rules, inner: Rules) -> Rules:
    """A scope without Require inherits; else AuthMerging decides, which is not inherited itself."""
    if not inner.entries and inner.merging != "off":
        return outer
    if inner.merging in ("", "off") or not outer.entries:
        return inner
    return inner._replace(outer=outer if inner.outer is None else _merge(outer, inner.outer))


#: What AuthzProviderAlias defines, by name. Of the main server.
ALIASES: Setting[dict[str, Requirement]] = Setting("AuthzProviderAlias", {}, update)

#: Require and, as ``merging``, AuthMerging.
REQUIRE: Setting[Rules] = Setting("Require", Rules(), _merge)


#: The requirements that nobody has to be asked for.
CONSTANTS = {"granted": GRANTED, "denied": DENIED}

#: What a decision is before authentication: OK, a status, or DECLINED: authenticate.
BEFORE = {GRANTED: 0, DENIED: 403, NEUTRAL: 403, NEEDS_USER: -1, FAILED: 500}


def after(conf: Conf, decision: Decision) -> int:
    """What a decision is after authentication: OK or a status."""
    if decision in (GRANTED, FAILED):
        return BEFORE[decision]
    if decision is NEEDS_USER:
        return 401
    return 403 if conf[SEND_FORBIDDEN] or conf[AUTH_TYPE] is None else 401
