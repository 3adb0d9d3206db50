"""Applications to which an isolated subinterpreter refuses something, so that they move to a process (kind auto).

A refusal that nobody catches is met where requests end (`mpserver.modules.python.moving.move_or_stay`). This module is
about those that an application or its framework may catch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, ExtensionFileLoader

from mpserver.application import imports
from mpserver.errors import MustMove
from mpserver.ipc import messages
from mpserver.modules.python import application_errors, guard, moving
from mpserver.phases.plan import InterpreterId
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from mpserver.api.request import Request
    from mpserver.serving.interpreter_owner import InterpreterOwner

#: The home of an interpreter that serves nobody any more.
NOWHERE = InterpreterId("", "")

#: The code that calls an application at the start of its interpreter.
_STARTERS = frozenset({imports.imports.__code__, imports.inherited.__code__})


class Misfit:
    """An interpreter that may turn out to refuse something to its application."""

    __slots__ = ("_interpreter",)

    def __init__(self, interpreter: InterpreterOwner) -> None:
        self._interpreter = interpreter
        interpreter.loader.refused = self.leave
        for name in ("create_module", "exec_module"):
            setattr(ExtensionFileLoader, name, _watched(getattr(ExtensionFileLoader, name)))
            setattr(BuiltinImporter, name, staticmethod(_watched(getattr(BuiltinImporter, name))))

    def leave(self, refused: str) -> None:
        """The application can't stay: a process gets its place, and no request begins here any more.

        (In any thread of the application.)
        """
        interpreter = self._interpreter
        if interpreter.home is not NOWHERE:
            interpreter.home = NOWHERE
            interpreter.tell(messages.Kind.REFUSED, refused)

    def refusal(self, text: str) -> BaseException:
        """The error for a deed that needs a process; a `mpserver.application.restrictions.Refusal`.

        Where the request moves, or the interpreter only starts, it is one that ``except Exception`` does not catch:
        who swallowed it would stay where it can't work. Everywhere else the application goes on with what it is
        in, so it gets a RuntimeError, and the requests after this one go to the process.
        """
        called, req = _caller()
        if called and (req is None or not moving.hindrance(req)):
            return MustMove(text)
        error = RuntimeError(text)
        self.leave(application_errors.refusing(error) or text)
        return error


def _caller() -> tuple[bool, Request | None]:
    """Whether the server has called for a request, and which one that is; or (None) at the interpreter's start."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (the library has no other way to the stack)
    while frame is not None:
        if frame.f_code is guard.call.__code__:
            req = guard.caller(frame)
            return req is not None, req
        if frame.f_code in _STARTERS:
            return True, None
        frame = frame.f_back
    return False, None


def _watched(load: Callable[..., Any]) -> Callable[..., Any]:
    """A step of loading an extension module, which notes in the running request that the module was refused.

    An application may do without it. But if that request fails, the next one would fail alike (most frameworks
    make an answer of every exception).
    """

    def watched(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except ImportError as error:
            refused = application_errors.refusing(error)
            _called, req = _caller() if refused is not None else (False, None)
            while req is not None:
                req.mp_refused = refused
                req = req.mp_prev or req.mp_main
            raise

    return watched
