"""How long responses may be kept (httpd's mod_expires): ExpiresActive, ExpiresDefault, ExpiresByType."""

from __future__ import annotations

from mpserver.config.settings import Setting, update
from mpserver.typing import NamedTuple


class Lifetime(NamedTuple):
    """So many seconds from the request on, or from the last change of the file."""

    seconds: int
    since_change: bool


ACTIVE = Setting("ExpiresActive", False)
DEFAULT: Setting[Lifetime | None] = Setting("ExpiresDefault", None)
#: By media type in lower case, also ``image/*``.
BY_TYPE: Setting[dict[str, Lifetime]] = Setting("ExpiresByType", {}, update)
