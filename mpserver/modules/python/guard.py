"""The guard around application code: handlers, filters, connection handlers and elements of pages are called here.

Such code may raise anything, and harms nothing but its own request:

SERVER_RETURN                   ends it with a result, and maybe a status (api 3.5 1.5)
RequestTimeout, Misplaced       pass: who limits the time, or sends the request elsewhere, waits for them
ClientGone                      nobody is there to be answered: `CodeKind.left`
an interpreter's refusal        the application leaves the interpreter, and the request goes along where it may
anything else                   is told in the log, and with PythonDebug to the client: `CodeKind.failed`
"""

from __future__ import annotations

import sys
import time

from mpserver.api.constants import SERVER_RETURN
from mpserver.errors import ClientGone, Misplaced, RequestTimeout
from mpserver.modules.python import moving
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from mpserver.api.handler_list import HandlerEntry
    from mpserver.api.loader import Loader
    from mpserver.api.plan import RequestPlan
    from mpserver.api.request import Request


class Code(Protocol):
    """Code of an application that can be called, such as a handler (`mpserver.modules.python.handlers`)."""

    @property
    def entry(self) -> HandlerEntry:
        """What it is configured as."""

    def resolve(self, plan: RequestPlan, loader: Loader, now: float, argument: Any) -> Callable[[Any], Any] | None:
        """What is to be called with the argument; ``now``: seconds since the epoch, at the request's begin."""


class CodeKind:
    """How code of one kind ends. Each kind has one object, which knows nothing of a request."""

    __slots__ = ()

    #: What it is called in messages.
    noun = "handler"
    #: Whether nothing of the application has run for a request, or a connection, while its first code is loaded.
    begins = True

    def missing(self, code: Any) -> None:
        """There is nothing of its name. :raises TypeError: which makes it a failure."""
        raise TypeError(f"'{code.entry.handler}' is None, and can't be called as a {self.noun}")

    def returned(self, argument: Any, raised: SERVER_RETURN) -> Any:
        """It raised SERVER_RETURN. :returns: the result that this carries."""
        return raised.args[0] if raised.args else None

    def checked(self, code: Any, result: Any) -> int:
        """It returned something else than an int. :returns: the result; :raises AssertionError: it is a failure."""
        raise NotImplementedError

    def left(self, code: Any, argument: Any, gone: ClientGone) -> int:
        """The client left. :returns: the result; :raises ClientGone: that is for the code around it."""
        raise gone

    def failed(self, code: Any, plan: RequestPlan, argument: Any, error: BaseException, repeated: bool) -> int | None:
        """It raised something else.

        :param repeated: a fault of its file that was told before, and is in the file still.
        :returns: the result.
        """
        raise NotImplementedError


def call(
    kind: CodeKind, code: Code, req: Request | None, plan: RequestPlan, loader: Loader, argument: Any
) -> int | None:
    """Call code of an application.

    :param req: None for a connection handler.
    :param argument: what the code is called with.
    :returns: the result, or what ``kind`` makes of it.
    :raises Misplaced: it can't run in this interpreter, and nothing speaks against calling it in another one.
    :raises RequestTimeout: its time is over.
    :raises ClientGone: see `CodeKind.left`.
    """
    try:
        function = code.resolve(plan, loader, time.time() if req is None else req.mp_request_time, argument)
        if function is None:
            kind.missing(code)
            return None
        try:
            result = function(argument)
        except SERVER_RETURN as raised:
            result = kind.returned(argument, raised)
        return result if type(result) is int else kind.checked(code, result)
    except (RequestTimeout, Misplaced):
        raise
    except ClientGone as gone:
        return kind.left(code, argument, gone)
    except BaseException as error:  # an application may raise anything; it harms only its own request
        if loader.may_move:
            moving.move_or_stay(req, loader, error, kind.begins and moving.is_beginning(error.__traceback__))
        return kind.failed(code, plan, argument, error, error is loader.repeated)


def clean_up(req: Request, function: Callable[[Any], Any], data: Any) -> None:
    """Call a cleanup that a request has registered, which may raise anything."""
    function(data)


#: The functions from which an application's code is called.
_CALLS = frozenset({call.__code__, clean_up.__code__})


def caller(frame: FrameType) -> Request | None:
    """The request that a frame of `call` or `clean_up` runs code for; None for a connection handler."""
    req: Request | None = frame.f_locals["req"]
    return req


def running() -> Request | None:
    """The request whose code has called this. Its own stack tells, so that requests needn't."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  (the library has no other way to the stack)
    while frame is not None and frame.f_code not in _CALLS:
        frame = frame.f_back
    return None if frame is None else caller(frame)
