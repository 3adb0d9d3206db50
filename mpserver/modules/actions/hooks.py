"""What no other handler has served goes to a script, if there is one for it."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.error_log import INFO
from mpserver.http1.percent import encode_path
from mpserver.http1.wire import decoded
from mpserver.modules.actions import ACTIONS, SCRIPTS
from mpserver.modules.hooks import Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def any_handler(planning: Planning) -> Step:
    """Action, by the handler or the type; else Script, by the method."""
    actions, scripts = planning.conf[ACTIONS], planning.conf[SCRIPTS]

    def serve(req: Request) -> int:
        path = _of_method(req, scripts)
        name = req.mp_handler or (req.mp_content_type or "").partition(";")[0].strip()
        target = actions.get(name.lower())
        if target is not None:
            if not target.virtual and req.mp_stat is None:
                text = f"File does not exist: {req.mp_filename}"
                req.mp_log.log(INFO, text, module="actions", about=req, number=652)
                return constants.HTTP_NOT_FOUND
            path = target.path
            req.subprocess_env["HANDLER"] = name
        if not path:
            return constants.DECLINED
        query = "" if req.mp_args is None else f"?{req.mp_args}"
        req.mp_plan.redirect(req, decoded(path + encode_path(req.mp_uri) + query))
        return constants.OK

    return serve


def _of_method(req: Request, scripts: dict[str, str]) -> str:
    """The script for a request's method: of GET only with a query, and not for a script's own script."""
    method = "GET" if req.mp_method == "HEAD" else req.mp_method
    if (method == "GET" and not req.mp_args) or (req.mp_prev is not None and req.mp_prev.mp_prev is not None):
        return ""
    return scripts.get(method, "")
