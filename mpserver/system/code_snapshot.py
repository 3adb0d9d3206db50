"""The engine's code, read once for all subinterpreters of a worker.

Each subinterpreter imports the engine by itself: some hundred modules, and to find and to read their files takes
several times as long as to execute them. So the main interpreter puts their code into a memory file, once, and
a subinterpreter that begins takes it from there (`mpserver.system.module_finder`). What it imports later, for its
application, comes from files as ever; but for the server's own modules, which are of one version as long as the
worker lives.
"""

from __future__ import annotations

import marshal
import os
import sys
from _thread import allocate_lock
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec

from mpserver.system import module_finder
from mpserver.system.module_finder import HEAD, OURS, Entry

#: What handlers import, and the engine does not.
WANTED = ("mod_python", "mod_python.apache")

#: The standard library.
LIBRARY = os.path.dirname(os.__file__) + os.sep

_taking = allocate_lock()


def taken() -> int:
    """The descriptor of the memory file, made when first asked for; -1 where that is not possible."""
    with _taking:
        return _take()


@lru_cache(maxsize=1)
def finder_code() -> bytes:
    """The code of `mpserver.system.module_finder`, which finds all others."""
    spec = module_finder.__spec__
    assert spec is not None
    assert isinstance(spec.loader, SourceFileLoader)
    return marshal.dumps(spec.loader.get_code(spec.name))


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
            file.writelines([len(head).to_bytes(HEAD, "little"), head, *codes])
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
