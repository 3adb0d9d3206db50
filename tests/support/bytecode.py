"""Compiled once, for all the Pythons that tests start.

Where Python is told to write no bytecode (PYTHONDONTWRITEBYTECODE, as images for containers often do), each server,
and each subinterpreter in it, compiles all that it imports: two thirds of what its start costs.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from support.processes import PROJECT

#: Folders of a Python, and of what was installed for it, that no server imports.
LEFT_OUT = ("test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "site-packages", "pip", "mypy", "mypyc")


def keep(folder: Path) -> None:
    """Compile what servers import, where that has changed, into a folder that this process and its children look into.

    They write none themselves: what a test changes within a second would be taken for what it was before.
    """
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    _compile(*(str(PROJECT / name) for name in ("mpserver", "mod_python", "tests/support")))
    for name in ("stdlib", "purelib"):
        place = sysconfig.get_path(name)
        _compile("-x", f"^{re.escape(place)}(/.*)?/({'|'.join(LEFT_OUT)})/", place)


@contextlib.contextmanager
def written() -> Iterator[None]:
    """Write what this process imports in the block (if there is a folder for that: not beside the sources)."""
    former, sys.dont_write_bytecode = sys.dont_write_bytecode, sys.pycache_prefix is None
    try:
        yield
    finally:
        sys.dont_write_bytecode = former


def _compile(*arguments: str) -> None:
    command = [sys.executable, "-m", "compileall", "-qq", "--invalidation-mode", "timestamp", *arguments]
    # (what can't be compiled, as templates can't, is compiled by those that import it, if any do)
    subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
