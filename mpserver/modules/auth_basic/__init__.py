"""Basic authentication (httpd's mod_auth_basic; RFC 7617): the challenge, for users come from handlers."""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting
from mpserver.modules.authn_core import AUTH_NAME, AUTH_TYPE

#: Whether a failed Basic authentication is final, or left to other modules.
AUTH_BASIC_AUTHORITATIVE = Setting("AuthBasicAuthoritative", True)


def challenge(conf: Conf) -> str | None:
    """The value of WWW-Authenticate for a 401; None unless AuthType is Basic and AuthName is set."""
    kind, realm = conf[AUTH_TYPE], conf[AUTH_NAME]
    if kind is None or kind.lower() != "basic" or realm is None:
        return None
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return f'Basic realm="{quoted}"'
