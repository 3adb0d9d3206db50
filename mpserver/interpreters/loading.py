"""Loading modules before there is an interpreter: one by one, each as if it were the first."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection

from mpserver.api.loader import Loader
from mpserver.phases.facts import Wanted
from mpserver.system import own_imports
from mpserver.typing import NamedTuple


class Load:
    """Loads modules, and sees whether they go together."""

    def __init__(self, asked: Collection[str]) -> None:
        """``asked``: those of PythonInterpPreload. What they put on ``sys.path`` is there from the start."""
        self.loader = Loader()
        self._asked = asked
        self._base = own_imports.base_path()
        self._scopes: list[Scope] = []

    def load(self, wanted: Wanted) -> bool:
        """Load one. :returns: whether that went well."""
        module, directory, path, _factory = wanted  # (it is called in each interpreter)
        present = set(sys.modules)
        left = self._base
        try:
            loaded, left = self.loader.load_ahead(module, directory, path, time.time())
        except BaseException:  # an application's module may raise anything
            well = False
        else:
            well = True
            if module in self._asked and loaded.additions is not None:
                self._base = loaded.additions.added_to(self._base)
                loaded.additions = None
        files = {
            name: file
            for name, of in list(sys.modules.items())
            if name not in present and "." not in name and (file := getattr(of, "__file__", None)) is not None
        }
        self._scopes.append(Scope(module.partition(".")[0], directory, path, left, files))
        return well

    def end(self) -> None:
        """Leave all as interpreters begin with it."""
        self.loader.begin_anew()
        self.loader.forget_faults()
        sys.path[:] = self._base

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
