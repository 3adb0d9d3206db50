"""Who may see pages that tell of the server itself: this machine, unless a Location says more."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.modules import clients, networks
from mpserver.modules.access_compat import ACCESS
from mpserver.modules.authz_core import REQUIRE
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.hooks import Step


def guarded(step: Step, module: str) -> Step:
    """The handler of such a page; a module of this name tells in the log whom it refused."""

    def guard(req: Request) -> int:
        if req.mp_method not in ("GET", "HEAD"):
            return constants.DECLINED
        if not _is_opened(req) and not _is_local(req):
            text = "client denied: without a Require in its Location this page is for this machine alone"
            req.mp_log.log(ERROR, f"{text}: {req.mp_uri}", module=module, about=req)
            return constants.HTTP_FORBIDDEN
        return step(req)

    return guard


def _is_opened(req: Request) -> bool:
    """Whether a Location of the request says who may come: what holds for a folder of files does not mean the page."""
    entries = req.mp_host.server.sections.for_location(req.mp_uri)
    return any(setting in entry.conf.values for entry in entries for setting in (REQUIRE, ACCESS))


def _is_local(req: Request) -> bool:
    return networks.within(networks.packed(clients.address(req)), networks.LOCAL)
