"""CPython's subinterpreters (PEP 684, and those before it), under the names that each version gives them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from mpserver.errors import InterpreterError
from mpserver.typing import Any

#: The module that makes them, by version; public only from 3.14 on.
_MODULE = "_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters"

#: Whether this Python has them at all.
AVAILABLE = sys.version_info >= (3, 12)

#: (What is imported stays: looking through it for garbage would take a tenth of the time.)
_BOOT = """
import gc, marshal, sys
gc.disable()
sys.path[:] = {path!r}
sys.argv = ["mod_python"]
finder = sys.modules["mpserver.finder"] = type(sys)("mpserver.finder")
exec(marshal.loads({finder!r}), finder.__dict__)
finder.use({engine!r})
import threading
import mpserver.interp
gc.enable()
threading.Thread(target=mpserver.interp.run_packed, args=({boot!r}, {inbox!r}), name={name!r}).start()
"""


def _module() -> ModuleType:
    if not AVAILABLE:
        version = ".".join(map(str, sys.version_info[:3]))
        raise InterpreterError(
            f"Python {version} has no subinterpreters: use PythonInterpBackend process, or Python 3.14"
        )
    return importlib.import_module(_MODULE)


def prepare() -> None:
    """What has to happen in the main interpreter before the first one is made.

    On 3.13 and before, ``datetime`` crashes where two isolated interpreters import it first.
    """
    if sys.version_info < (3, 14):
        importlib.import_module("datetime")


def create(shared: bool = False) -> int:
    """A new interpreter: an isolated one with its own GIL, or one with the GIL of the main one (``shared``).

    :raises InterpreterError: this Python can't.
    """
    module = _module()
    try:
        if sys.version_info >= (3, 13):
            return int(module.create("legacy" if shared else "isolated"))
        return int(module.create(isolated=not shared))
    except RuntimeError as error:
        raise InterpreterError(f"a subinterpreter can't be created: {error}") from error


def boot(number: int, data: bytes, inbox: int, name: str) -> None:
    """Start the engine in an interpreter, in a thread of its own. :raises InterpreterError: it failed."""
    from mpserver import snapshot  # (not in the interpreter that begins)

    engine, finder = snapshot.taken(), snapshot.finder_code()
    run(number, _BOOT.format(path=sys.path, boot=data, inbox=inbox, name=name, engine=engine, finder=finder))


def run(number: int, script: str) -> None:
    """Run a script in an interpreter, which catches its errors itself. :raises InterpreterError: it did not."""
    module = _module()
    failed: Any
    if sys.version_info >= (3, 13):
        failed = module.exec(number, script, restrict=True)
    else:
        failed = module.run_string(number, script)
    if failed is not None:
        raise InterpreterError(f"the engine did not start in a subinterpreter: {failed.formatted}")


def alive() -> bool:
    """Whether the process has any interpreter beside its main one."""
    return AVAILABLE and len(_module().list_all()) > 1


def destroy(number: int) -> None:
    """End an interpreter; waits for its threads. :raises InterpreterError: it is still running."""
    module = _module()
    try:
        module.destroy(number)
    except RuntimeError as error:
        raise InterpreterError(f"a subinterpreter can't be destroyed: {error}") from error


def give_memory_back() -> None:
    """Return to the system what a destroyed interpreter had, where the C library keeps it (glibc)."""
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
