"""The provider ``anon``: lets guests in."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.config.settings import Conf
from mpserver.modules.authn_anon import ANONYMOUS, LOG_EMAIL, MUST_GIVE_EMAIL, NO_USER_ID, VERIFY_EMAIL
from mpserver.modules.authn_core.providers import Check, Outcome
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def basic(conf: Conf) -> Check:
    """What looks at a guest's name and address."""
    names, must_give, verify = conf[ANONYMOUS], conf[MUST_GIVE_EMAIL], conf[VERIFY_EMAIL]
    nameless, log = conf[NO_USER_ID], conf[LOG_EMAIL]

    def check(req: Request, user: str, password: bytes) -> Outcome:
        if not names:
            return Outcome.NOT_FOUND
        known = nameless if not user else "*" in names or user.lower() in names
        if not known:
            return Outcome.NOT_FOUND
        _, at, domain = password.partition(b"@")
        if (must_give and not password) or (verify and not (at and b"." in domain)):
            return Outcome.DENIED
        if log and req.mp_main is None and req.mp_prev is None:
            text = f"AH01672: Anonymous: Passwd <{password.decode('latin-1')}> Accepted"
            req.mp_log.log(constants.APLOG_INFO, text, module="authn_anon", about=req)
        return Outcome.GRANTED

    return check
