"""The handlers server-status and server-metrics, and who may see them."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants, runtime
from mpserver.modules import core, status
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.own_pages import guarded
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK = constants.OK

#: Seconds between two looks of a browser where ?refresh does not say.
REFRESH = 10


def handlers(planning: Planning) -> Mapping[str, Step]:
    """The page, and the metrics."""
    if planning.engine.loader is None:
        return {}  # (a router serves nothing)
    server = planning.server.conf
    extended, tail = server[core.EXTENDED_STATUS], server[status.SEE_REQUEST_TAIL]

    def show(req: Request) -> int:
        return _shown(req, extended, tail)

    made = {status.HANDLER: show, status.METRICS_HANDLER: _metrics}
    return {name: guarded(step, "status") for name, step in made.items()}


def query(text: str | None) -> dict[str, str]:
    """The words of a query as httpd reads them: separated by &, with values or without."""
    pairs = (word.partition("=") for word in (text or "").split("&") if word)
    return {name: value for name, _, value in pairs}


def _found(tail: bool) -> dict[str, Any] | None:
    from mpserver.modules.status.report import report  # (few requests are for it)

    lent = runtime.current()
    return None if lent is None else report(lent.scoreboard, lent.threads, tail)


def _shown(req: Request, extended: bool, tail: bool) -> int:
    asked = query(req.mp_args)
    found = _found(tail)
    if found is None:
        return constants.HTTP_SERVICE_UNAVAILABLE
    software = req.mp_plan.server_software
    if "refresh" in asked:
        word = asked["refresh"]
        seconds = int(word) if len(word) < 10 and word.isascii() and word.isdigit() and int(word) else REFRESH
        req.headers_out["Refresh"] = str(seconds)
    req.headers_out["Cache-Control"] = "no-store"
    if "auto" in asked:
        from mpserver.modules.status import auto

        req.mp_content_type = "text/plain; charset=ISO-8859-1"
        lines = auto.lines(found, req.mp_host.name, software, extended)
        req.mp_write("\n".join(lines).encode("latin-1", "replace") + b"\n", 0)
        return OK
    if "json" in asked:
        import json

        req.mp_content_type = "application/json"
        req.mp_write(json.dumps(found).encode(), 0)
        return OK
    from mpserver.modules.status import page

    req.mp_content_type = "text/html; charset=utf-8"
    text = page.page(found, req.mp_host.name, software, extended, "notable" in asked)
    req.mp_write(text.encode("utf-8", "replace"), 0)
    return OK


def _metrics(req: Request) -> int:
    from mpserver.modules.status import metrics

    found = _found(False)
    if found is None:
        return constants.HTTP_SERVICE_UNAVAILABLE
    kind, text = metrics.answer(found, req.headers_in.get("Accept") or "")
    req.mp_content_type = kind
    req.headers_out["Cache-Control"] = "no-store"
    req.mp_write(text, 0)
    return OK
