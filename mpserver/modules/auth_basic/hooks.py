"""The challenge of Basic authentication."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.modules.auth_basic import challenge
from mpserver.modules.hooks import Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


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
