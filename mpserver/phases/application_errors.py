"""What application code raised: told in the log, to the client, and as a refusal of an isolated interpreter."""

from __future__ import annotations

import importlib
import os
import sys

from mpserver import lazyre
from mpserver.api import constants
from mpserver.errors import ClientGone, MustMove
from mpserver.phases.errorpage import escape
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from mpserver.api.request import Request
    from mpserver.phases.plan import Handler, Plan


DONE, SERVER_ERROR = constants.DONE, constants.HTTP_INTERNAL_SERVER_ERROR

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


def failed(req: Request, plan: Plan, handler: Handler, error: BaseException, repeated: bool = False) -> int:
    """Log an uncaught error line by line; with PythonDebug also show it to the client (manual 5.4.2).

    ``repeated``: it was told already, and nothing has changed: one line is enough.
    """
    text = describe(error)
    prefix = f"{handler.phase} {handler.entry.handler}"
    req.mp_failure = f"{prefix}: {text[-1].strip()}"
    for part in [f"{text[-1].rstrip()} (as before: the file has not changed)"] if repeated else text:
        req.mp_log.log(
            constants.APLOG_ERR,
            f"{prefix}: {part.rstrip()}",
            module="python",
            client=req.connection.client_addr,
        )
    if not plan.debug:
        return SERVER_ERROR
    if not req.mp_started:
        req.mp_status = SERVER_ERROR
        req.mp_status_line = None
        req.mp_content_type = "text/html"
        if req.mp_headers_out is not None:
            for name in ("Content-Length", "Content-Encoding", "ETag", "Last-Modified"):
                del req.mp_headers_out[name]
    shown = escape("".join(part + "\n" for part in text))
    page = f'\n<pre>\nMod_python error: "{escape(prefix)}"\n\n{shown}</pre>\n'
    try:
        req.mp_write(page.encode("ascii", "xmlcharrefreplace"), 0)
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
