"""Basic authentication: the challenge, and the passwords that clients send."""

from __future__ import annotations

from base64 import b64encode

from mpserver.api import constants
from mpserver.modules.auth_basic import (
    AUTH_BASIC_AUTHORITATIVE,
    AUTH_BASIC_FAKE,
    AUTH_BASIC_PROVIDER,
    challenge,
    credentials,
)
from mpserver.modules.authn_core import AUTH_NAME, AUTH_TYPE, authorization, providers
from mpserver.modules.authn_core.providers import Check, Outcome
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: (applications' handlers are asked before, and see what is pretended after all else)
ORDER = {"check_user_id": Order.LAST, "fixups": Order.LAST}

PLAIN = frozenset({"check_user_id"})

#: Who is asked where nobody is named.
DEFAULT_PROVIDER = "file"

UNAUTHORIZED, DECLINED = constants.HTTP_UNAUTHORIZED, constants.DECLINED
#: What a provider's answer is; what the log says of it.
_STATUSES = {
    Outcome.GRANTED: constants.OK,
    Outcome.DENIED: UNAUTHORIZED,
    Outcome.NOT_FOUND: UNAUTHORIZED,
    Outcome.FAILED: constants.HTTP_INTERNAL_SERVER_ERROR,
}
_TEXTS = {
    Outcome.DENIED: 'AH01617: user {}: authentication failure for "{}": Password Mismatch',
    Outcome.NOT_FOUND: "AH01618: user {} not found: {}",
}


def note_auth_failure(planning: Planning) -> Step | None:
    """A Basic challenge, unless a handler made one (RFC 7617)."""
    value = challenge(planning.conf)
    if value is None:
        return None

    def note(req: Request) -> int:
        if "WWW-Authenticate" not in req.err_headers_out:
            req.err_headers_out["WWW-Authenticate"] = value
        return constants.OK

    return note


def check_user_id(planning: Planning) -> Step | None:
    """The user's name and password, where AuthType is Basic."""
    conf = planning.conf
    kind, realm = conf[AUTH_TYPE], conf[AUTH_NAME]
    if kind is None or kind.lower() != "basic":
        return None
    names, checks = conf[AUTH_BASIC_PROVIDER] or (DEFAULT_PROVIDER,), list[Check]()
    final = conf[AUTH_BASIC_AUTHORITATIVE]

    def check(req: Request) -> int:
        if realm is None:
            _tell(req, f"AH01615: need AuthName: {req.mp_uri}")
            return constants.HTTP_INTERNAL_SERVER_ERROR
        req.mp_ap_auth_type = kind
        value = authorization(req)
        found = credentials(value)
        if found is None:
            if value is not None:
                _tell(req, f"AH01614: client used wrong authentication scheme: {req.mp_uri}")
            return UNAUTHORIZED
        user, password = found
        req.mp_user = user  # (for the log, too, if the password is wrong)
        if not checks:  # (with the first request that brings a password)
            checks.extend([providers.basic(name, conf) for name in names])
        outcome = providers.first(ask(req, user, password) for ask in checks)
        if not final and outcome in (Outcome.NOT_FOUND, Outcome.FAILED):
            return DECLINED
        if outcome in _TEXTS:
            _tell(req, _TEXTS[outcome].format(user, req.mp_uri))
        return _STATUSES[outcome]

    return check


def fixups(planning: Planning) -> Step | None:
    """AuthBasicFake."""
    pair = planning.conf[AUTH_BASIC_FAKE]
    if pair is None:
        return None
    from mpserver.modules import expressions  # (few have it)

    def pretend(req: Request) -> int:
        facts = expressions.RequestFacts(req)
        user, password = (expressions.text(expression, facts) for expression in pair)
        encoded = b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()
        req.headers_in["Authorization"] = f"Basic {encoded}"
        return constants.OK

    return pretend


def _tell(req: Request, text: str) -> None:
    req.mp_log.log(constants.APLOG_ERR, text, module="auth_basic", about=req)
