"""Gives requests their variables."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.response_head import RULING
from mpserver.modules.env import VARIABLES
from mpserver.modules.hooks import Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def fixups(planning: Planning) -> Step | None:
    """SetEnv and PassEnv: what SetEnvIf, rewriting and access control look at is not changed, as in httpd."""
    values = planning.conf[VARIABLES].values
    if not values:
        return None
    rules = any(name.lower() in RULING for name, _ in values)

    def give(req: Request) -> int:
        table = req.subprocess_env
        for name, value in values:
            known = table.get(name)
            if known is None:
                table[name] = value
            elif known != value:
                # (programs get the last one, this; conditions and headers what SetEnvIf has set)
                table.add(name, value)
        if rules:
            req.mp_head_depends = True
        return constants.OK

    return give
