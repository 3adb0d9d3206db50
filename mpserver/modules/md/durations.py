"""Times as mod_md writes them: ``21d``, ``30s``, ``12h``, ``5mi``, ``500ms``, and shares of a time: ``33%``."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.config.registry import Call
from mpserver.errors import ConfigError
from mpserver.modules.md import Window

_TIME = lazyre.compile(r"([0-9]{1,9})(ms|s|mi|min|h|d|%)?\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "mi": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def window(call: Call, word: str) -> Window:
    """A time before a certificate's end; without a unit it counts days."""
    found = _TIME.match(word.lower())
    if found is None:
        raise ConfigError(f"{call.name} has unrecognized format: write a time as 21d or 12h, or a share as 33%")
    number, unit = int(found[1]), found[2] or "d"
    if unit == "%":
        if number >= 100:
            raise ConfigError(f"{call.name} a length of 100% or more is not allowed.")
        return Window(number, True)
    return Window(number * _UNITS[unit], False)


def seconds(call: Call, word: str) -> float:
    """A time; without a unit it counts seconds."""
    found = _TIME.match(word.lower())
    if found is None or found[2] == "%":
        raise ConfigError(f"{call.name} has unrecognized format: write a time as 30s, 5mi, 12h or 1d")
    return int(found[1]) * _UNITS[found[2] or "s"]
