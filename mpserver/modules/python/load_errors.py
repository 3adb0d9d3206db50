"""Why a module could not be loaded, in one line: the exception with its file and line, or where one was looked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from mpserver.system import own_imports
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

#: In a folder with more names none is looked for: that would take too long for each request.
MOST = 1000
#: Where Python's own modules are: nobody means these folders by what could not be found.
_LIBRARY = os.path.dirname(os.__file__)


def summary(text: str, error: BaseException, path: Iterable[str]) -> str:
    """What is told of an error that came while a module was loaded.

    :param text: the exception as Python shows it, such as ``ValueError: no``.
    :param path: the entries of ``sys.path`` at that time.
    """
    place = place_of(error)
    where = f" ({place})" if place else ""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return f"{text}{where}"
    folders = _folders(path)
    meant = _meant(error.name.partition(".")[0], folders)
    return f"{text}{where}; looked for in {', '.join(folders) or 'no folder'}{meant}"


def place_of(error: BaseException) -> str:
    """Where in the application's files it is, as ``/srv/app.py line 3``; "" where none of them is to blame.

    A page of PSP is such a file, too, and so is one that it includes.
    """
    if isinstance(error, SyntaxError):
        if not error.filename or not error.lineno:
            return ""
        shown = f": {error.text.strip()}" if error.text else ""
        return f"{error.filename} line {error.lineno}{shown}"
    found = ""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((_OWN, _BESIDE)) and not own_imports.is_library(file):
            found = f"{file} line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


_OWN = __file__.rpartition(os.sep + "modules" + os.sep)[0] + os.sep
_BESIDE = os.path.join(os.path.dirname(os.path.dirname(_OWN)), "mod_python", "")


def _folders(path: Iterable[str]) -> list[str]:
    """The entries of the path that hold applications and installed packages."""
    library = (_LIBRARY, os.path.join(_LIBRARY, "lib-dynload"))
    archive = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    return [
        entry or "the current folder"
        for entry in dict.fromkeys(map(str, path))
        if entry not in library and os.path.basename(entry) != archive
    ]


def _meant(name: str, folders: Iterable[str]) -> str:
    """The question whether a module of a similar name in one of the folders was meant; "": there is none."""
    from mpserver import alike  # (only where something is wrong)

    known: dict[str, str] = {}
    for folder in folders:
        if "-packages" in folder:
            continue  # (there are too many, and all of them look like something)
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        if len(entries) > MOST:
            continue
        for entry in entries:
            base, _dot, end = entry.partition(".")
            if end == "py" or (not end and os.path.isfile(os.path.join(folder, entry, "__init__.py"))):
                known.setdefault(base, os.path.join(folder, entry))
    return alike.asked(name, known, "; ", shown=known.__getitem__)
