"""Which responses are pages with server side includes, and the filter that they go through."""

from __future__ import annotations

import stat
from collections.abc import Mapping

from mpserver.api.output_filters import OutputFactory, OutputFilter
from mpserver.modules.core.options import Option, effective
from mpserver.modules.hooks import Filters, Insertion, Planning
from mpserver.modules.include import FILTER, X_BIT_HACK
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def insert_filter(planning: Planning) -> Insertion | None:
    """XBitHack."""
    if planning.conf[X_BIT_HACK] == "off":
        return None

    def insert(req: Request, filters: Filters) -> None:
        if by_bit(req):
            filters.add_output(req, FILTER)

    return Insertion((FILTER,), insert)


def output_filters(_planning: Planning) -> Mapping[str, OutputFactory]:
    """INCLUDES."""
    return {FILTER: _includes}


def _includes(req: Request) -> OutputFilter:
    from mpserver.modules.include.filter import Includes  # (with all that reads a page)

    return Includes(req)


def needs_interpreter(planning: Planning) -> bool:
    """A page may hold Python, if its Options let it run programs."""
    if FILTER not in planning.names or not effective(planning.conf) & Option.EXEC:
        return False
    planning.require("python")  # it says where that runs
    return True


def by_bit(req: Request) -> bool:
    """Whether XBitHack makes a file a page: it is HTML, and its owner may execute it."""
    found, media = req.mp_stat, req.mp_content_type or ""
    if found is None or not found.st_mode & stat.S_IXUSR or media.partition(";")[0] != "text/html":
        return False
    return bool(effective(req.mp_plan.conf) & Option.INCLUDES)
