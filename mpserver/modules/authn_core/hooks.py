"""AuthType: what applications are told of it, and the module that it names."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.modules.authn_core import AUTH_NAME, AUTH_TYPE
from mpserver.modules.hooks import Planning

#: The modules of the types, which take part where these are chosen.
TYPES: Mapping[str, str] = {"basic": "auth_basic", "digest": "auth_digest"}


def set_up(planning: Planning) -> None:
    """``req.auth_type()`` and ``req.auth_name()``."""
    kind = planning.conf[AUTH_TYPE]
    planning.plan.auth_type, planning.plan.auth_name = kind, planning.conf[AUTH_NAME]
    module = TYPES.get(kind.lower()) if kind is not None else None
    if module is not None:
        planning.require(module)
