"""Running the Python handlers of a phase (manual 5.1.1; api 3.5 1.5)."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api.hlist import HandlerEntry
from mpserver.api.loader import TRUST, Loaded, Loader, resolve_object
from mpserver.api.result import SERVER_RETURN
from mpserver.errors import ClientGone, Misplaced, MustMove
from mpserver.phases import moving
from mpserver.phases.errorpage import escape
from mpserver.phases.timeouts import RequestTimeout
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, ModuleType

    from mpserver.api.request import Request
    from mpserver.phases.plan import Plan

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


class Handler:
    """One handler of a plan: resolved once, looked up again when its module was reloaded."""

    __slots__ = ("_fixed", "_loaded", "_trusted", "_version", "entry", "module", "path", "phase")

    def __init__(self, entry: HandlerEntry, phase: str) -> None:
        self.entry = entry
        self.phase = phase
        self.module, _, path = entry.handler.partition("::")
        self.path = path or phase.removeprefix("Python").lower()
        self._loaded: Loaded | None = None
        self._fixed: Callable[[Any], Any] | None = None
        self._version = -1
        self._trusted = -1.0

    def resolve(self, req: Request, plan: Plan, loader: Loader, argument: Any = None) -> Callable[[Any], Any] | None:
        """The callable; None for a silent handler whose module has none.

        Classes on the way to it are made with the argument, without one with the request.

        :raises Exception: what the module raises when imported; AttributeError without such an object.
        """
        now = req._request_time
        if plan.python_path is not None and plan.python_path != loader.path:
            loader.use_path(plan.python_path)
        if now < self._trusted or now >= self._trusted + TRUST:
            # a handler in a Location has no directory (api 3.5 1.5)
            directory = None if self.entry.is_location or plan.python_path is not None else self.entry.directory
            with loader.in_turn():
                if plan.python_path is not None:
                    loader.use_path(plan.python_path)  # (another thread may have had another one meanwhile)
                loaded = loader.load(self.module, directory, plan.autoreload, now)
                # (still in turn: or a thread that was held up here could put the function of before a reload back)
                if loaded is not self._loaded or loaded.version != self._version:
                    self._fixed = self._find_fixed(loaded)
                    self._loaded, self._version = loaded, loaded.version
                self._trusted = now
        fixed = self._fixed
        if fixed is not None:
            return fixed
        assert self._loaded is not None
        if argument is None:
            argument = req
        walked: Any = resolve_object(self._loaded.module, self.path, argument, self.entry.silent)
        if isinstance(walked, type):
            walked = walked(argument)
        function: Callable[[Any], Any] | None = walked
        return function

    def _find_fixed(self, loaded: Loaded) -> Callable[[Any], Any] | None:
        """A plain function needs no walk per request."""
        found = loaded.module.__dict__.get(self.path)
        if not callable(found) or isinstance(found, type):
            return None
        function: Callable[[Any], Any] = found
        return function


def run(req: Request, plan: Plan, loader: Loader, phase: str, handlers: Sequence[Handler]) -> int:
    """Run a phase's handlers, and those that the request added, until one ends it.

    :returns: the last result; DECLINED where none ran.
    """
    if req._added:
        handlers = _with_added(req, plan, phase, handlers)
    result = DECLINED
    going = CONTINUE[phase]
    outer_phase, outer_running = req._phase, req._running
    req._phase = phase
    index = 0
    while index < len(handlers):
        req._running = (handlers, index)
        outcome = call(req, plan, loader, handlers[index])
        if outcome is not None:
            result = outcome
            if result not in going:
                break
        if req._added:
            handlers = _with_added(req, plan, phase, handlers)
        index += 1
    if req._added:
        req._added.pop(phase, None)  # added by the one that ended it
    req._phase, req._running = outer_phase, outer_running
    return result


def _with_added(req: Request, plan: Plan, phase: str, handlers: Sequence[Handler]) -> Sequence[Handler]:
    """The handlers of a phase, and behind them those that the request was given for it."""
    assert req._added is not None
    added = req._added.pop(phase, ())
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
        req._log.log(constants.APLOG_INFO, text, module="python", client=req.connection.client_addr)
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


#: What CPython and the makers of extension modules say where isolated subinterpreters are refused.
REFUSALS = lazyre.compile(
    r"module (?P<module>\S+) does not support loading in subinterpreters"
    r"|PyO3 modules (?:compiled for \S+ )?(?:do not yet|may only be)"
    r"|cannot load module more than once per process"
    r"|Interpreter change detected"
    r"|daemon threads? (?:are|is)? ?(?:disabled|not supported)"
    r"|(?:fork|exec) not supported for isolated subinterpreters"
)


def refusing(error: BaseException) -> str | None:
    """The module (or the deed) that an isolated subinterpreter does not allow, if that is why it failed."""
    traceback = tracebacks()
    seen = 0
    found: BaseException | None = error
    while found is not None and seen < 20:
        if isinstance(found, (ImportError, RuntimeError, MustMove)):
            match = REFUSALS.search("".join(traceback.format_exception_only(found)))
            if match is not None:
                return match["module"] or getattr(found, "name", None) or match[0]
        found, seen = found.__cause__ or found.__context__, seen + 1
    return None


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
    req._cut = True
    text = (
        f"{module} can't be used in this interpreter, and the request is not run again in a process, for {why}: "
        f"{req._head.line}; 'PythonInterpBackend process' spares it that"
    )
    req._log.log(constants.APLOG_ERR, text, module="python", client=req.connection.client_addr)


def _raised(req: Request, raised: SERVER_RETURN) -> Any:
    """The result that SERVER_RETURN carries."""
    arguments = raised.args
    if not arguments:
        return None
    if len(arguments) > 1 and arguments[1]:
        req.status = arguments[1]
    return arguments[0]


def failed(req: Request, plan: Plan, handler: Handler, error: BaseException, repeated: bool = False) -> int:
    """Log an uncaught error line by line; with PythonDebug also show it to the client (manual 5.4.2).

    ``repeated``: it was told already, and nothing has changed: one line is enough.
    """
    text = describe(error)
    prefix = f"{handler.phase} {handler.entry.handler}"
    req._failure = f"{prefix}: {text[-1].strip()}"
    for part in [f"{text[-1].rstrip()} (as before: the file has not changed)"] if repeated else text:
        req._log.log(
            constants.APLOG_ERR, f"{prefix}: {part.rstrip()}", module="python", client=req.connection.client_addr
        )
    if not plan.debug:
        return SERVER_ERROR
    if not req._started:
        req._status = SERVER_ERROR
        req._status_line = None
        req._content_type = "text/html"
        if req._headers_out is not None:
            for name in ("Content-Length", "Content-Encoding", "ETag", "Last-Modified"):
                del req._headers_out[name]
    shown = escape("".join(part + "\n" for part in text))
    page = f'\n<pre>\nMod_python error: "{escape(prefix)}"\n\n{shown}</pre>\n'
    try:
        req.write(page.encode("ascii", "xmlcharrefreplace"), 0)
    except ClientGone:
        return SERVER_ERROR
    return DONE


def tracebacks() -> ModuleType:
    """The library's ``traceback``. It takes long to import, and a good application never needs it.

    What it imports must be the library's, too, whatever the application has on its path.
    """
    found = sys.modules.get("traceback")
    if found is not None:
        return found
    library = os.path.dirname(os.__file__)
    sys.path.insert(0, library)
    try:
        return importlib.import_module("traceback")
    finally:
        sys.path.remove(library)


def describe(error: BaseException) -> list[str]:
    """The traceback's parts, without the server's own frames; never raises, whatever the exception does."""
    own = __file__.rpartition("phases")[0]
    try:
        traceback = tracebacks()
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(own):
            trace = trace.tb_next
        lines: list[str] = traceback.format_exception(type(error), error, trace or error.__traceback__)
        return lines
    except BaseException:  # its __str__ may raise, too
        name = type(error).__name__
        return [f"{name}: its text can't be shown, for its __str__ raised {sys.exc_info()[0]!r}\n"]
