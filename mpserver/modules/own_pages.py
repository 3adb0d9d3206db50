"""Who may see pages that tell of the server itself: this machine, unless a Location says more.

Where nobody says more, the request has to name this server, too: see `mpserver.http1.target.is_plain`.
"""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.config.host_names import normal_host
from mpserver.http1.target import is_plain
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
        return constants.HTTP_FORBIDDEN if refused(req, module) else step(req)

    return guard


def refused(req: Request, module: str) -> bool:
    """Whether this client may not see such a page; then a module of this name has told so in the log."""
    fault = None if _is_opened(req) else _fault(req)
    if fault is None:
        return False
    text = f"client denied: without a Require in its Location this page is for {fault}"
    req.mp_log.log(ERROR, f"{text}: {req.mp_uri}", module=module, about=req)
    return True


def _is_opened(req: Request) -> bool:
    """Whether a Location of the request says who may come: what holds for a folder of files does not mean the page."""
    entries = req.mp_host.server.sections.for_location(req.mp_uri)
    return any(setting in entry.conf.values for entry in entries for setting in (REQUIRE, ACCESS))


def _fault(req: Request) -> str | None:
    """For whom the page is, where that is not this client; None: it is for this one."""
    if not networks.within(networks.packed(clients.address(req)), networks.LOCAL):
        return "this machine alone"
    host = req.mp_head.host
    if host is None or is_plain(host) or _is_named(req, normal_host(host)):
        return None
    return f"who asks by an address, by localhost or by a name of the server, not by {host}"


def _is_named(req: Request, name: str) -> bool:
    """Whether this is a name of the server that got the request."""
    server = req.mp_host.server
    return name in map(str.lower, (req.mp_host.name, *server.names))
