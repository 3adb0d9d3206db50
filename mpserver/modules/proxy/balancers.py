"""Which of several servers gets a request: balancers (mod_proxy_balancer, mod_lbmethod_byrequests, _bybusyness).

What a balancer knows of its members belongs to one interpreter of one worker: how busy they are, and which could not be
reached. How their health checks went is known to all (`mpserver.modules.proxy.checker`).
"""

from __future__ import annotations

from _thread import allocate_lock

from mpserver import lazyre
from mpserver.modules.proxy import Member, Parameter
from mpserver.modules.proxy.targets import Target, parse
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mpserver.api.request import Request
    from mpserver.ipc.member_health import Health

_PARTS = lazyre.compile(r"[;,]\s*")


class Choice:
    """A member as its balancer sees it."""

    __slots__ = ("busy", "changed", "member", "score", "status", "target", "url")

    def __init__(self, member: Member, target: Target) -> None:
        self.member = member
        self.url = member.url.removesuffix("/")
        self.target = target
        self.status = str(member.parameters.get("status", ""))
        #: What it is owed (byrequests); how many requests it has now.
        self.score = 0.0
        self.busy = 0
        #: When its health checks have changed what is thought of it, as far as this balancer has seen it.
        self.changed = 0.0

    @property
    def key(self) -> str:
        """By what it is known whether it is left alone: as in httpd another URL of its server is another member."""
        return f"member {self.url}"

    def said(self, name: str, otherwise: Parameter) -> Parameter:
        """A parameter of it."""
        return self.member.parameters.get(name, otherwise)

    @property
    def factor(self) -> float:
        """How much of the load it is to have."""
        return float(self.said("loadfactor", 1.0))


class Balancer:
    """One balancer; ``parameters`` are those of its name."""

    def __init__(
        self, members: Sequence[Member], parameters: Mapping[str, Parameter], fails: Callable[[str], bool],
        recovered: Callable[[str], None], health: Callable[[int], Health],
    ) -> None:  # fmt: skip
        """``fails`` tells whether a server is left alone, ``recovered`` that it is not any more.

        :param health: tells how the member of a check stands.
        """
        self.parameters = parameters
        self._fails, self._recovered, self._health = fails, recovered, health
        self._gate = allocate_lock()
        self.choices = [Choice(member, found) for member in members if (found := parse(member.url)) is not None]
        self._sets = _sets(self.choices)
        self.attempts = int(parameters.get("maxattempts", max(len(self.choices) - 1, 0)))

    def choose(self, route: str, tried: Sequence[Choice]) -> Choice | None:
        """The member for a request, which is counted as busy until it is `released`; None: there is none.

        :param route: of the session that the request belongs to, "" where it belongs to none.
        """
        with self._gate:
            found = self._of_route(route, tried) if route else None
            if found is None and not (route and self.parameters.get("nofailover") and self._is_known(route)):
                found = self._best(tried)
            if found is not None:
                found.busy += 1
            return found

    def released(self, choice: Choice) -> None:
        """A member has answered, or failed to."""
        with self._gate:
            choice.busy -= 1

    def _is_known(self, route: str) -> bool:
        return any(choice.said("route", "") == route for choice in self.choices)

    def _of_route(self, route: str, tried: Sequence[Choice]) -> Choice | None:
        for choice in self.choices:
            if choice.said("route", "") == route and choice not in tried:
                if self._is_usable(choice, draining=True):
                    return choice
                redirect = choice.said("redirect", "")
                others = [other for other in self.choices if redirect and other.said("route", "") == redirect]
                return next((other for other in others if other not in tried and self._is_usable(other)), None)
        return None

    def _is_usable(self, choice: Choice, *, draining: bool = False) -> bool:
        if any(letter in choice.status for letter in ("DS" if draining else "DSN")):
            return False
        check = choice.member.check
        if check is not None:
            health = self._health(check.number)
            if health.failed:
                return False
            if health.since > choice.changed:  # (it has passed: whoever could not reach it may try again, as in httpd)
                choice.changed = health.since
                self._recovered(choice.key)
        elif "C" in choice.status:
            return False
        return "I" in choice.status or not self._fails(choice.key)

    def _best(self, tried: Sequence[Choice]) -> Choice | None:
        able = self._able(tried)
        if not able and not tried and self.parameters.get("forcerecovery", True):
            for choice in self.choices:  # all have failed: sooner than nobody, each is tried again
                self._recovered(choice.key)
            able = self._able(tried)
        if not able:
            return None
        if self.parameters.get("lbmethod", "byrequests") == "bybusyness":
            lowest = min(choice.busy / choice.factor for choice in able)
            able = [choice for choice in able if choice.busy / choice.factor == lowest]
        total = sum(choice.factor for choice in able)
        for choice in able:
            choice.score += choice.factor
        best = max(able, key=_score)
        best.score -= total
        return best

    def _able(self, tried: Sequence[Choice]) -> list[Choice]:
        """Those that a request may go to: of the first set that has some."""
        for regular, spares in self._sets:
            usable = [choice for choice in regular if choice not in tried and self._is_usable(choice)]
            # (a spare takes the place of a member of its set that is not usable, and is idle without that)
            if spares and (lacking := len(regular) - len(usable)):
                free = [choice for choice in spares if choice not in tried and self._is_usable(choice)]
                usable += free[:lacking]
            if usable:
                return usable
        return []


def _sets(choices: Sequence[Choice]) -> list[tuple[list[Choice], list[Choice]]]:
    """Members and spares (status=+R) of the sets in the order in which they are used: the standby (+H) after all."""
    found: dict[tuple[bool, int], tuple[list[Choice], list[Choice]]] = {}
    for choice in choices:
        key = "H" in choice.status, int(choice.said("lbset", 0))
        found.setdefault(key, ([], []))["R" in choice.status].append(choice)
    return [found[key] for key in sorted(found)]


def _score(choice: Choice) -> float:
    return choice.score


def route_of(req: Request, parameters: Mapping[str, Parameter]) -> str:
    """The route of the session that a request belongs to (stickysession), "" where it belongs to none."""
    sticky = str(parameters.get("stickysession", ""))
    if not sticky:
        return ""
    cookie, _, name = sticky.partition("|")
    value = _in_path(req, name or cookie, bool(parameters.get("scolonpathdelim"))) or _in_cookie(req, cookie)
    separator = str(parameters.get("stickysessionsep", "."))
    return value.partition(separator)[2] if separator in value else ""


def _in_path(req: Request, name: str, with_semicolon: bool) -> str:
    """The value of a parameter of the path (``;name=value``) or the query."""
    path, query = req.mp_head.path, req.mp_args or ""
    for part in (*path.split(";")[1:], *query.split("&"), *(query.split(";") if with_semicolon else ())):
        key, equals, value = part.partition("=")
        if equals and key == name:
            return str(value.partition("/")[0])
    return ""


def _in_cookie(req: Request, name: str) -> str:
    parts: list[str] = _PARTS.split(str(req.headers_in.get("Cookie") or ""))
    for part in parts:
        key, equals, value = part.partition("=")
        if equals and key.strip() == name:
            return value.strip().strip('"')
    return ""
