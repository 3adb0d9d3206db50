"""CPython's subinterpreters (PEP 684, and those before it), under the names that each version gives them."""

from __future__ import annotations

import importlib
import os
import sys
from functools import lru_cache
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
finder = sys.modules["mpserver.system.module_finder"] = type(sys)("mpserver.system.module_finder")
exec(marshal.loads({finder!r}), finder.__dict__)
finder.use({engine!r})
import threading
import mpserver.interpreters.run
gc.enable()
threading.Thread(target=mpserver.interpreters.run.run_packed, args=({boot!r}, {inbox!r}), name={name!r}).start()
"""

#: Before 3.13, ``_decimal`` keeps its context in one variable for all interpreters that share a GIL, cached by the
#: number of the thread's state, which each interpreter counts for itself: one gets another's context, that may be
#: freed already, and the worker crashes. ``decimal`` falls back on its Python code (as in isolated interpreters).
_WITHOUT_DECIMAL = """
import sys
sys.modules["_decimal"] = None
"""

#: What it does last, for `run`.
_DONE = """
import posix
posix.write({done}, b"1")
"""


@lru_cache(maxsize=1)
def _ids() -> dict[int, Any]:
    """The ids of this process' interpreters on 3.12: one whose last id object goes ends at that moment."""
    return {}


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

    :raises InterpreterError: this Python can't, or not now.
    """
    module = _module()
    try:
        if sys.version_info >= (3, 13):
            return int(module.create("legacy" if shared else "isolated"))
        made = module.create(isolated=not shared)
        _ids()[int(made)] = made
    except Exception as error:  # (each version has an error of its own for it, and not each is a RuntimeError)
        raise InterpreterError(f"a subinterpreter can't be created: {_said(error)}") from error
    if shared:
        run(int(made), _WITHOUT_DECIMAL)
    return int(made)


def boot(number: int, data: bytes, inbox: int, name: str) -> None:
    """Start the engine in an interpreter, in a thread of its own. :raises InterpreterError: it failed."""
    try:
        from mpserver.system import code_snapshot, own_imports  # (not in the interpreter that begins)

        engine, finder = code_snapshot.taken(), code_snapshot.finder_code()
        run(
            number,
            _BOOT.format(path=own_imports.base_path(), boot=data, inbox=inbox, name=name, engine=engine, finder=finder),
        )
    except (ImportError, OSError, InterpreterError) as error:
        ours = os.path.dirname(os.path.dirname(__file__))
        if os.access(ours, os.R_OK | os.X_OK):
            raise
        raise InterpreterError(f"user #{os.geteuid()} can't read {ours}: {error}") from error


def run(number: int, script: str) -> None:
    """Run a script in an interpreter, which catches its errors itself. :raises InterpreterError: it did not."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        why = _execute(number, script + _DONE.format(done=writer))
        if why is None and _is_empty(reader):  # (a MemoryError comes out as if all were well)
            why = "its first code was not executed to its end, for memory ran out or it was ended"
    finally:
        os.close(reader)
        os.close(writer)
    if why is not None:
        raise InterpreterError(f"the engine did not start in a subinterpreter: {why}")


def _execute(number: int, script: str) -> str | None:
    """Run a script. :returns: why it failed, as far as that is told."""
    module = _module()
    try:
        if sys.version_info >= (3, 13):
            failed: Any = module.exec(number, script, restrict=True)
            return None if failed is None else str(failed.formatted or failed.type.__name__)
        module.run_string(number, script)
    except Exception as error:
        return _said(error)
    return None


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _is_empty(pipe: int) -> bool:
    try:
        return not os.read(pipe, 1)
    except BlockingIOError:
        return True


def alive() -> bool:
    """Whether the process has any interpreter beside its main one."""
    return AVAILABLE and len(_module().list_all()) > 1


def destroy(number: int) -> None:
    """End an interpreter; waits for its threads. :raises InterpreterError: it is still running."""
    module = _module()
    try:
        module.destroy(number)
    except Exception as error:
        raise InterpreterError(f"a subinterpreter can't be destroyed: {error}") from error
    _ids().pop(number, None)


def give_memory_back() -> None:
    """Return to the system what a destroyed interpreter had, where the C library keeps it (glibc)."""
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
