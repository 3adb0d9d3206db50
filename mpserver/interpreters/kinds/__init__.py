"""The kinds of interpreters, by their names; a module each."""

from __future__ import annotations

import sys

from mpserver.interpreters.kinds.main_thread import Main
from mpserver.interpreters.kinds.process import Process
from mpserver.interpreters.kinds.subinterpreter import Own, Shared
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.interpreters.handle import InterpreterHandle

#: What ``auto`` begins with: isolated subinterpreters are ready for use from 3.14 on.
AUTO = "own" if sys.version_info >= (3, 14) else "process"

KINDS: dict[str, type[InterpreterHandle]] = {"own": Own, "shared": Shared, "process": Process, "main": Main}
