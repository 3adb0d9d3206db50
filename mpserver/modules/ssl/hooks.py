"""mod_ssl's part in requests: variables, what directories ask of their clients, users by certificates."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.modules import ssl
from mpserver.modules.core import FORBIDDEN_NOTE
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.modules.ssl import Option, effective
from mpserver.tls.profile import Verify
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK, DECLINED, FORBIDDEN = constants.OK, constants.DECLINED, constants.HTTP_FORBIDDEN

#: (its variables come before anybody's code, its checks before anybody asks who the client is)
ORDER = {
    "access_checker": Order.FIRST,
    "check_user_id": Order.FIRST,
    "fixups": Order.FIRST,
    "header_parser": Order.FIRST,
    "post_read_request": Order.FIRST,
}

#: The password that certificates stand for (FakeBasicAuth): files of users have it, encrypted, for each.
FAKE_PASSWORD = "password"  # noqa: S105 - what FakeBasicAuth says, as in mod_ssl


def post_read_request(planning: Planning) -> Step | None:
    """The variables, for handlers of the earliest phases."""
    return header_parser(planning)


def header_parser(planning: Planning) -> Step | None:
    """HTTPS, SSL_TLS_SNI, and what SSLOptions asks for, from the first phase on."""
    if not planning.server.conf[ssl.ENGINE]:
        return None
    options = effective(planning.conf[ssl.OPTIONS])
    standard, certificates = bool(options & Option.STD_ENV_VARS), bool(options & Option.EXPORT_CERT_DATA)

    def tell(req: Request) -> int:
        tls = req.mp_link.tls
        if tls is not None:
            req.subprocess_env.put(tls.environment(standard, certificates))
        return OK

    return tell


def access_checker(planning: Planning) -> Step | None:
    """SSLRequireSSL, SSLVerifyClient of a directory, SSLRequire."""
    conf = planning.conf
    wants_tls, verify, expressions = conf[ssl.REQUIRE_SSL], conf[ssl.VERIFY_CLIENT], conf[ssl.REQUIRE]
    wants_certificate = verify == Verify.REQUIRE
    if not (wants_tls or wants_certificate or expressions):
        return None
    from mpserver.modules.ssl import require  # (few directories ask for something)

    tests = [(text, require.compile_expression(text)) for text in expressions]
    strict = effective(conf[ssl.OPTIONS]) & Option.STRICT_REQUIRE
    depth = conf[ssl.VERIFY_DEPTH]

    def missing(req: Request) -> str:
        """What the request lacks; "": nothing."""
        tls = req.mp_link.tls
        if wants_tls and tls is None:
            return "the connection is not encrypted (SSLRequireSSL)"
        if wants_certificate and tls is not None and not 0 < len(tls.client_chain()) <= depth + 1:
            return "the client has shown no certificate that counts (SSLVerifyClient)"
        for text, test in tests:
            if not test(req):
                return f"this does not hold: SSLRequire {text}"
        return ""

    def check(req: Request) -> int:
        why = missing(req)
        if not why:
            return OK
        text = f"access to {req.mp_filename or req.mp_uri} failed, reason: {why}"
        req.mp_log.log(constants.APLOG_ERR, text, module="ssl", about=req)
        if strict:  # (whoever lets clients in by their users alone has to look at it: Satisfy Any)
            req.notes[FORBIDDEN_NOTE] = "1"
        return FORBIDDEN

    return check


def check_user_id(planning: Planning) -> Step | None:
    """SSLOptions FakeBasicAuth: a client's certificate counts as its name and password."""
    if not effective(planning.conf[ssl.OPTIONS]) & Option.FAKE_BASIC_AUTH:
        return None
    from binascii import b2a_base64

    from mpserver.modules.auth_basic import credentials
    from mpserver.tls import certificate

    def pretend(req: Request) -> int:
        tls = req.mp_link.tls
        claimed, password = credentials(req.headers_in.get("Authorization")) or ("", b"")
        if claimed.startswith("/") and password == FAKE_PASSWORD.encode():
            text = "the client gives the name of a certificate as its own (FakeBasicAuth)"
            req.mp_log.log(constants.APLOG_ERR, text, module="ssl", about=req)
            return FORBIDDEN
        chain = tls.client_chain() if tls is not None else []
        if chain and req.mp_user is None:
            name = certificate.with_slashes(certificate.read(chain[0]).subject)
            encoded = b2a_base64(f"{name}:{FAKE_PASSWORD}".encode(), newline=False).decode()
            req.headers_in["Authorization"] = f"Basic {encoded}"
        return DECLINED

    return pretend


def fixups(planning: Planning) -> Step | None:
    """SSLUserName: a variable's value is the user."""
    name = planning.conf[ssl.USER_NAME]
    if name is None:
        return None

    def set_user(req: Request) -> int:
        tls = req.mp_link.tls
        if tls is None:
            return DECLINED
        value = tls.variable(name)
        if value:
            req.mp_user, req.mp_ap_auth_type = value, "ClientCert"
        else:
            text = f"there is no user for the request: {name} has no value (SSLUserName)"
            req.mp_log.log(constants.APLOG_WARNING, text, module="ssl", about=req)
        return OK

    return set_user
