"""Compiled once, for all the Pythons that tests start.

Where Python is told to write no bytecode (PYTHONDONTWRITEBYTECODE, as images for containers often do), each server,
and each subinterpreter in it, compiles all that it imports: two thirds of what its start costs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from support.processes import PROJECT

#: Folders of a Python, and of what was installed for it, that no server imports.
LEFT_OUT = ("test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "site-packages", "pip", "mypy", "mypyc")


def keep(folder: Path) -> None:
    """Compile what servers import, where that has changed, into a folder that this process's children look into.

    They write none themselves: what a test changes within a second would be taken for what it was before.
    """
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    _compile(*(str(PROJECT / name) for name in ("mpserver", "mod_python", "tests/support")))
    for name in ("stdlib", "purelib"):
        place = sysconfig.get_path(name)
        _compile("-x", f"^{re.escape(place)}(/.*)?/({'|'.join(LEFT_OUT)})/", place)


def _compile(*arguments: str) -> None:
    command = [sys.executable, "-m", "compileall", "-qq", "--invalidation-mode", "timestamp", *arguments]
    # (what can't be compiled, as templates can't, is compiled by those that import it, if any do)
    subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
