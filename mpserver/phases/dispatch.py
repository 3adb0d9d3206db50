"""Running the Python handlers of a phase (manual 5.1.1; api 3.5 1.5)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.loader import Loader
from mpserver.errors import ClientGone, Misplaced
from mpserver.phases import moving
from mpserver.phases.application_errors import failed, refusing
from mpserver.phases.timeouts import RequestTimeout
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from mpserver.api.request import Request
    from mpserver.phases.plan import Handler, Plan

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE
SERVER_ERROR = constants.HTTP_INTERNAL_SERVER_ERROR

_BOTH = frozenset({OK, DECLINED})
_DECLINED = frozenset({DECLINED})
_OK = frozenset({OK})

#: The next handler of a phase runs only if the one before returned one of these.
CONTINUE = {
    "PythonPostReadRequestHandler": _BOTH,
    "PythonTransHandler": _DECLINED,
    "PythonHeaderParserHandler": _BOTH,
    "PythonInitHandler": _BOTH,
    "PythonAccessHandler": _BOTH,
    "PythonAuthenHandler": _DECLINED,
    "PythonAuthzHandler": _DECLINED,
    "PythonTypeHandler": _DECLINED,
    "PythonFixupHandler": _BOTH,
    "PythonHandler": _OK,
    "PythonLogHandler": _BOTH,
    "PythonCleanupHandler": _OK,
}


def run(req: Request, plan: Plan, loader: Loader, phase: str, handlers: Sequence[Handler]) -> int:
    """Run a phase's handlers, and those that the request added, until one ends it.

    :returns: the last result; DECLINED where none ran.
    """
    if req.mp_added:
        handlers = _with_added(req, plan, phase, handlers)
    result = DECLINED
    going = CONTINUE[phase]
    outer_phase, outer_running = req.mp_phase, req.mp_running
    req.mp_phase = phase
    index = 0
    while index < len(handlers):
        req.mp_running = (handlers, index)
        outcome = call(req, plan, loader, handlers[index])
        if outcome is not None:
            result = outcome
            if result not in going:
                break
        if req.mp_added:
            handlers = _with_added(req, plan, phase, handlers)
        index += 1
    if req.mp_added:
        req.mp_added.pop(phase, None)  # added by the one that ended it
    req.mp_phase, req.mp_running = outer_phase, outer_running
    return result


def _with_added(req: Request, plan: Plan, phase: str, handlers: Sequence[Handler]) -> Sequence[Handler]:
    """The handlers of a phase, and behind them those that the request was given for it."""
    assert req.mp_added is not None
    added = req.mp_added.pop(phase, ())
    return [*handlers, *(plan.handler(entry, phase) for entry in added)] if added else handlers


def call(req: Request, plan: Plan, loader: Loader, handler: Handler) -> int | None:
    """Run one handler; None when it is silent and missing. Every error becomes a status and log lines."""
    try:
        function = handler.resolve(req, plan, loader)
        if function is None:
            if handler.entry.silent:
                return None
            raise TypeError(f"'{handler.entry.handler}' is None, and can't be called as a handler")
        try:
            result = function(req)
        except SERVER_RETURN as raised:
            result = _raised(req, raised)
        if type(result) is not int:
            raise AssertionError(
                "Handler has returned result or raised SERVER_RETURN\n"
                "exception with argument having non integer type. Type of value returned\n"
                f"was {type(result)}, whereas expected {int}."
            )
        return result
    except RequestTimeout:
        raise
    except ClientGone as gone:  # nobody is there to be answered, and nothing is wrong with the handler
        text = f"{handler.phase} {handler.entry.handler}: {gone}"
        req.mp_log.log(constants.APLOG_INFO, text, module="python", client=req.connection.client_addr)
        return SERVER_ERROR
    except BaseException as error:  # an application may raise anything; it harms only its own request
        if loader.may_move:
            move_or_stay(req, loader, error, moving.is_loading(error.__traceback__))
        return failed(req, plan, handler, error, error is loader.repeated)


def running() -> Request | None:
    """The request whose handler has called this. Its own stack tells, so that requests needn't."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not call.__code__:
        frame = frame.f_back
    found: Request | None = None if frame is None else frame.f_locals["req"]
    return found


def move_or_stay(req: Request, loader: Loader, error: BaseException, loading: bool = False) -> None:
    """An error that nobody caught: where this interpreter is what it comes from, the application leaves it.

    Where the request may not go along it is answered here, as with any other error. ``loading``: see
    `moving.is_loading`.

    :raises Misplaced: the request goes along.
    """
    module = refusing(error)
    if module is None:
        return
    loader.refused(module)
    why = moving.hindrance(req, loading)
    if not why:
        raise Misplaced(module) from error
    req.mp_cut = True
    text = (
        f"{module} can't be used in this interpreter, and the request is not run again in a process, for {why}: "
        f"{req.mp_head.line}; 'PythonInterpBackend process' spares it that"
    )
    req.mp_log.log(constants.APLOG_ERR, text, module="python", client=req.connection.client_addr)


def _raised(req: Request, raised: SERVER_RETURN) -> Any:
    """The result that SERVER_RETURN carries."""
    arguments = raised.args
    if not arguments:
        return None
    if len(arguments) > 1 and arguments[1]:
        req.status = arguments[1]
    return arguments[0]
