"""Zygotes in another Python: of a virtual environment, or of another version (PythonVirtualEnv, PythonExecutable).

The process executes that Python with this very file, which finds the engine where the server has it, and the
library that the engine uses there too, unless the environment has it itself. Nothing else of the
server's own libraries is seen by the application.
"""

from __future__ import annotations

import importlib
import marshal
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, NamedTuple, NoReturn

# (Nothing of mpserver is imported here: in the other Python it is not found yet.)

#: The versions of the marshal format differ between Pythons; all read this one.
MARSHAL = 4
#: The engine's own packages, and the libraries that it uses in an interpreter.
ENGINE = ("mpserver", "mod_python")
LIBRARIES = ("multipart",)
#: The folder where the engine's packages are: this file is mpserver/interpreters/other_python.py in it.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class ZygoteArguments(NamedTuple):
    """What a zygote in another Python gets, as plain data; the descriptors are numbers."""

    key: tuple[str, Any]
    control: int
    scoreboard: int
    configuration: int
    logs: dict[str, int]
    generation: int
    one_process: bool


def limit(environment: dict[str, Any]) -> None:
    """Set the limits of this process that an environment tells, and its directory.

    :raises OSError: the system refuses.
    """
    if "nice" in environment:
        os.nice(environment["nice"])
    if "working" in environment:
        os.chdir(environment["working"])
    if "memory" in environment:
        import resource

        # what the process may write to and shares with nobody: not its libraries, nor address space that it only keeps
        resource.setrlimit(resource.RLIMIT_DATA, (environment["memory"], environment["memory"]))


def carry(module: str, *what: Any) -> int:
    """A descriptor for another Python, in which ``module.arrive(*what)`` will be called; it is inheritable."""
    fd = os.memfd_create("mpserver-other-python", 0)
    data = marshal.dumps((sys.path, module, what), MARSHAL)
    os.truncate(fd, len(data))
    os.pwrite(fd, data, 0)
    return fd


def command(python: str, fd: int) -> list[str]:
    """What to execute to arrive in another Python."""
    return [python, "-P", os.path.abspath(__file__), str(fd)]


def surroundings(python: str) -> dict[str, str]:
    """The environment variables for another Python."""
    environment = dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    directory = os.path.dirname(python)
    if os.path.exists(os.path.join(directory, os.pardir, "pyvenv.cfg")):
        environment["VIRTUAL_ENV"] = os.path.dirname(directory)
        environment["PATH"] = os.pathsep.join([directory, environment.get("PATH", os.defpath)])
    return environment


def go(python: str, arguments: ZygoteArguments) -> NoReturn:
    """Become a zygote in another Python. :raises OSError: it can't be executed."""
    from mpserver.system.process import ROOM

    for fd in (arguments.control, arguments.scoreboard, arguments.configuration, *arguments.logs.values()):
        os.set_inheritable(fd, True)
    fd = carry("mpserver.interpreters.zygote", *arguments)
    os.execve(python, [*command(python, fd), " " * ROOM], surroundings(python))  # noqa: S606 - the Python that the configuration names


class Finder:
    """Finds some modules, and only these, in directories of their own (a finder of ``sys.meta_path``)."""

    def __init__(self, names: tuple[str, ...], path: list[str]) -> None:
        self._names, self._path = names, path

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The module, if it is one of ours and no part of another."""
        if path is not None or name not in self._names:
            return None
        return PathFinder.find_spec(name, self._path)


def arrive(fd: int) -> None:
    """The other side of `carry`."""
    path, module, what = marshal.loads(os.pread(fd, os.fstat(fd).st_size, 0))  # noqa: S302 - our parent says it
    os.close(fd)
    sys.meta_path.insert(0, Finder(ENGINE, [ROOT]))
    sys.meta_path.append(Finder(LIBRARIES, path))
    importlib.import_module(module).arrive(*what)


if __name__ == "__main__":
    arrive(int(sys.argv[1]))
