"""Modules of one name that an interpreter would have from different folders, as far as the configuration shows it.

The modules that directives name are loaded by their files, so each request meets the one that is meant. But whatever
else these import is known by its name alone in an interpreter: two applications, each with a ``settings`` or ``models``
beside it, want an interpreter each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from mpserver.cli import python_paths
from mpserver.config.configuration import Configuration
from mpserver.phases.applications import handlers
from mpserver.system.module_finder import OURS


def warnings(configuration: Configuration) -> Iterator[str]:
    """What to tell: a line for each name of an interpreter's that is meant twice."""
    for interpreter, wanted in handlers(configuration).items():
        found: dict[str, dict[str, str]] = {}
        for module, _directory, path, _factory in wanted:
            top = module.partition(".")[0]
            file = None if path is None or top in OURS else _file(top, path)
            if file is not None and path is not None:
                found.setdefault(top, {}).setdefault(file, path)
        for top, files in found.items():
            if len(files) > 1:
                shown = " and ".join(f"{file} (PythonPath {path})" for file, path in files.items())
                yield (
                    f"interpreter '{interpreter}' has several modules '{top}': {shown}. Each section gets its own, but "
                    "modules of one name that these import are shared: give each of the sections a PythonInterpreter"
                )


def _file(name: str, path: str) -> str | None:
    """The file or folder of a module in one of the folders that a PythonPath names; None if none has it."""
    for folder in python_paths.literal(path):
        for file in (os.path.join(folder, name), os.path.join(folder, f"{name}.py")):
            if os.path.exists(file):
                return os.path.realpath(file)
    return None
