"""Whether a client may come in, by Require."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.modules.authz_core import REQUIRE, check_access, check_authorization
from mpserver.modules.hooks import Order, Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

ORDER = {"access_checker_ex": Order.LAST, "auth_checker": Order.LAST}


def set_up(planning: Planning) -> None:
    """``req.requires()``."""
    planning.plan.requires = planning.conf[REQUIRE].texts


def access_checker_ex(planning: Planning) -> Step | None:
    """What is known without authentication: nothing to do where everybody is granted access.

    A user whom an earlier phase has found is let in or refused here, and nobody is asked for a password.
    """
    conf = planning.conf
    verdict = check_access(conf)
    if verdict == constants.OK:
        return None

    def check(req: Request) -> int:
        result = verdict
        if result == constants.DECLINED and req.mp_user is not None:
            result = check_access(conf, req.mp_user, _groups(req))
        if result == constants.HTTP_FORBIDDEN:
            _denied(req, "AH01630: client denied by server configuration")
        return result

    return check


def auth_checker(planning: Planning) -> Step:
    """Whether the user is among those that Require names."""
    conf = planning.conf

    def check(req: Request) -> int:
        result = check_authorization(conf, req.mp_user, _groups(req))
        if result != constants.OK:
            _denied(req, f"AH01631: user {req.mp_user}: authorization failure")
        return result

    return check


def _groups(req: Request) -> frozenset[str]:
    """The groups of its user, which handlers have put into its notes."""
    notes = req.mp_notes
    return frozenset(() if notes is None else (notes.get("groups") or "").split())


def _denied(req: Request, reason: str) -> None:
    text = f"{reason}: {req.mp_filename or req.mp_uri}"
    req.mp_log.log(constants.APLOG_ERR, text, module="authz_core", client=req.connection.client_addr)
