"""What the engine imports late is found wherever it is, whatever an application makes of ``sys.path``.

PythonPath may replace the path (its first example in the manual does, 5.4.9), and the folders of handlers come first on
it: so an application may take the standard library away, or have modules of its names. Two finders of ``sys.meta_path``
see to it that the engine never notices:

    EngineFinder    before the path: the server's packages; and for the engine, with what it uses of the standard
                    library, the library's modules and its own libraries
    LibraryFinder   behind the path: for the standard library and for installed packages, what they miss on it

Who imports shows on the stack. Applications find what they find on their own path, no more and no less.
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import PathFinder, spec_from_file_location

from mpserver.system.module_finder import OURS
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType

#: The folder of the server's packages, and what their files begin with.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OWN_FILES = tuple(os.path.join(ROOT, name) + os.sep for name in sorted(OURS))
#: What imports on behalf of applications, and what it stands for.
FOR_APPLICATIONS = frozenset({os.path.join(ROOT, "mpserver", "api", "loader.py")})

#: The standard library's folder; and the libraries that the engine stands on.
LIBRARY = os.path.dirname(os.__file__) + os.sep
NEEDED = frozenset({"multipart", "psutil", "setproctitle"})

#: The end of folders of installed packages, and the beginning of the names of code that has no file.
PACKAGES, FROZEN = "-packages", "<frozen "

#: A module that exists inside a server only: applications see by it whether they run there.
SERVER_ONLY = {"_apache": os.path.join(ROOT, "mod_python", "_served.py")}


def is_library(filename: str) -> bool:
    """Whether code is of the standard library."""
    return filename.startswith(FROZEN) or (filename.startswith(LIBRARY) and PACKAGES + os.sep not in filename)


def _is_needed(filename: str) -> bool:
    """Whether code is of a library that the engine stands on."""
    inside = filename.rpartition(PACKAGES + os.sep)[2]
    return inside.partition(os.sep)[0].removesuffix(".py") in NEEDED


def _importer(frame: FrameType | None) -> str:
    """The file of the code whose import statement is being executed; "" if there is none."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(FROZEN) and os.sep + "importlib" + os.sep not in filename:
            return filename
        frame = frame.f_back
    return ""


def is_engine(frame: FrameType | None) -> bool:
    """Whether the engine imports, itself or by what it uses of the standard library and of others."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if not is_library(filename) and not _is_needed(filename):
            return filename.startswith(OWN_FILES) and filename not in FOR_APPLICATIONS
        frame = frame.f_back
    return False


def on(path: Sequence[str], name: str) -> ModuleSpec | None:
    """A module on a path. A folder without code of its own (a namespace) is none."""
    found = PathFinder.find_spec(name, path)
    return None if found is None or found.origin is None else found


class EngineFinder:
    """Finds the server's packages for everybody, and for the engine what it needs besides."""

    def __init__(self, base: Sequence[str]) -> None:
        """``base``: what ``sys.path`` is before any application changes it."""
        self.base = tuple(base)
        #: The folders of the standard library, and those of installed packages.
        self.library = tuple(entry for entry in base if is_library(os.path.join(entry, "")))
        self.packages = tuple(entry for entry in base if entry.endswith(PACKAGES))
        self._needed = NEEDED | sys.stdlib_module_names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks for."""
        if path is not None:
            return None
        if name in OURS:
            return on((ROOT,), name)
        if name in SERVER_ONLY:
            return spec_from_file_location(name, SERVER_ONLY[name])
        if name in self._needed and is_engine(sys._getframe(1)):  # noqa: SLF001  (there is no other way to the stack)
            return on((*self.library, *self.packages), name)
        return None


class LibraryFinder:
    """Finds what the standard library, installed packages and the engine miss on an application's path."""

    def __init__(self, engine: EngineFinder) -> None:
        self._path = (*engine.library, *engine.packages)
        self._files = (*OWN_FILES, *(os.path.join(entry, "") for entry in self._path))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks for, where nobody else has it."""
        if path is not None:
            return None
        if name.startswith("_") and name in sys.stdlib_module_names:
            return on(self._path, name)  # (functions of C import such: no statement of an application's does)
        importer = _importer(sys._getframe(1))  # noqa: SLF001  (there is no other way to the stack)
        if importer.startswith(self._files) and importer not in FOR_APPLICATIONS:
            return on(self._path, name)
        return None


def _engine_finder() -> EngineFinder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, EngineFinder)), None)


def from_library(name: str) -> ModuleSpec | None:
    """A module of the standard library or an installed package of the server's, whatever ``sys.path`` is."""
    finder = _engine_finder()
    return None if finder is None else on((*finder.library, *finder.packages), name)


def install() -> None:
    """Have this interpreter import so, before an application changes its path. A second time does nothing."""
    if _engine_finder() is None:
        finder = EngineFinder(sys.path)
        before_path(finder)
        sys.meta_path.append(LibraryFinder(finder))


def before_path(finder: object) -> None:
    """Put a finder into ``sys.meta_path``, before the one that looks at ``sys.path``."""
    place = next((at for at, known in enumerate(sys.meta_path) if known is PathFinder), len(sys.meta_path))
    sys.meta_path.insert(place, finder)  # type: ignore[arg-type]


def base_path() -> list[str]:
    """What an interpreter's ``sys.path`` is before any application changes it."""
    finder = _engine_finder()
    return list(sys.path if finder is None else finder.base)
