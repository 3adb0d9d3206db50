"""How users prove who they are: AuthType and AuthName (httpd's mod_authn_core)."""

from __future__ import annotations

from mpserver.config.settings import Setting

#: None: none was set, or AuthType None.
AUTH_TYPE: Setting[str | None] = Setting("AuthType", None)
AUTH_NAME: Setting[str | None] = Setting("AuthName", None)
#: What proves that a nonce of Digest authentication comes from this server: the same for all of its processes.
NONCE_KEY: Setting[bytes] = Setting("the key of nonces", b"")
