"""Applications to which an isolated subinterpreter refuses something, so that they move to a process (kind auto).

A refusal that nobody catches is met where requests end (`mpserver.modules.python.moving.move_or_stay`). This module is
about the deed itself: an application, its framework or another thread may catch the error, or never see it.
"""

from __future__ import annotations

import sys

from mpserver.application import imports, refused_modules
from mpserver.errors import MustMove
from mpserver.ipc import messages, plain_data
from mpserver.modules.python import application_errors, guard, moving
from mpserver.phases.plan import InterpreterId
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from mpserver.api.request import Request
    from mpserver.serving.interpreter_owner import InterpreterOwner

#: The home of an interpreter that serves nobody any more.
NOWHERE = InterpreterId("", "")

#: The code that calls an application at the start of its interpreter.
_STARTERS = frozenset({imports.imports.__code__, imports.inherited.__code__, imports.handlers.__code__})


class Misfit:
    """An interpreter that may turn out to refuse something to its application."""

    __slots__ = ("_interpreter", "_path", "_told")

    def __init__(self, interpreter: InterpreterOwner) -> None:
        self._interpreter = interpreter
        #: The refused modules that others take the place of, once that is told.
        self._told: set[str] = set()
        #: ``sys.path`` where a module was refused: afterwards another one may be in effect.
        self._path: tuple[str, ...] = ()
        interpreter.loader.refused = self.leave
        interpreter.loader.judge = self.judge
        interpreter.loader.reconsider = self.reconsider
        refused_modules.watch(self._doubt)

    def leave(self, refused: str) -> None:
        """The application can't stay: a process gets its place, and no request begins here any more.

        (In any thread of the application.)
        """
        self._leave(refused, caught=False)

    def _leave(self, refused: str, caught: bool) -> None:
        interpreter = self._interpreter
        if interpreter.home is not NOWHERE:
            interpreter.home = interpreter.planner.home = NOWHERE
            interpreter.loader.left = refused
            self._tell(refused, caught, "")

    def _tell(self, refused: str, caught: bool, twin: str) -> None:
        told = plain_data.pack((refused, caught, twin, self._path or _path()))
        self._interpreter.send(messages.Message(messages.Kind.REFUSED, state=told))

    def refusal(self, text: str) -> BaseException:
        """The error for a deed that needs a process; a `mpserver.application.restrictions.Refusal`.

        The deed counts, whatever becomes of the error: the requests after this one go to the process.

        Where the request moves, or the interpreter only starts, it is one that ``except Exception`` does not catch:
        who swallowed it would go on where it can't work. Everywhere else the application goes on with what it is
        in, so it gets a RuntimeError.
        """
        called, req = _caller()
        error = RuntimeError(text)
        self.leave(application_errors.refusing(error) or text)
        return MustMove(text) if called and (req is None or not moving.hindrance(req)) else error

    def _doubt(self, module: str) -> None:
        """A module was refused. Whether something takes its place shows at the end of the request that wants it."""
        _called, req = _caller()
        self._path = _path()
        self._interpreter.loader.doubts.append((module, _root(req)))

    def reconsider(self, req: Request) -> None:
        """The application answers with an error, maybe since its framework has caught what was refused to it.

        :raises MustMove: so it is, and nothing speaks against running the request again in a process.
        """
        loader, root = self._interpreter.loader, _root(req)
        module = next((module for module, of in loader.doubts if of is root), "")
        if (module or loader.left) and not moving.hindrance(req):
            raise MustMove(f"module {module or loader.left} does not support loading in subinterpreters")

    def judge(self, req: Request | None, failed: bool) -> None:
        """A request has ended (None: the start has): act on what was refused to it, if the application needs that.

        What a thread without a request has met counts with any.
        """
        doubts = self._interpreter.loader.doubts
        for doubt in [doubt for doubt in doubts if doubt[1] in (None, req)]:
            try:
                doubts.remove(doubt)
            except ValueError:
                continue  # (another thread judges it)
            module = doubt[0]
            twin = refused_modules.twin(module)
            if failed or not twin:
                self._leave(module, caught=not failed)
            elif module not in self._told:
                self._told.add(module)
                self._tell(module, True, twin)


def _path() -> tuple[str, ...]:
    return tuple(map(str, sys.path))


def _root(req: Request | None) -> Request | None:
    """The request that a part of a page, or what it was redirected to, belongs to."""
    while req is not None:
        outer = req.mp_prev or req.mp_main
        if outer is None or outer.mp_is_shadow:  # (what ran in other interpreters before this one is not ours)
            break
        req = outer
    return req


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
