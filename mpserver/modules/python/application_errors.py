"""What application code raised: told in the log, to the client, and as a refusal of an isolated interpreter."""

from __future__ import annotations

import sys

from mpserver import lazyre
from mpserver.api import constants, runtime
from mpserver.errors import MustMove
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.error_log import About, ErrorLog
    from mpserver.api.request import Request

#: What CPython and the makers of extension modules say where isolated subinterpreters are refused.
REFUSALS = lazyre.compile(
    r"module (?P<module>\S+) does not support loading in subinterpreters"
    r"|PyO3 modules (?:compiled for \S+ )?(?:do not yet|may only be)"
    r"|cannot load module more than once per process"
    r"|Interpreter change detected"
    r"|(?P<daemon>daemon threads? (?:are|is)? ?(?:disabled|not supported))"
    r"|(?P<fork>fork not supported for isolated subinterpreters)"
    r"|(?P<exec>exec not supported for isolated subinterpreters)"
)

#: The place of an error that is in no page.
_FILE_OF_PYTHON = lazyre.compile(r"\.pyc? line \d|^<")

#: What is done in vain, by the groups of `REFUSALS`.
DEEDS = {"daemon": "daemon threads", "fork": "os.fork", "exec": "os.exec"}


class Told(NamedTuple):
    """An error that was told: the parts of its traceback, see `describe`, the exception in it, and where that came."""

    parts: list[str]
    headline: str
    place: str


def refusing(error: BaseException) -> str | None:
    """The module, by its full name, or the deed that an isolated subinterpreter does not allow, if that is why."""
    seen = 0
    found: BaseException | None = error
    while found is not None and seen < 20:
        if isinstance(found, (ImportError, RuntimeError, MustMove)):
            match = REFUSALS.search(_text(found))
            if match is not None:
                deed = DEEDS.get(match.lastgroup or "")
                return getattr(found, "name", None) or match["module"] or deed or match[0]
        found, seen = found.__cause__ or found.__context__, seen + 1
    return None


def _text(error: BaseException) -> str:
    """What an exception says, with its notes; the traceback module is not asked, for that loads modules itself."""
    try:
        return "\n".join(map(str, (error, *getattr(error, "__notes__", ()))))
    except BaseException:  # its __str__ may raise, too
        return ""


def tell(
    error: BaseException, prefix: str, log: ErrorLog, about: About, repeated: bool = False, loading: bool = False
) -> Told:
    """Write an uncaught error to a log: first the exception with the interpreter's name, then its traceback.

    :param repeated: it was told before, and nothing has changed since: one line is enough.
    :param loading: it came while the server loaded a module: the first line tells why, and where the module was looked
        for; the traceback holds nothing of the application that was called, and is told at the level debug.
    """
    from mpserver.modules.python import load_errors  # (only where something is wrong)

    parts = describe(error)
    what = headline(error, parts)
    place = load_errors.place_of(error)
    first = what
    if place and not repeated and not loading and not _FILE_OF_PYTHON.search(place):
        first += f" ({place})"  # (of a page, whose traceback begins with files of the library)
    if repeated:
        first += " (as before: the file has not changed)"
    elif loading:
        first = load_errors.summary(what, error, sys.path)
    running = runtime.current()
    if running is not None:
        first += f" (interpreter '{running.interpreter}')"
    rest = parts[:-1] if parts[-1].strip() == what else parts  # (it is on the first line already)
    trace = [] if repeated else [f"{prefix}: {part.rstrip()}" for part in rest]
    if loading:
        log.log(constants.APLOG_ERR, f"{prefix}: {first}", module="python", about=about)
        if trace:
            log.log(constants.APLOG_DEBUG, "\n".join(trace), module="python", about=about)
    else:
        log.log(constants.APLOG_ERR, "\n".join([f"{prefix}: {first}", *trace]), module="python", about=about)
    return Told(parts, what, place)


def headline(error: BaseException, parts: list[str]) -> str:
    """The exception as a traceback shows it, without what leads to it, its notes and the errors of its group."""
    try:
        import traceback  # (see above)

        shown = (part for part in traceback.format_exception_only(error) if not part.startswith(" "))
        return next(shown, parts[-1]).strip()
    except BaseException:  # its __str__ may raise, too
        return parts[-1].strip()


def page(prefix: str, text: list[str]) -> bytes:
    """What PythonDebug shows of an uncaught error to the client (manual 5.4.2): HTML for the rest of a response."""
    from mpserver.http1.html import escape  # (only where pages tell of errors)

    shown = escape("".join(part + "\n" for part in text))
    return f'\n<pre>\nMod_python error: "{escape(prefix)}"\n\n{shown}</pre>\n'.encode("ascii", "xmlcharrefreplace")


def debug_page(req: Request, prefix: str, error: BaseException, told: Told) -> bytes:
    """What PythonDebug shows of a handler's error, in the form that the client takes where nothing is sent yet."""
    classic = page(prefix, told.parts)
    prepare_page(req)
    if req.mp_started:
        return classic
    from mpserver.modules.python import debug_page  # (only where pages tell of errors)

    form = debug_page.form(req.headers_in.get("Accept"))
    failure = debug_page.Failure(prefix, error, told.headline, told.parts, told.place)
    if form == "text":
        req.mp_content_type = "text/plain; charset=utf-8"
        return debug_page.text(failure)
    return debug_page.page(req, failure, classic) if form else classic


def prepare_page(req: Request) -> None:
    """Make a response that has not begun one with an error, and HTML, for what `page` gives."""
    if not req.mp_started:
        req.mp_status = constants.HTTP_INTERNAL_SERVER_ERROR
        req.mp_status_line = None
        req.mp_content_type = "text/html"
        req.mp_content_encoding, req.mp_content_languages = None, ()


def describe(error: BaseException) -> list[str]:
    """The traceback's parts, without the frames that lead to the application; never raises, whatever it does.

    A source that can't be read has none of the application's, and its file and line in any case.
    """
    own = __file__.rpartition("modules")[0]
    leading = (own, f"{own.rstrip('/').rpartition('/')[0]}/mod_python/")
    try:
        import traceback  # (see above)

        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(leading):
            trace = trace.tb_next
        if trace is None and not isinstance(error, SyntaxError):
            trace = error.__traceback__
        lines: list[str] = traceback.format_exception(type(error), error, trace)
        return lines
    except BaseException:  # its __str__ may raise, too
        name = type(error).__name__
        return [f"{name}: its text can't be shown, for its __str__ raised {sys.exc_info()[0]!r}\n"]
