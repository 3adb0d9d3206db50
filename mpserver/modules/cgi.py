"""CGI: a program of its own answers the request (httpd's mod_cgi; RFC 3875).

handler     is the file a script that may run?
variables   its environment
Exchange    the body goes in, the output comes back, what it says on stderr goes to the log
head        the headers that it wrote become those of the response
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from stat import S_ISDIR

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.config.registry import NOT_HTACCESS, SERVER_VHOST, Args, Call, Directive, Module
from mpserver.errors import ConfigError, is_crowded
from mpserver.modules import options, values
from mpserver.modules.cgi_exchange import NPH, SCRIPT_TIMEOUT, Exchange, _log, _no_head
from mpserver.modules.cgi_variables import variables, words
from mpserver.modules.subprocesses import Program
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK, DECLINED = constants.OK, constants.DECLINED
FORBIDDEN, NOT_FOUND = constants.HTTP_FORBIDDEN, constants.HTTP_NOT_FOUND
SERVER_ERROR = constants.HTTP_INTERNAL_SERVER_ERROR

#: The handler's name.
HANDLER = "cgi-script"


def handler(req: Request) -> int:
    """Run the script that the request's path names. :returns: OK, or the status to answer with."""
    filename, found = req.mp_filename, req.mp_stat
    if filename is None:
        return _refused(req, NOT_FOUND, 2811, "a script needs a file: this Location has none")
    is_alias = req.mp_located is not None and req.mp_located.resource.handler is not None
    if not is_alias and not options.effective(req.mp_plan.conf) & options.Option.EXEC_CGI:
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


def run(req: Request, arguments: list[str], environment: dict[bytes, bytes]) -> int:
    """Run a program for the request, and answer with what it writes."""
    path = arguments[0]
    body = req.mp_input
    try:
        program = Program(arguments, environment, os.path.dirname(path), fed=body is not None)
    except OSError as error:
        text = f"({error.errno}){os.strerror(error.errno or errno.ENOENT)}: exec of '{path}' failed"
        _log(req, ERROR, f"stderr from {path}: {text}", 1215)
        if is_crowded(error):
            req.err_headers_out["Retry-After"] = "1"
            return constants.HTTP_SERVICE_UNAVAILABLE
        return _no_head(req, b"")
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
        program = Program(["/bin/sh", "-c", text], environment, directory, fed=False)
    except OSError as error:
        _log(req, ERROR, f"({error.errno}){os.strerror(error.errno or errno.ENOENT)}: exec of '{text}' failed")
        return SERVER_ERROR
    exchange = Exchange(req, program, write)
    try:
        return exchange.run()
    finally:
        exchange.end()


# ---- the exchange with the program


# ---- the headers of a script


# ---- what is said of scripts


def _refused(req: Request, status: int, number: int, why: str) -> int:
    _log(req, ERROR, f"stderr from {req.mp_filename or req.mp_uri}: {why}", number)
    return status


# ---- directives


def _no_suexec(call: Call) -> None:
    raise ConfigError(
        f"{call.name} is not supported: scripts run as the server's own User; for an application with a user of its "
        "own start a server for it"
    )


MODULE = Module(
    "mod_cgi.c",
    "cgi_module",
    (
        Directive(
            "CGIScriptTimeout",
            Args.TAKE1,
            NOT_HTACCESS,
            values.directory(SCRIPT_TIMEOUT, values.seconds),
            help="how long a script may be silent, in seconds",
        ),
        Directive("SuexecUserGroup", Args.RAW, SERVER_VHOST, _no_suexec),
    ),
)
