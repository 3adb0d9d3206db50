"""The core's part in a request's phases."""

from __future__ import annotations

from mpserver.config.settings import Conf
from mpserver.modules.core import ACCEPT_PATH_INFO, FORCE_TYPE, SET_HANDLER
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def override_type(req: Request, conf: Conf) -> int:
    """The fixup that comes before all others: ForceType, SetHandler and AcceptPathInfo beat what was found.

    :returns: OK.
    """
    forced = conf[FORCE_TYPE]
    if forced is not None:
        req.mp_content_type = forced
    handler = conf[SET_HANDLER]
    if handler is not None:
        req.mp_handler = handler
    accept = conf[ACCEPT_PATH_INFO]
    if accept is not None:
        req.mp_used_path_info = 0 if accept else 1
    return 0
