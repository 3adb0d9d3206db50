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
import pkgutil
import sys
from _thread import allocate_lock
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from itertools import accumulate
from types import CodeType

from mpserver.ipc.sealing import seal
from mpserver.system import module_finder, regexes
from mpserver.system.module_finder import OURS, WORD, Entry
from mpserver.system.slim_code import slim

#: What handlers import, and the engine does not.
WANTED = ("mod_python", "mod_python._public", "mod_python.apache", "mod_python.util", "mpserver.api.sent_text")
#: All below these may be asked for by what a configuration says or a handler does, some of it late: of that the version
#: has to be the engine's as well.
WHOLE = ("mpserver.modules", "mod_python._forms")

#: The module of compiled regular expressions: in the snapshot it has some.
READY = "mpserver.ready_regexes"

#: Whose functions keep no annotations, which nobody asks for here.
ENGINE = "mpserver"
#: Of it: what applications may look into, and what tells them of it.
SEEN = f"{ENGINE}.api"

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
    return marshal.dumps(_code(spec.name, module_finder.__file__, spec.loader))


@lru_cache(maxsize=1)
def _take() -> int:
    codes: list[bytes] = []
    found: list[tuple[str, str]] = []
    for name, loader in _modules():
        file = loader.get_filename(name)
        try:
            codes.append(marshal.dumps(_code(name, file, loader)))
        except (ImportError, OSError, SyntaxError, ValueError):
            continue  # whoever needs it will see
        found.append((name, file))
    at = (2 + len(codes)) * WORD
    index: list[dict[str, Entry]] = [{} for _ in codes]
    for (name, file), code in zip(found, codes, strict=True):
        index[hash(name) % len(codes)][name] = (at, len(code), file)
        at += len(code)
    buckets = [marshal.dumps(bucket) for bucket in index]
    words = [len(codes), *accumulate(map(len, buckets), initial=at)]
    try:
        fd = os.memfd_create("mpserver-engine", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open(fd, "wb", closefd=False) as whole:
            whole.writelines([*(word.to_bytes(WORD, "little") for word in words), *codes, *buckets])
        seal(fd)
    except OSError:
        return -1
    return fd


def _code(name: str, file: str, loader: SourceFileLoader) -> CodeType | None:
    if name == READY:
        return regexes.code(file)
    code = loader.get_code(name)
    if code is None or name.partition(".")[0] != ENGINE:
        return code
    return slim(code, docs=name.startswith(SEEN))


def _modules() -> list[tuple[str, SourceFileLoader]]:
    """Those of the server and of the standard library that are loaded here, with their loaders."""
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    specs += [find_spec(name) for name in (*WANTED, *_whole())]
    found: dict[str, SourceFileLoader] = {}
    for spec in specs:
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            continue
        ours = spec.name.partition(".")[0] in OURS
        if ours or ((spec.origin or "").startswith(LIBRARY) and "-packages" + os.sep not in (spec.origin or "")):
            found[spec.name] = spec.loader
    return list(found.items())


def _whole() -> Iterator[str]:
    for name in WHOLE:
        package = find_spec(name)
        paths = package.submodule_search_locations if package is not None else None
        yield name
        yield from (found.name for found in pkgutil.walk_packages(paths, name + "."))
