"""``mpserver --print-unit``: a unit for systemd, with the paths of this command and of its configuration."""

from __future__ import annotations

import os
import sys
from importlib.resources import files


def text(configuration: str) -> str:
    """The unit that serves a configuration, by its path."""
    unit = (files("mpserver.cli") / "mpserver.service.in").read_text("utf-8")
    script = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "mpserver")
    command = _word(script) if os.access(script, os.X_OK) else f"{_word(sys.executable)} -m mpserver"
    values = {"@COMMAND@": command, "@CONF@": _word(f"MPSERVER_CONF={configuration}", is_command=False)}
    for name, value in values.items():
        unit = unit.replace(name, value)
    return unit.rstrip()


def _word(word: str, *, is_command: bool = True) -> str:
    """One word as units have it (systemd.syntax(7)): quoted where it has to be, without specifiers and variables."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        word = word.replace("$", "$$")
    return f'"{word}"' if any(sign in word for sign in " \t'\"") else word
