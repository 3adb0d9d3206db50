"""What a zygote loads before it forks: the modules of its application, so that interpreters share them.

Which they are shows in the configuration: those of PythonInterpPreload, those of PythonImport for the
interpreter's name, and the handlers of every section whose requests run under that name. A module that fails
to load here is left to the interpreters, which report it with the request that wants it.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Collection

from mpserver.api.loader import Loader
from mpserver.phases.facts import Wanted
from mpserver.system import own_imports
from mpserver.typing import NamedTuple


class Load:
    """Loads modules one by one, each as if it were the first, and sees whether they go together."""

    def __init__(self) -> None:
        self.loader = Loader()
        self._scopes: list[Scope] = []

    def load(self, wanted: list[Wanted], asked: Collection[str]) -> None:
        """Load them. What those of PythonInterpPreload (``asked``) put on ``sys.path`` is there from the start."""
        now = time.time()
        base = own_imports.base_path()
        for module, directory, path in wanted:
            present = set(sys.modules)
            try:
                loaded, left = self.loader.load_ahead(module, directory, path, now)
            except BaseException:  # an application's module may raise anything
                left = base
            else:
                if module in asked and loaded.additions is not None:
                    base = loaded.additions.added_to(base)
                    loaded.additions = None
            files = {
                name: file
                for name, of in list(sys.modules.items())
                if name not in present and "." not in name and (file := getattr(of, "__file__", None)) is not None
            }
            self._scopes.append(Scope(module.partition(".")[0], directory, path, left, files))
        self.loader.forget_faults()
        sys.path[:] = base

    def collide(self) -> bool:
        """Whether some scope would have another module of a name that was loaded for another scope.

        An interpreter that loads only what is asked for would have its own: so nothing may be loaded before.
        """
        scopes = {(scope.directory, scope.path) for scope in self._scopes}
        return len(scopes) > 1 and any(scope.differs_from(other) for scope in self._scopes for other in self._scopes)


class Scope(NamedTuple):
    """A handler's module, the ``sys.path`` that it has left, and the files of the modules that came with it."""

    top: str
    directory: str | None
    path: str | None
    left: list[str]
    files: dict[str, str]

    def differs_from(self, other: Scope) -> bool:
        """Whether a module that came with another scope is another one here."""
        if (self.directory, self.path) == (other.directory, other.path):
            return False
        return any(name != self.top and self._has_another(name, file) for name, file in other.files.items())

    def _has_another(self, name: str, file: str) -> bool:
        search = self.left if self.directory is None else [self.directory, *self.left]
        found = own_imports.on(search, name)
        return found is not None and os.path.realpath(found.origin or "") != os.path.realpath(file)


def _has_threads() -> bool:
    """Whether any thread beside this one runs: debuggers and libraries in C don't tell `threading` of theirs."""
    try:
        return len(os.listdir("/proc/self/task")) > 1
    except OSError:  # not Linux
        return threading.active_count() > 1


def preload(wanted: list[Wanted], asked: Collection[str] = ()) -> tuple[Loader | None, int]:
    """Load modules in this process, or stay as it is where they can't be loaded before a fork.

    A module that starts threads spoils a process for forking, and one may end the process. So a child tries, and
    goes on as the zygote; this process waits for it, and takes its place only if that did not come about. So it does
    where modules of one name are meant that are not the same.

    :param asked: the names of those that PythonInterpPreload asks for.
    :returns: the loader for the interpreters (None: nothing is loaded here), and the wait status of the child
        that was the zygote in our place, -1 where we are it.
    """
    if not wanted:
        return None, -1
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(writer)
        loaded = os.read(reader, 1)
        os.close(reader)
        status = os.waitpid(pid, 0)[1]
        return None, status if loaded else -1
    os.close(reader)
    load = Load()
    load.load(wanted, asked)
    loader = load.loader
    if _has_threads() or load.collide():
        os._exit(1)
    gc.collect()
    gc.freeze()  # pages of the zygote stay shared: no collection touches them
    os.write(writer, b"\0")
    os.close(writer)
    return loader, -1
