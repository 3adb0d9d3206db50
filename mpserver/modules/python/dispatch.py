"""Running the Python handlers of a phase (manual 5.1.1; api 3.5 1.5)."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.loader import Loader
from mpserver.errors import ClientGone
from mpserver.modules.hooks import Step
from mpserver.modules.python import application_errors, guard, moving
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.plan import RequestPlan
    from mpserver.api.request import Request
    from mpserver.modules.python.handlers import Handler, PhaseHandlers

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
        argument.mp_log.log(constants.APLOG_INFO, text, module="python", about=argument)
        return SERVER_ERROR

    def failed(self, code: Handler, plan: RequestPlan, argument: Request, error: BaseException, repeated: bool) -> int:
        """See `CodeKind.failed`; with PythonDebug the client sees the traceback (manual 5.4.2)."""
        req = argument
        prefix = f"{code.phase} {code.entry.handler}"
        told = application_errors.tell(error, prefix, req.mp_log, req, repeated, moving.is_loading(error.__traceback__))
        req.mp_failure = f"{prefix}: {told.headline}"
        if not plan.debug:
            return SERVER_ERROR
        shown = application_errors.debug_page(req, prefix, error, told)
        if not req.mp_started and req.mp_headers_out is not None:
            for name in ("Content-Length", "Transfer-Encoding", "Content-Encoding", "ETag", "Last-Modified"):
                del req.mp_headers_out[name]
        try:
            req.mp_write(shown, 0)
        except ClientGone:
            return SERVER_ERROR
        return DONE


PHASE_HANDLERS = PhaseHandlerKind()


def phase_step(plan: RequestPlan, loader: Loader, phase: str) -> Step:
    """What runs a phase: the handlers for the request's extension, else those for all files (manual 5.1.1)."""
    found: PhaseHandlers | None = plan.handlers.get(phase)
    if found is None:
        return _runner(plan, loader, phase, ())
    plain = _runner(plan, loader, phase, found.plain)
    if not found.by_extension:
        return plain
    runners = {extension: _runner(plan, loader, phase, its) for extension, its in found.by_extension.items()}

    def by_extension(req: Request) -> int:
        base = (req.mp_filename or "").rpartition("/")[2]
        dot = base.find(".")
        extension = base[dot:] if dot >= 0 else ""
        runner = runners.get(extension)
        if runner is None:
            return plain(req)
        req.mp_extension = extension
        return runner(req)

    return by_extension


def handler_step(plan: RequestPlan, loader: Loader, handler: Handler) -> Step:
    """What runs one handler as the content of requests, and those that they were given for their content."""
    return _runner(plan, loader, "PythonHandler", (handler,))


def _runner(plan: RequestPlan, loader: Loader, phase: str, configured: Sequence[Handler]) -> Step:
    """What runs handlers, and those that the request was given for their phase, until one ends it.

    It returns the last result; DECLINED where none ran.
    """
    going = CONTINUE[phase]
    only = configured[0] if len(configured) == 1 else None
    first = (configured, 0)

    def run(req: Request) -> int:
        outer_phase, outer_running = req.mp_phase, req.mp_running
        req.mp_phase = phase
        if only is None or req.mp_added:
            result = run_all(
                req, _with_added(req, plan, phase, configured) if req.mp_added else configured, 0, DECLINED
            )
        else:
            req.mp_running = first
            outcome = guard.call(PHASE_HANDLERS, only, req, plan, loader, req)
            result = DECLINED if outcome is None else outcome
            if req.mp_added:  # (by that handler)
                goes_on = outcome is None or outcome in going
                result = run_all(req, _with_added(req, plan, phase, configured) if goes_on else (), 1, result)
        req.mp_phase, req.mp_running = outer_phase, outer_running
        return result

    def run_all(req: Request, handlers: Sequence[Handler], index: int, result: int) -> int:
        """Run handlers from one on, and those that are added meanwhile."""
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
        return result

    return run


def _with_added(req: Request, plan: RequestPlan, phase: str, handlers: Sequence[Handler]) -> Sequence[Handler]:
    """The handlers of a phase, and behind them those that the request was given for it."""
    assert req.mp_added is not None
    added = req.mp_added.pop(phase, ())
    return [*handlers, *(plan.handler(entry, phase) for entry in added)] if added else handlers
