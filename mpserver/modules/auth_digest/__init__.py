"""Digest authentication (httpd's mod_auth_digest; RFC 7616 with MD5, as browsers know it)."""

from __future__ import annotations

from mpserver.config.settings import Setting

PROVIDER: Setting[tuple[str, ...]] = Setting("AuthDigestProvider", ())
#: Whether the client's count and nonce are part of the answer (auth), as all clients have it today.
QOP: Setting[bool] = Setting("AuthDigestQop", True)
#: How long a nonce is good, in seconds; below 0: for ever; 0: httpd takes each only once.
NONCE_LIFETIME = Setting("AuthDigestNonceLifetime", 300)
#: The URIs that one password is for, as the client is told.
DOMAIN: Setting[tuple[str, ...]] = Setting("AuthDigestDomain", ())
