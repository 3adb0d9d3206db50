"""Basic authentication (httpd's mod_auth_basic; RFC 7617)."""

from __future__ import annotations

from binascii import Error, a2b_base64

from mpserver.config.expression import Expression
from mpserver.config.settings import Conf, Setting
from mpserver.http1 import wire
from mpserver.http1.fields import quoted
from mpserver.modules.authn_core import AUTH_NAME, AUTH_TYPE, Provider

#: Whether a failed Basic authentication is final, or left to other modules.
AUTH_BASIC_AUTHORITATIVE = Setting("AuthBasicAuthoritative", True)
#: Who knows the users, in the order of asking; (): the one that is asked where nobody is named.
AUTH_BASIC_PROVIDER: Setting[tuple[Provider, ...]] = Setting("AuthBasicProvider", ())
#: The name and the password that applications see; None: those of the client.
AUTH_BASIC_FAKE: Setting[tuple[Expression, Expression] | None] = Setting("AuthBasicFake", None)


def challenge(conf: Conf) -> str | None:
    """The value of WWW-Authenticate for a 401; None unless AuthType is Basic and AuthName is set."""
    kind, realm = conf[AUTH_TYPE], conf[AUTH_NAME]
    if kind is None or kind.lower() != "basic" or realm is None:
        return None
    return f"Basic realm={wire.encoded(quoted(realm))}"


def credentials(value: str | None) -> tuple[str, bytes] | None:
    """The user's name (its bytes as latin-1) and the password of an Authorization header; None if it has none."""
    scheme, _, encoded = (value or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = a2b_base64(encoded.strip(" \t").encode("latin-1", "replace")).partition(b":")
    except Error:
        return None
    return name.decode("latin-1"), password
