"""What requirements come to for somebody who asks from nowhere: a user and groups, but no request."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

from mpserver.config.settings import Conf
from mpserver.modules.authz_core import (
    BEFORE,
    CONSTANTS,
    NEEDS_USER,
    REQUIRE,
    Decision,
    Requirement,
    after,
    providers,
)


def decide(conf: Conf, user: str | None, groups: Collection[str] = ()) -> Decision:
    """Whether somebody may go on; nothing required is granted. ``user`` is None before or without authentication."""
    planning: Any = SimpleNamespace(conf=conf)
    req: Any = SimpleNamespace(mp_user=user, mp_notes={"groups": " ".join(groups)})

    def ask(requirement: Requirement) -> Decision:
        found = CONSTANTS.get(requirement.kind)
        return providers.check(planning, requirement)(req) if found is None else found

    return conf[REQUIRE].decide(ask, "GET", True)


def needs_user(conf: Conf) -> bool:
    """Whether authentication must run: without a user the requirements can't be met, with one perhaps."""
    return decide(conf, None) is NEEDS_USER


def check_access(conf: Conf) -> int:
    """The access phase, before authentication. :returns: OK, 403, or DECLINED: authenticate."""
    return BEFORE[decide(conf, None)]


def check_authorization(conf: Conf, user: str) -> int:
    """The authorisation phase. :returns: OK, 401, or 403 with AuthzSendForbiddenOnFailure."""
    return after(conf, decide(conf, user))
