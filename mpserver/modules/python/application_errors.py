"""What application code raised: told in the log, to the client, and as a refusal of an isolated interpreter."""

from __future__ import annotations

import sys

from mpserver import lazyre
from mpserver.api import constants
from mpserver.errors import MustMove
from mpserver.typing import TYPE_CHECKING

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

#: What is done in vain, by the groups of `REFUSALS`.
DEEDS = {"daemon": "daemon threads", "fork": "os.fork", "exec": "os.exec"}


def refusing(error: BaseException) -> str | None:
    """The module, by its full name, or the deed that an isolated subinterpreter does not allow, if that is why."""
    import traceback  # (it takes long, and a good application never needs it)

    seen = 0
    found: BaseException | None = error
    while found is not None and seen < 20:
        if isinstance(found, (ImportError, RuntimeError, MustMove)):
            match = REFUSALS.search("".join(traceback.format_exception_only(found)))
            if match is not None:
                deed = DEEDS.get(match.lastgroup or "")
                return getattr(found, "name", None) or match["module"] or deed or match[0]
        found, seen = found.__cause__ or found.__context__, seen + 1
    return None


def tell(error: BaseException, prefix: str, log: ErrorLog, about: About, repeated: bool = False) -> list[str]:
    """Write an uncaught error to a log, line by line, each with a prefix.

    :param repeated: it was told before, and nothing has changed since: one line is enough.
    :returns: the parts of its traceback, see `describe`.
    """
    text = describe(error)
    for part in [f"{text[-1].rstrip()} (as before: the file has not changed)"] if repeated else text:
        log.log(constants.APLOG_ERR, f"{prefix}: {part.rstrip()}", module="python", about=about)
    return text


def page(prefix: str, text: list[str]) -> bytes:
    """What PythonDebug shows of an uncaught error to the client (manual 5.4.2): HTML for the rest of a response."""
    from mpserver.http1.html import escape  # (only where pages tell of errors)

    shown = escape("".join(part + "\n" for part in text))
    return f'\n<pre>\nMod_python error: "{escape(prefix)}"\n\n{shown}</pre>\n'.encode("ascii", "xmlcharrefreplace")


def prepare_page(req: Request) -> None:
    """Make a response that has not begun one with an error, and HTML, for what `page` gives."""
    if not req.mp_started:
        req.mp_status = constants.HTTP_INTERNAL_SERVER_ERROR
        req.mp_status_line = None
        req.mp_content_type = "text/html"


def describe(error: BaseException) -> list[str]:
    """The traceback's parts, without the server's own frames; never raises, whatever the exception does."""
    own = __file__.rpartition("modules")[0]
    try:
        import traceback  # (see above)

        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(own):
            trace = trace.tb_next
        lines: list[str] = traceback.format_exception(type(error), error, trace or error.__traceback__)
        return lines
    except BaseException:  # its __str__ may raise, too
        name = type(error).__name__
        return [f"{name}: its text can't be shown, for its __str__ raised {sys.exc_info()[0]!r}\n"]
