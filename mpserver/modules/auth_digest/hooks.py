"""Digest authentication: the challenge, what clients answer, and what they are told of it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from mpserver.api import constants
from mpserver.api.sent_text import as_sent
from mpserver.http1.fields import quoted
from mpserver.http1.percent import decode
from mpserver.http1.wire import encoded
from mpserver.modules.auth_digest import DOMAIN, NONCE_LIFETIME, PROVIDER, answers
from mpserver.modules.authn_core import AUTH_NAME, AUTH_TYPE, NONCE_KEY, authorization, providers
from mpserver.modules.authn_core.providers import Hash, Outcome
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.settings import Conf

#: (applications' handlers are asked before)
ORDER = {"check_user_id": Order.LAST}

DEFAULT_PROVIDER = "file"
UNAUTHORIZED, FAILED = constants.HTTP_UNAUTHORIZED, constants.HTTP_INTERNAL_SERVER_ERROR

#: A note of a request: its answer was right, but for the age of its nonce.
STALE_NOTE = "auth-digest-stale"
#: A variable: the browser leaves the query out of the URI that it signs.
QUERY_HACK = "AuthDigestEnableQueryStringHack"


def is_digest(conf: Conf) -> bool:
    """Whether AuthType is Digest."""
    return (conf[AUTH_TYPE] or "").lower() == "digest"


def _realm(conf: Conf) -> str | None:
    """AuthName as clients get it, and send it: its bytes as latin-1."""
    name = conf[AUTH_NAME]
    return None if name is None else encoded(name)


def note_auth_failure(planning: Planning) -> Step | None:
    """The challenge."""
    conf = planning.conf
    realm = _realm(conf)
    if not is_digest(conf) or realm is None:
        return None
    domains: tuple[str, ...] = conf[DOMAIN]
    uris = " ".join(domains)
    domain = f", domain={encoded(quoted(uris))}" if uris else ""

    def note(req: Request) -> int:
        if "WWW-Authenticate" not in req.err_headers_out:
            notes = req.mp_notes
            stale = ", stale=true" if notes is not None and notes.get(STALE_NOTE) is not None else ""
            nonce = answers.make_nonce(conf[NONCE_KEY], realm)
            req.err_headers_out["WWW-Authenticate"] = (
                f'Digest realm={quoted(realm)}, nonce="{nonce}", algorithm=MD5{domain}{stale}, qop="auth"'
            )
        return constants.OK

    return note


def check_user_id(planning: Planning) -> Step | None:
    """The client's answer to a challenge."""
    conf = planning.conf
    if not is_digest(conf):
        return None
    realm, kind = _realm(conf), conf[AUTH_TYPE]
    names, hashes = conf[PROVIDER] or (DEFAULT_PROVIDER,), list[Hash]()

    def check(req: Request) -> int:
        if realm is None:
            return _refuse(req, f"AH01780: need AuthName: {req.mp_uri}", FAILED)
        req.mp_ap_auth_type = kind
        scheme, _, text = (_authorization(req) or "").partition(" ")
        if scheme.lower() != "digest":
            wrong = f"AH01781: client used wrong authentication scheme `{scheme}': {req.mp_uri}"
            return _refuse(req, wrong) if scheme else UNAUTHORIZED
        answer = answers.parse(text)
        if answer is None:
            return _refuse(
                req, f"AH01782: missing user, realm, nonce, uri, digest, cnonce, or nonce_count: {req.mp_uri}"
            )
        user = req.mp_user = answer["username"]
        if not _means(req, answer["uri"]):
            wrong = f"AH01786: uri mismatch - <{answer['uri']}> does not match request-uri <{req.mp_head.target}>"
            return _refuse(req, wrong, constants.HTTP_BAD_REQUEST)
        if answer["realm"] != realm:
            return _refuse(req, f"AH01789: realm mismatch - got `{answer['realm']}' but expected `{realm}'")
        if answer.get("algorithm", "MD5").upper() != "MD5":
            return _refuse(req, f"AH01790: unknown algorithm `{answer['algorithm']}' received: {req.mp_uri}")
        if answer["qop"].lower() != "auth":
            return _refuse(req, f"AH01793: invalid qop `{answer['qop']}' received: {req.mp_uri}")
        if not hashes:  # (with the first request that brings an answer)
            hashes.extend([providers.digest(name, conf) for name in names])
        secret = providers.first(look_up(req, user, realm) for look_up in hashes)
        if secret is Outcome.NOT_FOUND:
            return _refuse(req, f"AH01791: user `{user}' in realm `{realm}' not found: {req.mp_uri}")
        if isinstance(secret, Outcome):
            return FAILED
        response = answers.expected(secret, req.mp_method, answer).encode()
        if not hmac.compare_digest(response, answer["response"].lower().encode("latin-1")):
            return _refuse(req, f"AH01794: user {user}: password mismatch: {req.mp_uri}")
        nonce, lifetime = answer["nonce"], conf[NONCE_LIFETIME]
        if not answers.is_ours(nonce, conf[NONCE_KEY], realm):
            return _refuse(req, f"AH01776: invalid nonce `{nonce}' received: {req.mp_uri}")
        if lifetime >= 0 and not -1 <= answers.age(nonce) <= lifetime:
            req.notes[STALE_NOTE] = "1"
            return UNAUTHORIZED
        _prove(req, secret, answer)
        return constants.OK

    return check


def _prove(req: Request, secret: str, answer: Mapping[str, str]) -> None:
    """Authentication-Info: the server knows the password, too (RFC 7616 3.5)."""
    proof = answers.expected(secret, "", dict(answer))
    req.headers_out["Authentication-Info"] = (
        f'rspauth="{proof}", cnonce={quoted(answer["cnonce"])}, nc={answer["nc"]}, qop={answer["qop"]}'
    )


def _means(req: Request, uri: str) -> bool:
    """Whether the URI that a client has signed is that of its request, however it is %-encoded."""
    target: str = req.mp_head.target
    if uri == target:
        return True
    path, _, query = target.partition("?")
    signed, _, its_query = uri.partition("?")
    if decode(signed.encode("latin-1")) != decode(path.encode("latin-1")):
        return False
    env = req.mp_env
    return its_query == query or (not its_query and env is not None and env.get(QUERY_HACK) is not None)


def _authorization(req: Request) -> str | None:
    """The header's bytes as latin-1: those of it are hashed."""
    value = authorization(req)
    return value if req.mp_table_in is None or value is None else as_sent(req, value)


def _refuse(req: Request, text: str, status: int = UNAUTHORIZED) -> int:
    req.mp_log.log(constants.APLOG_ERR, text, module="auth_digest", about=req)
    return status
