"""Digest authentication (httpd's mod_auth_digest; RFC 7616 with MD5, as browsers know it)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules.authn_core import Provider

PROVIDER: Setting[tuple[Provider, ...]] = Setting("AuthDigestProvider", ())
#: How long a nonce is good, in seconds; below 0: for ever.
NONCE_LIFETIME = Setting("AuthDigestNonceLifetime", 300)
#: The URIs that one password is for, as clients are told.
DOMAIN: Setting[tuple[str, ...]] = Setting("AuthDigestDomain", ())
