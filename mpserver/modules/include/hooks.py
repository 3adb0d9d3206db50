"""Which responses are pages with server side includes."""

from __future__ import annotations

import stat

from mpserver.api.error_log import WARN
from mpserver.modules.core.options import Option, effective
from mpserver.modules.include import X_BIT_HACK
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def by_bit(req: Request) -> bool:
    """Whether XBitHack makes a file a page: it is HTML, and its owner may execute it."""
    found, media = req.mp_stat, req.mp_content_type or ""
    if found is None or not found.st_mode & stat.S_IXUSR or media.partition(";")[0] != "text/html":
        return False
    return bool(effective(req.mp_plan.conf) & Option.INCLUDES)


def keeps_time(req: Request) -> bool:
    """Whether the file's time is the page's: its group may execute it, under XBitHack Full."""
    if req.mp_plan.conf[X_BIT_HACK] != "full" or req.mp_stat is None:
        return False
    return bool(req.mp_stat.st_mode & stat.S_IXGRP)


def applies(req: Request) -> bool:
    """Whether the filter works on a response; else it says why, and lets the page through as it is."""
    if effective(req.mp_plan.conf) & Option.INCLUDES:
        return True
    text = f"mod_include: Options +Includes (or IncludesNoExec) wasn't set, INCLUDES filter removed: {req.mp_uri}"
    req.mp_log.log(WARN, text, module="include", client=req.connection.client_addr, number=1374)
    return False
