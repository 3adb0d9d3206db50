"""Guests who give their mail address as a password (httpd's mod_authn_anon)."""

from __future__ import annotations

from mpserver.config.settings import Setting

#: The names of guests in lower case; ``*``: any.
ANONYMOUS: Setting[tuple[str, ...]] = Setting("Anonymous", ())
#: Whether a guest has to give a password; whether it has to look like an address; whether it is logged.
MUST_GIVE_EMAIL = Setting("Anonymous_MustGiveEmail", True)
VERIFY_EMAIL = Setting("Anonymous_VerifyEmail", False)
LOG_EMAIL = Setting("Anonymous_LogEmail", True)
#: Whether the name may be empty.
NO_USER_ID = Setting("Anonymous_NoUserID", False)
