"""Debuggers in a server of one process (-X, -DONE_PROCESS): they talk to the terminal, not to the log.

``pdb`` takes ``sys.stdin`` and ``sys.stdout`` where it is not told otherwise, and the latter is the log there. So when
the library's module is loaded, its debugger is told otherwise: whichever of its functions an application calls, and
``breakpoint()``, prompt on the terminal.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType

from mpserver.system import own_imports
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

#: The library's debugger.
DEBUGGER = "pdb"


def install() -> None:
    """Have debuggers talk to the terminal."""
    if DEBUGGER in sys.modules:
        redirect(sys.modules[DEBUGGER])
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds the debugger, wherever the application's path has it or not, and redirects it when it is loaded."""

    def __init__(self) -> None:
        self._looking = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks for."""
        if name != DEBUGGER or self._looking:
            return None
        self._looking = True
        try:
            found = importlib.util.find_spec(name) or own_imports.from_library(name)
        finally:
            self._looking = False
        loader: Any = None if found is None else found.loader
        if loader is not None:
            loader.exec_module = partial(_execute, loader.exec_module)
        return found


def _execute(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    execute(module)
    redirect(module)


def redirect(module: ModuleType) -> None:
    """Let the debugger of a module talk to the terminal, where its maker says nothing else."""
    debugger: Any = getattr(module, "Pdb", None)
    if not isinstance(debugger, type):
        return  # an application's own module of that name
    begin = debugger.__init__  # type: ignore[misc]  # (the class is at hand, not an instance)

    def begin_on_terminal(
        self: Any, completekey: str = "tab", stdin: Any = None, stdout: Any = None, *more: Any, **named: Any
    ) -> None:
        if named.get("mode") == "inline":  # (to quit would be to end the process: here it is to end the request)
            del named["mode"]
        begin(self, completekey, stdin or sys.__stdin__, stdout or sys.__stdout__, *more, **named)

    debugger.__init__ = begin_on_terminal  # type: ignore[misc]
