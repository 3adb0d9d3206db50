"""Running the Python handlers of a phase (manual 5.1.1; api 3.5 1.5)."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.loader import Loader
from mpserver.errors import ClientGone
from mpserver.phases import application_errors, guard
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


class PhaseHandlerKind(guard.CodeKind):
    """The handlers of phases; what they are called with is the request."""

    __slots__ = ()

    def missing(self, code: Handler) -> None:
        """See `CodeKind.missing`; a silent one does nothing then."""
        if not code.entry.silent:
            super().missing(code)

    def returned(self, argument: Request, raised: SERVER_RETURN) -> Any:
        """See `CodeKind.returned`; a second value is the status."""
        arguments = raised.args
        if not arguments:
            return None
        if len(arguments) > 1 and arguments[1]:
            argument.status = arguments[1]
        return arguments[0]

    def checked(self, code: guard.Code, result: Any) -> int:
        """See `CodeKind.checked`."""
        raise AssertionError(
            "Handler has returned result or raised SERVER_RETURN\n"
            "exception with argument having non integer type. Type of value returned\n"
            f"was {type(result)}, whereas expected {int}."
        )

    def left(self, code: Handler, argument: Request, gone: ClientGone) -> int:
        """See `CodeKind.left`; nobody is there to be answered, and nothing is wrong with the handler."""
        text = f"{code.phase} {code.entry.handler}: {gone}"
        argument.mp_log.log(constants.APLOG_INFO, text, module="python", client=argument.connection.client_addr)
        return SERVER_ERROR

    def failed(self, code: Handler, plan: Plan, argument: Request, error: BaseException, repeated: bool) -> int:
        """See `CodeKind.failed`; with PythonDebug the client sees the traceback (manual 5.4.2)."""
        req = argument
        prefix = f"{code.phase} {code.entry.handler}"
        text = application_errors.tell(error, prefix, req.mp_log, req.connection.client_addr, repeated)
        req.mp_failure = f"{prefix}: {text[-1].strip()}"
        if not plan.debug:
            return SERVER_ERROR
        application_errors.prepare_page(req)
        if not req.mp_started and req.mp_headers_out is not None:
            for name in ("Content-Length", "Content-Encoding", "ETag", "Last-Modified"):
                del req.mp_headers_out[name]
        try:
            req.mp_write(application_errors.page(prefix, text), 0)
        except ClientGone:
            return SERVER_ERROR
        return DONE


PHASE_HANDLERS = PhaseHandlerKind()


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
        outcome = guard.call(PHASE_HANDLERS, handlers[index], req, plan, loader, req)
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
