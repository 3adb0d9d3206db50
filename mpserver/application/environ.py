"""An application's own ``os.environ``, and the programs that it starts."""

from __future__ import annotations

import _posixsubprocess
import os
import sys
from collections.abc import Callable
from types import ModuleType

from mpserver.system import descriptors
from mpserver.typing import Any, NoReturn


class Children:
    """Starts programs: they get the soft limit of descriptors that the server was started with."""

    __slots__ = ("_former", "_functions")

    def __init__(self, soft: int) -> None:
        """``soft`` is that limit, 0: it was not raised."""
        self._former = descriptors.ProgramStarter(soft)
        self._functions: tuple[Callable[..., int], ...] = (
            _posixsubprocess.fork_exec, os.posix_spawn, os.posix_spawnp
        )  # fmt: skip

    def install(self) -> None:
        """Make them what starts programs here, and those that this process forks its like."""
        if not self._former:
            return
        replace(os, "posix_spawn", self.posix_spawn)
        replace(os, "posix_spawnp", self.posix_spawnp)
        replace(os, "system", lambda command: self.shell(command, os.environ))
        _replace_fork_exec(self.fork_exec)
        self.after_fork()

    def after_fork(self) -> None:
        """Have the same for the children that Python code goes on in."""
        if self._former:
            os.register_at_fork(after_in_child=lambda: self._former.give(0))

    def fork_exec(self, *arguments: Any) -> int:
        """What ``subprocess`` and ``multiprocessing`` start children with."""
        return self._former.start(self._functions[0], *arguments)

    def posix_spawn(self, *arguments: Any, **options: Any) -> int:
        """``os.posix_spawn``."""
        return self._former.start(self._functions[1], *arguments, **options)

    def posix_spawnp(self, *arguments: Any, **options: Any) -> int:
        """``os.posix_spawnp``."""
        return self._former.start(self._functions[2], *arguments, **options)

    def shell(self, command: str | bytes, environment: Any) -> int:
        """What ``os.system`` does. :returns: the wait status."""
        sys.audit("os.system", command)
        pid = self.posix_spawn("/bin/sh", ["sh", "-c", command], environment)
        return os.waitpid(pid, 0)[1]


def _replace_fork_exec(function: Callable[..., int]) -> None:
    replace(_posixsubprocess, "fork_exec", function)
    if "subprocess" in sys.modules:
        replace(sys.modules["subprocess"], "_fork_exec", function)


class OwnEnviron:
    """The environment of an interpreter that shares its process: changes stay here and reach its children.

    ``os.environ`` tells its changes to ``os.putenv``, which would change the process; so the function is replaced,
    and whatever starts children without an environment of their own gives them this one.
    """

    __slots__ = ("_start", "_variables")

    def __init__(self, children: Children) -> None:
        self._variables: dict[bytes, bytes] = dict(os.environb)
        self._start = children

    def install(self) -> None:
        """Make it this interpreter's."""
        replaced: dict[str, Callable[..., Any]] = {
            "putenv": self.putenv,
            "unsetenv": self.unsetenv,
            "reload_environ": self.reload_environ,
            "system": self.system,
            "execv": self.execv,
            "posix_spawn": self._with_ours(self._start.posix_spawn),
            "posix_spawnp": self._with_ours(self._start.posix_spawnp),
        }
        for name, function in replaced.items():
            replace(os, name, function)
        _replace_fork_exec(self.fork_exec)

    def putenv(self, name: str | bytes, value: str | bytes, /) -> None:
        """``os.putenv``: for this interpreter and its children."""
        key, text = os.fsencode(name), os.fsencode(value)
        if not key or b"=" in key:
            raise ValueError("illegal environment variable name")
        if b"\0" in key or b"\0" in text:
            raise ValueError("embedded null byte")
        self._variables[key] = text

    def unsetenv(self, name: str | bytes, /) -> None:
        """``os.unsetenv``: for this interpreter and its children."""
        self._variables.pop(os.fsencode(name), None)

    def reload_environ(self) -> None:
        """``os.reload_environ``: take over what putenv and unsetenv did."""
        shown: dict[bytes, bytes] = vars(os.environ)["_data"]
        shown.clear()
        shown.update(self._variables)

    def fork_exec(self, *arguments: Any) -> int:
        """What ``subprocess`` and ``multiprocessing`` start children with; the sixth argument is the environment."""
        if arguments[5] is None:
            lines = [name + b"=" + value for name, value in self._variables.items()]
            arguments = (*arguments[:5], lines, *arguments[6:])
        return self._start.fork_exec(*arguments)

    def _with_ours(self, spawn: Callable[..., int]) -> Callable[..., int]:
        """``os.posix_spawn``, where the environment None means that of the process (since 3.13)."""

        def spawn_with_ours(path: Any, arguments: Any, environment: Any = None, /, **options: Any) -> int:
            return spawn(path, arguments, self._variables if environment is None else environment, **options)

        return spawn_with_ours

    def system(self, command: str | bytes) -> int:
        """``os.system``. :returns: the wait status."""
        sys.audit("os.system", command)
        return self._start.shell(command, self._variables)

    def execv(self, path: Any, arguments: Any, /) -> NoReturn:
        """``os.execv``."""
        os.execve(path, arguments, self._variables)  # noqa: S606 - the application asks for it


def replace(module: ModuleType, name: str, function: Callable[..., Any]) -> None:
    """Replace a function of a module, where this Python has it."""
    if hasattr(module, name):
        setattr(module, name, function)
