"""Applications that leave an interpreter which refuses them something, and whether a request moves along with them.

In the other interpreter it begins anew, and a request must not run twice. So it moves only if it has not begun, or if
the client itself might repeat it (RFC 9110 9.2.2), nothing of its answer was sent, and none of its content handlers
has ended.
"""

from __future__ import annotations

import os

from mpserver.api import constants
from mpserver.api.factories import Factories
from mpserver.errors import Misplaced
from mpserver.modules.hooks import SCRIPT_HANDLER
from mpserver.modules.python.application_errors import refusing
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from mpserver.api.loader import Loader
    from mpserver.api.request import Request

#: Whoever sends one of these several times intends the same as by sending it once (RFC 9110 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})

#: The phases after the answer.
LAST = frozenset({"PythonLogHandler", "PythonCleanupHandler"})
#: Those before, in their order.
ORDER = (
    "PythonInitHandler", "PythonPostReadRequestHandler", "PythonTransHandler", "PythonHeaderParserHandler",
    "PythonAccessHandler", "PythonAuthenHandler", "PythonAuthzHandler", "PythonTypeHandler", "PythonFixupHandler",
    "PythonHandler",
)  # fmt: skip

_PACKAGE = __file__.rpartition(os.sep + "modules" + os.sep)[0]
#: Where the server's own code is, and what of it executes modules for applications (manual 4.5.1, 6.1).
SERVER = (_PACKAGE + os.sep, os.path.join(os.path.dirname(_PACKAGE), "mod_python") + os.sep)
IMPORTING = (os.path.join(SERVER[0], "api", "loader.py"), os.path.join(SERVER[1], "publisher.py"))
#: Frames of the import system, which say nothing about who imports.
_IMPORT_SYSTEM = (
    "<frozen importlib.", os.path.join(os.path.dirname(os.__file__), "importlib") + os.sep,
    os.path.join(_PACKAGE, "application", "misfit.py"),
)  # fmt: skip


def leave(loader: Loader, error: BaseException) -> str | None:
    """Have the application leave this interpreter, if that is what an error comes from.

    :returns: the module (or the deed) that was refused.
    """
    if not loader.may_move:
        return None
    module = refusing(error) or loader.left or None  # (another thread of the application may have met it)
    if module is not None:
        loader.refused(module)
    return module


def move_or_stay(req: Request | None, loader: Loader, error: BaseException, loading: bool) -> None:
    """Act on an error that nobody caught: where it comes from this interpreter, the application leaves it.

    Where the request may not go along it is answered here, as with any other error.

    :param req: None for a connection handler, which moves only while it is loaded.
    :param loading: the error came while the server loaded the code that begins the request, see `is_beginning`.
    :raises Misplaced: the request, or the connection, goes along.
    """
    module = leave(loader, error)
    if module is None:
        return
    if req is None:
        if loading:
            raise Misplaced(module) from error
        return
    why = hindrance(req, loading)
    if not why:
        raise Misplaced(module) from error
    req.mp_cut = True
    text = (
        f"{module} can't be used in this interpreter, and the request is not run again in a process, for {why}: "
        f"{req.the_request}; 'PythonInterpBackend process' spares it that"
    )
    req.mp_log.log(constants.APLOG_ERR, text, module="python", about=req)


def hindrance(req: Request, loading: bool = False) -> str:
    """Why a request must not move; "" where it may.

    ``req`` may be a part of a page, or what a request was redirected to internally. ``loading``: it has come to the
    server's own import of a module, see `is_beginning`.
    """
    chain = [req]
    while (outer := chain[-1].mp_prev or chain[-1].mp_main) is not None and not outer.mp_is_shadow:
        chain.append(outer)  # (what ran in other interpreters before this one is not run again)
    for one in chain:
        if one.mp_phase in LAST:
            return "its answer was given"
        if one.mp_started or one.mp_finished:
            return "its answer has begun"
        if one.mp_head_depends and one.mp_link.connection().mp_incoming is not None:
            return "it has read or written its connection itself"
        if one.mp_input is not None:
            from mpserver.api.input_filters import unfiltered  # (few requests have bodies, and move)

            body = unfiltered(one.mp_input)
            if body is not None and body.received:
                return "a part of its body was read"
    if loading and len(chain) == 1 and _is_first(req):
        return ""
    method = req.mp_head.method
    if method not in IDEMPOTENT:
        return f"{method} must not be repeated"
    inner = None
    for one in chain:
        # (who looks for an index has not come to its content)
        looks = inner is not None and inner.mp_is_lookup
        if one.mp_next not in (None, inner) or (one.mp_ran if looks else _has_run(one)):
            return "a handler of its content has ended"
        inner = one
    return ""


def _has_run(req: Request) -> bool:
    """Whether a handler of the content phase has ended in a request."""
    if req.mp_ran:
        return True
    if req.mp_phase is None:
        return not is_plain(req)  # (it is in a filter, or in the document of an error)
    return req.mp_phase == "PythonHandler" and req.mp_running is not None and req.mp_running[1] > 0


def is_plain(req: Request) -> bool:
    """Whether a request's content comes from no program, so that it may be made again."""
    return "PythonHandler" not in req.mp_plan.handlers and req.mp_handler != SCRIPT_HANDLER


def _is_first(req: Request) -> bool:
    """Whether no handler of an earlier phase, or before this one in its phase, has run in a request."""
    if req.mp_phase not in ORDER or req.mp_running is None or req.mp_running[1]:
        return False
    handlers = req.mp_plan.handlers
    return not any(phase in handlers for phase in ORDER[: ORDER.index(req.mp_phase)])


def is_beginning(trace: TracebackType | None) -> bool:
    """Whether an error came before the application was called for the request: see `is_loading`, or in its factory."""
    making = trace
    while making is not None:
        if making.tb_frame.f_code is Factories.call.__code__:
            return True
        making = making.tb_next
    return is_loading(trace)


def is_loading(trace: TracebackType | None) -> bool:
    """Whether an error came while the server loaded a module of the application, and called nothing in it yet."""
    importing = False
    while trace is not None:
        code = trace.tb_frame.f_code
        file = code.co_filename
        if file.startswith(_IMPORT_SYSTEM):
            pass
        elif file.startswith(SERVER):
            importing = file in IMPORTING
        else:
            return importing and code.co_name == "<module>"
        trace = trace.tb_next
    return importing
