"""The handler cgi-script: the file of a request is a program that answers it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from stat import S_ISDIR

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.modules.cgi.exchange import NPH, log_script
from mpserver.modules.cgi.running import run
from mpserver.modules.cgi.variables import variables, words
from mpserver.modules.core.options import Option, effective
from mpserver.modules.hooks import SCRIPT_HANDLER, Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK, DECLINED = constants.OK, constants.DECLINED
FORBIDDEN, NOT_FOUND = constants.HTTP_FORBIDDEN, constants.HTTP_NOT_FOUND


def handler(req: Request) -> int:
    """Run the script that the request's path names. :returns: OK, or the status to answer with."""
    filename, found = req.mp_filename, req.mp_stat
    if filename is None:
        return _refused(req, NOT_FOUND, 2811, "a script needs a file: this Location has none")
    is_alias = req.mp_located is not None and req.mp_located.resource.handler is not None
    if not is_alias and not effective(req.mp_plan.conf) & Option.EXEC_CGI:
        return _refused(req, FORBIDDEN, 2809, "Options ExecCGI is off in this directory")
    if req.mp_main is not None and os.path.basename(filename).startswith(NPH):
        return _refused(req, FORBIDDEN, 2810, "attempt to include NPH CGI script")
    if found is None:
        return _refused(req, NOT_FOUND, 2811, "script not found or unable to stat")
    if S_ISDIR(found.st_mode):
        return _refused(req, FORBIDDEN, 2812, "attempt to invoke directory as script")
    if req.mp_path_info and req.mp_used_path_info == constants.AP_REQ_REJECT_PATH_INFO:
        return _refused(req, NOT_FOUND, 2813, "AcceptPathInfo off disallows user's path")
    return run(req, [filename, *words(req.mp_args)], variables(req))


def _refused(req: Request, status: int, number: int, why: str) -> int:
    log_script(req, ERROR, f"stderr from {req.mp_filename or req.mp_uri}: {why}", number)
    return status


def handlers(_planning: Planning) -> Mapping[str, Step]:
    """The one for scripts."""
    return {SCRIPT_HANDLER: handler}
