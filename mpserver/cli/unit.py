"""``mpserver --print-unit``: a unit for systemd, with the paths of this command and of its configuration.

The machine's unit takes from the service what it does not need, see the template; ``--user`` prints one for a service
manager of a user, whose rights are small enough.
"""

from __future__ import annotations

import os
import sys
from importlib.resources import files

#: Folders that ProtectHome= hides or makes read-only.
HOMES = ("/home/", "/root/", "/run/user/")


def text(configuration: str, user: bool = False) -> str:
    """The unit that serves a configuration, by its path."""
    name = "mpserver-user.service.in" if user else "mpserver.service.in"
    unit = (files("mpserver.cli") / name).read_text("utf-8")
    if configuration.startswith(HOMES):  # its logs and its pid file are there, too
        unit = unit.replace("ProtectHome=read-only", "ProtectHome=false")
    command = " ".join(map(_word, script()))
    values = {"@COMMAND@": command, "@CONF@": _word(f"MPSERVER_CONF={configuration}", is_command=False)}
    for name, value in values.items():
        unit = unit.replace(name, value)
    return unit.rstrip()


def script() -> list[str]:
    """The words of this command."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "mpserver")
    return [beside] if os.access(beside, os.X_OK) else [sys.executable, "-m", "mpserver"]


def _word(word: str, *, is_command: bool = True) -> str:
    """One word as units have it (systemd.syntax(7)): quoted where it has to be, without specifiers and variables."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        word = word.replace("$", "$$")
    return f'"{word}"' if any(sign in word for sign in " \t'\"") else word
