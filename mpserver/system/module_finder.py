"""Finds modules in the memory file of `mpserver.system.code_snapshot`: our first code in a subinterpreter.

So this imports nothing that is not in each interpreter from its birth: all else is to come from that file.
"""

from __future__ import annotations

import _collections_abc
import marshal
import posix
import sys
from _frozen_importlib_external import SourceFileLoader, spec_from_file_location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

#: The server's own packages.
OURS = frozenset({"mpserver", "mod_python"})

#: A module's code is in the file: its start and length; and the module's file.
Entry = tuple[int, int, str]

#: The file begins with the count of the buckets of its index, so many bytes; where each bucket begins, and where the
#: last one ends, follow in as many. A bucket is a dict of modules' entries: by ``hash``, which is the same for all
#: interpreters of a process. So nobody keeps an index of modules that it never imports.
WORD = 8


class _Loader(SourceFileLoader):
    """Loads a module of the file; for those who ask for its source it is an ordinary one."""

    def __init__(self, name: str, path: str, fd: int, start: int, length: int) -> None:
        super().__init__(name, path)
        self._where = fd, length, start

    def get_code(self, fullname: str) -> CodeType | None:
        """The code, as it was read once."""
        code: CodeType = marshal.loads(posix.pread(*self._where))  # noqa: S302 - the master's own code, sealed
        return code


class Finder:
    """Finds the modules of a memory file, in a subinterpreter."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buckets = int.from_bytes(posix.pread(fd, WORD, 0), "little")
        self._only: frozenset[str] | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks for."""
        if self._only is not None and name.partition(".")[0] not in self._only:
            return None
        fd = self._fd
        at = posix.pread(fd, 2 * WORD, WORD + hash(name) % self._buckets * WORD)
        begin, end = int.from_bytes(at[:WORD], "little"), int.from_bytes(at[WORD:], "little")
        entry: Entry | None = marshal.loads(posix.pread(fd, end - begin, begin)).get(name)  # noqa: S302 - the master's own code, sealed
        if entry is None:
            return None
        start, length, file = entry
        loader = _Loader(name, file, fd, start, length)
        return spec_from_file_location(name, file, loader=loader)

    def narrow(self) -> None:
        """Find the server's own modules only: an application may have others of the same names."""
        self._only = OURS


def use(fd: int) -> None:
    """Import from the file of the main interpreter from now on; -1: there is none."""
    if sys.version_info >= (3, 14):  # (as `collections` does once it is imported, which need not be for that)
        sys.modules["collections.abc"] = _collections_abc
    if fd >= 0:
        sys.meta_path.insert(0, Finder(fd))


def narrow() -> None:
    """The engine is there."""
    for finder in sys.meta_path:
        if isinstance(finder, Finder):
            finder.narrow()
