"""The modules of an application: which files an interpreter has loaded under its document trees and PythonPath.

Two ask: the status, and with PythonInterpReload the watch that tells when one of the files has changed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

from mpserver.api.faults import mark
from mpserver.api.loader import Loader
from mpserver.phases import facts
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished

#: How often the files are looked at, in seconds.
TICK = 1.0

#: The state of a file as `mpserver.api.loader.mark` gives it; None where it is gone.
Mark = tuple[int, int] | None

_PACKAGE = os.path.dirname(os.path.dirname(__file__))
#: What is no application's, though it is on the path: the standard library, the server, installed packages.
OTHERS = (
    os.path.realpath(os.path.dirname(os.__file__)),
    os.path.realpath(_PACKAGE),
    os.path.realpath(os.path.join(os.path.dirname(_PACKAGE), "mod_python")),
    *(os.path.realpath(entry) for entry in sys.path if entry.endswith("-packages")),
)


class Modules:
    """An interpreter's modules of its applications."""

    def __init__(self, configuration: Finished, loader: Loader) -> None:
        self._loader = loader
        self._configuration = configuration
        self._trees: frozenset[str] | None = None
        self._known: dict[str, bool] = {}

    def names(self) -> list[str]:
        """Their names, in order."""
        found = [name for name, module in list(sys.modules.items()) if self._is_ours(getattr(module, "__file__", None))]
        return sorted(found)

    def files(self) -> set[str]:
        """Their files."""
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        return {file for file in (*files, *self._loader.files()) if file is not None and self._is_ours(file)}

    def _document_trees(self) -> frozenset[str]:
        """Of all servers; worked out when first asked for, since there may be many."""
        if self._trees is None:
            self._trees = frozenset(map(os.path.realpath, facts.documents(self._configuration)))
        return self._trees

    def _is_ours(self, file: object) -> bool:
        if not isinstance(file, str):
            return False
        known = self._known.get(file)
        if known is None:
            path = os.path.realpath(file)
            handlers = (
                os.path.realpath(where) for _, where, _ in self._loader.loaded_modules if isinstance(where, str)
            )
            known = _is_under(path, (*self._document_trees(), *handlers)) or (
                not _is_under(path, OTHERS) and _is_under(path, map(os.path.realpath, sys.path))
            )
            self._known[file] = known
        return known


def _is_under(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(folder + "/") for folder in folders)


class Watch:
    """A thread that tells when files of loaded modules have changed; each change once."""

    def __init__(self, modules: Modules, changed: Callable[[dict[str, Mark]], None], born: float) -> None:
        """No module was loaded before ``born`` (seconds since the epoch)."""
        self._modules, self._changed = modules, changed
        self._bell = threading.Event()
        self._marks: dict[str, Mark] = {}
        self._born = born * 1e9
        self._thread = threading.Thread(target=self._run, name="watch of modules")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._bell.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._bell.wait(TICK):
            changes = {file: found for file, found, old in self._looks() if found != old}
            if changes:
                self._marks.update(changes)
                self._changed(changes)

    def _looks(self) -> Iterator[tuple[str, Mark, Mark]]:
        """Each file, as it is and as it was. One that is younger than its module may be is taken for changed."""
        for file in self._modules.files():
            found = mark(file)
            if file not in self._marks:
                self._marks[file] = found if found is None or found[0] <= self._born else (0, 0)
            yield file, found, self._marks[file]
