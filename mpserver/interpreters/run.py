"""Running an interpreter's engine, from its boot record."""

from __future__ import annotations

import _socket

from mpserver.application.preloaded import Preloaded
from mpserver.interp import Interpreter
from mpserver.ipc import descriptor_marks, messages
from mpserver.ipc.descriptor_marks import INBOX, NOTHING
from mpserver.modules import mpm
from mpserver.modules.python.environment import SOFT_MEMORY
from mpserver.serving.boot import unpack
from mpserver.system import module_finder, own_imports
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.boot import Boot


def _engine(boot: Boot) -> type[Interpreter]:
    """What the MPM, PythonInterpMaxRequests and PythonInterpSoftMemory want; only that is loaded."""
    limited = boot.lifetime.requests > 0 or any(key == SOFT_MEMORY for key, _ in boot.interpreter_id.environment)
    if mpm.is_threaded(boot.configuration) or boot.interpreter_id.name in mpm.THREADED:
        from mpserver.interpreters.threaded import LimitedThreadedInterpreter, ThreadedInterpreter

        return LimitedThreadedInterpreter if limited else ThreadedInterpreter
    if limited:
        from mpserver.interpreters.limited import LimitedInterpreter

        return LimitedInterpreter
    return Interpreter


def run(boot: Boot, inbox_fd: int, preloaded: Preloaded | None = None) -> None:
    """Be an interpreter until the worker ends it; never raises.

    What goes wrong at the start is told to the worker, which answers the waiting requests. ``preloaded``:
    what a zygote loaded already.
    """
    inbox = _socket.socket(fileno=inbox_fd)
    descriptor_marks.write(boot.marks, inbox_fd, INBOX)
    try:
        _engine(boot)(boot, inbox, preloaded).run()
    except BaseException as error:  # nothing but a clean end may cross into the worker
        messages.report(inbox, error)
    finally:
        if boot.kind == "process":  # its zygote has this end as well, until the process has ended
            _refuse_more(inbox)
        descriptor_marks.write(boot.marks, inbox_fd, NOTHING)
        inbox.close()


def _refuse_more(inbox: _socket.socket) -> None:
    """Let the worker send nothing more."""
    try:
        inbox.shutdown(_socket.SHUT_RD)
    except OSError:
        pass  # the worker is gone


def run_packed(data: bytes, inbox_fd: int) -> None:
    """`run` for an interpreter that got its boot record as bytes."""
    try:
        boot = unpack(data)
    except BaseException as error:
        inbox = _socket.socket(fileno=inbox_fd)
        try:
            messages.report(inbox, error)
        finally:
            inbox.close()
        return
    module_finder.narrow()
    own_imports.install()
    run(boot, inbox_fd)
