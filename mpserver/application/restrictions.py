"""What an application finds around it in its interpreter: output, environment, and what it may not do.

    print, warnings   become lines of its virtual host's error log
    os.environ        is the interpreter's own, and its children's; the process' is left alone
    os.fork, ...      where they would harm others, raise errors that say what to use instead

A process interpreter has a process to itself: there only the output is ours to arrange.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType

from mpserver.application.environ import Children, OwnEnviron, replace
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpserver.application.output import PrintedOutput

#: Makes the error for an application that does what an isolated subinterpreter can't, from its text.
Refusal = Callable[[str], BaseException]

#: What errors advise.
REMEDY = "set 'PythonInterpBackend process' for this application, which then runs in a process of its own"


def _fork_in_own(error: Refusal) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise error(f"fork not supported for isolated subinterpreters: use subprocess to run a program, or {REMEDY}")

    return refuse


def _fork_in_shared() -> NoReturn:
    raise RuntimeError(
        "fork is not possible in a subinterpreter, for the child would crash: use subprocess to run a program, or "
        f"{REMEDY}"
    )


def _fork_in_main(fork: Callable[[], Any]) -> Callable[[], Any]:
    def careful() -> Any:
        from mpserver.system import subinterpreters  # (only workers themselves are asked)

        if subinterpreters.alive():
            raise RuntimeError(
                "fork is not possible in a worker that has subinterpreters, for the child would crash: use subprocess "
                f"to run a program, or {REMEDY}"
            )
        return fork()

    return careful


def _no_daemons(_allowed: Callable[[], bool]) -> Callable[[], bool]:
    """Before 3.14 a daemon thread in an interpreter that is destroyed aborts the process."""
    return _thread_kinds(lambda: False)


def _thread_kinds(allowed: Callable[[], bool], error: Refusal = RuntimeError) -> Callable[[], bool]:
    """Answers ``threading``'s question whether there may be daemon threads."""
    askers = {threading.Thread.__init__.__code__, threading.Thread.daemon.fset.__code__}  # type: ignore[attr-defined]

    def ask() -> bool:
        caller = sys._getframe(1)  # noqa: SLF001  (the library has no other way to the stack)
        if caller.f_code in askers and not allowed():
            raise error(
                "daemon threads are disabled in subinterpreters: use a thread that is no daemon and that "
                f"apache.register_cleanup ends, or {REMEDY}"
            )
        return allowed()

    return ask


def _signals(signal: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def careful(number: Any, handler: Any, /) -> Any:
        try:
            return signal(number, handler)
        except ValueError as error:
            if "main thread" not in str(error):
                raise
            raise ValueError(f"{error}, and signals of a worker belong to the server: {REMEDY}") from None

    return careful


class Change(NamedTuple):
    """A function that is replaced, and what makes its replacement of it and of the errors for the application."""

    module: ModuleType
    name: str
    make: Callable[[Any, Refusal], Callable[..., Any]]


#: What ``signal.signal`` calls.
_SIGNAL = importlib.import_module("_signal")

#: By kind of interpreter.
CHANGES: dict[str, tuple[Change, ...]] = {
    "own": (
        Change(os, "fork", lambda _fork, error: _fork_in_own(error)),
        Change(os, "forkpty", lambda _fork, error: _fork_in_own(error)),
        Change(threading, "_daemon_threads_allowed", lambda allowed, error: _thread_kinds(allowed, error)),
        Change(_SIGNAL, "signal", lambda signal, _error: _signals(signal)),
    ),
    "shared": (
        Change(os, "fork", lambda _fork, _error: _fork_in_shared),
        Change(os, "forkpty", lambda _fork, _error: _fork_in_shared),
        *(
            (Change(threading, "_daemon_threads_allowed", lambda allowed, _error: _no_daemons(allowed)),)
            if sys.version_info < (3, 14)
            else ()
        ),
        Change(_SIGNAL, "signal", lambda signal, _error: _signals(signal)),
    ),
    "main": (
        Change(os, "fork", lambda fork, _error: _fork_in_main(fork)),
        Change(os, "forkpty", lambda fork, _error: _fork_in_main(fork)),
        Change(_SIGNAL, "signal", lambda signal, _error: _signals(signal)),
    ),
    "process": (),
}


#: C modules of 3.12 that harm an interpreter with its own GIL: without them their Python code takes over. What that of
#: ``zoneinfo`` stands on is refused there; that of ``decimal`` ends the process where a second one loads it.
BROKEN = ("_decimal", "_zoneinfo") if sys.version_info < (3, 13) else ()


def install(kind: str, output: PrintedOutput, one_process: bool, error: Refusal = RuntimeError, soft: int = 0) -> None:
    """Arrange an interpreter for its applications, before any code of theirs runs.

    ``error``: see `Refusal`. ``soft``: the limit of descriptors that the programs which they start get, 0: as it is.
    """
    output.install()
    children = Children(soft)
    if kind != "process":
        OwnEnviron(children).install()
        if kind == "main":
            children.after_fork()
    else:
        children.install()
    if kind == "own":
        for name in BROKEN:
            sys.modules[name] = None  # type: ignore[assignment]
    for change in CHANGES[kind]:
        if hasattr(change.module, change.name):
            replace(change.module, change.name, change.make(getattr(change.module, change.name), error))
    if one_process:
        from mpserver.application import terminal  # (nobody sits at the terminal of another)

        terminal.install()
