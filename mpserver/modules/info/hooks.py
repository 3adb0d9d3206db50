"""The handler server-info."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants, runtime
from mpserver.modules import info
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.own_pages import guarded
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def handlers(planning: Planning) -> Mapping[str, Step]:
    """The page."""
    if planning.engine.loader is None:
        return {}  # (a router serves nothing)
    added = planning.server.conf[info.ADDED]

    def show(req: Request) -> int:
        from mpserver.modules.info import page  # (few requests are for it)

        lent = runtime.current()
        if lent is None:
            return constants.HTTP_SERVICE_UNAVAILABLE
        req.mp_content_type = "text/html; charset=utf-8"
        req.headers_out["Cache-Control"] = "no-store"
        text = "".join(page.pieces(req, lent, added, req.mp_args or ""))
        req.mp_write(text.encode("utf-8", "backslashreplace"), 0)
        return constants.OK

    return {info.HANDLER: guarded(show, "info")}
