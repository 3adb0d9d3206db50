"""Programs that are run for a request: scripts, and commands of the shell."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.errors import is_crowded
from mpserver.modules.cgi import RLIMIT_CPU, RLIMIT_MEM, RLIMIT_NPROC, Limit
from mpserver.modules.cgi.exchange import Exchange, log_script, no_head
from mpserver.modules.cgi.subprocesses import Program
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def run(req: Request, arguments: list[str], environment: dict[bytes, bytes]) -> int:
    """Run a program for the request, and answer with what it writes."""
    path = arguments[0]
    body = req.mp_input
    try:
        program = Program(arguments, environment, os.path.dirname(path), fed=body is not None, limits=_limits(req))
    except OSError as error:
        text = f"({error.errno}){os.strerror(error.errno or errno.ENOENT)}: exec of '{path}' failed"
        log_script(req, ERROR, f"stderr from {path}: {text}", 1215)
        if is_crowded(error):
            req.err_headers_out["Retry-After"] = "1"
            return constants.HTTP_SERVICE_UNAVAILABLE
        return no_head(req, b"")
    exchange = Exchange(req, program)
    req.mp_register_cleanup(exchange.end)
    return exchange.run()


def command(req: Request, text: str, environment: dict[bytes, bytes], write: Callable[[bytes], None]) -> int:
    """Run a command of the shell, in the folder of the request's file.

    :param write: takes its output.
    :returns: OK, or a status where it could not be run to its end.
    """
    directory = os.path.dirname(req.mp_filename or "/")
    try:
        program = Program(["/bin/sh", "-c", text], environment, directory, fed=False, limits=_limits(req))
    except OSError as error:
        log_script(req, ERROR, f"({error.errno}){os.strerror(error.errno or errno.ENOENT)}: exec of '{text}' failed")
        return constants.HTTP_INTERNAL_SERVER_ERROR
    exchange = Exchange(req, program, write)
    try:
        return exchange.run()
    finally:
        exchange.end()


def _limits(req: Request) -> dict[str, Limit]:
    """The limits of a request's programs, by their names in the library."""
    conf = req.mp_plan.conf
    known = {"RLIMIT_CPU": RLIMIT_CPU, "RLIMIT_AS": RLIMIT_MEM, "RLIMIT_NPROC": RLIMIT_NPROC}
    return {name: limit for name, setting in known.items() if (limit := conf[setting]) is not None}
