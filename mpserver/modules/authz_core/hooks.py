"""Whether a client may come in, by Require."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.modules.authz_core import (
    BEFORE,
    CONSTANTS,
    FAILED,
    REQUIRE,
    Ask,
    Decision,
    Requirement,
    after,
    providers,
)
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.authz_core.providers import Check

ORDER = {"access_checker_ex": Order.LAST, "auth_checker": Order.LAST}

#: What Require asks for without asking anybody else.
QUICK = frozenset({"all", "env", "ip", "local", "method"})

PLAIN = frozenset({"access_checker_ex", "auth_checker"})


def set_up(planning: Planning) -> None:
    """``req.requires()``."""
    planning.plan.requires = planning.conf[REQUIRE].texts


def may_block(planning: Planning) -> bool:
    """Names of hosts are looked up, and nobody knows what others ask."""
    words = (text.removeprefix("not ").partition(" ")[0].lower() for text in planning.conf[REQUIRE].texts)
    return not QUICK.issuperset(words)


def access_checker_ex(planning: Planning) -> Step | None:
    """What is known without authentication: nothing to do where everybody is granted access.

    A user whom an earlier phase has found is let in or refused here, and nobody is asked for a password.
    """
    if _lets_all_in(planning):
        return None
    decide = _decider(planning)

    def check(req: Request) -> int:
        result = BEFORE[decide(req)]
        if result == constants.HTTP_FORBIDDEN:
            _denied(req, "AH01630: client denied by server configuration")
        return result

    return check


def auth_checker(planning: Planning) -> Step:
    """Whether the user is among those that Require names."""
    conf, decide = planning.conf, _decider(planning)

    def check(req: Request) -> int:
        decision = decide(req)
        result = after(conf, decision)
        if result != constants.OK and decision is not FAILED:
            _denied(req, f"AH01631: user {req.mp_user}: authorization failure")
        return result

    return check


def _lets_all_in(planning: Planning) -> bool:
    """Whether no request has to be looked at."""
    rules = planning.conf[REQUIRE]
    if not rules.entries:
        return True
    everything = list(rules.requirements)
    limited = any(requirement.methods is not None for requirement in everything)
    if limited or any(requirement.kind not in CONSTANTS for requirement in everything):
        # (any other one may be left out if one of those beside it lets everybody in anyway)
        if rules.outer is not None or rules.op != "any":
            return False
        return any(
            isinstance(entry, Requirement) and entry.kind == "granted" and entry.methods is None
            for entry in rules.entries
        )
    return BEFORE[rules.decide(lambda requirement: CONSTANTS[requirement.kind], "GET", True)] == constants.OK


def _decider(planning: Planning) -> Check:
    rules = planning.conf[REQUIRE]
    checks: dict[int, Check] = {}

    def ask_for(req: Request) -> Ask:
        def ask(requirement: Requirement) -> Decision:
            found = CONSTANTS.get(requirement.kind)
            if found is not None:
                return found
            check = checks.get(id(requirement))
            if check is None:  # (with the first request that it matters to)
                check = checks[id(requirement)] = providers.check(planning, requirement)
            return check(req)

        return ask

    return lambda req: rules.decide(ask_for(req), req.mp_method, True)


def _denied(req: Request, reason: str) -> None:
    text = f"{reason}: {req.mp_filename or req.mp_uri}"
    req.mp_log.log(constants.APLOG_ERR, text, module="authz_core", about=req)
