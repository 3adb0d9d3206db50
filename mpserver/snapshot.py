"""The engine's code, read once for all subinterpreters of a worker.

Each subinterpreter imports the engine by itself: some hundred modules, and to find and to read their files takes
several times as long as to execute them. So the main interpreter puts their code into a memory file, once, and
a subinterpreter that begins takes it from there. What it imports later, for its application, comes from
files as ever; but for the server's own modules, which are of one version as long as the worker lives.
"""

from __future__ import annotations

import marshal
import os
import sys
from _thread import allocate_lock
from collections.abc import Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, spec_from_file_location
from types import CodeType, ModuleType

#: The server's own packages.
OURS = frozenset({"mpserver", "mod_python"})

#: What handlers import, and the engine does not.
WANTED = ("mod_python", "mod_python.apache")

#: The standard library.
LIBRARY = os.path.dirname(os.__file__) + os.sep

#: Where a module's code is in the file: its start and length; and the module's file.
Entry = tuple[int, int, str]

_HEAD = 8
_taking = allocate_lock()


def taken() -> int:
    """The descriptor of the memory file, made when first asked for; -1 where that is not possible."""
    with _taking:
        return _take()


@lru_cache(maxsize=1)
def _take() -> int:
    index: dict[str, Entry] = {}
    codes: list[bytes] = []
    at = 0
    for name, loader in _modules():
        try:
            code = marshal.dumps(loader.get_code(name))
        except (ImportError, OSError, SyntaxError, ValueError):
            continue  # whoever needs it will see
        index[name] = (at, len(code), loader.get_filename(name))
        codes.append(code)
        at += len(code)
    head = marshal.dumps(index)
    try:
        fd = os.memfd_create("mpserver-engine", os.MFD_CLOEXEC)
        with open(fd, "wb", closefd=False) as file:
            file.writelines([len(head).to_bytes(_HEAD, "little"), head, *codes])
    except OSError:
        return -1
    return fd


def _modules() -> list[tuple[str, SourceFileLoader]]:
    """Those of the server and of the standard library that are loaded here, with their loaders."""
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    specs += [find_spec(name) for name in WANTED]
    found: dict[str, SourceFileLoader] = {}
    for spec in specs:
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            continue
        ours = spec.name.partition(".")[0] in OURS
        if ours or ((spec.origin or "").startswith(LIBRARY) and "-packages" + os.sep not in (spec.origin or "")):
            found[spec.name] = spec.loader
    return list(found.items())


class _Loader(SourceFileLoader):
    """Loads a module of the file; for those who ask for its source it is an ordinary one."""

    def __init__(self, name: str, path: str, fd: int, start: int, length: int) -> None:
        super().__init__(name, path)
        self._where = fd, length, start

    def get_code(self, fullname: str) -> CodeType | None:
        """The code, as it was read once."""
        code: CodeType = marshal.loads(os.pread(*self._where))
        return code


class Finder:
    """Finds the modules of a memory file, in a subinterpreter."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        length = int.from_bytes(os.pread(fd, _HEAD, 0), "little")
        self._start = _HEAD + length
        self._index: dict[str, Entry] = marshal.loads(os.pread(fd, length, _HEAD))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks for."""
        entry = self._index.get(name)
        if entry is None:
            return None
        start, length, file = entry
        loader = _Loader(name, file, self._fd, self._start + start, length)
        return spec_from_file_location(name, file, loader=loader)

    def narrow(self) -> None:
        """Find the server's own modules only: an application may have others of the same names."""
        self._index = {name: entry for name, entry in self._index.items() if name.partition(".")[0] in OURS}


def use(fd: int) -> None:
    """Import from the file of the main interpreter from now on; -1: there is none."""
    if fd >= 0:
        sys.meta_path.insert(0, Finder(fd))


def narrow() -> None:
    """The engine is there."""
    for finder in sys.meta_path:
        if isinstance(finder, Finder):
            finder.narrow()
