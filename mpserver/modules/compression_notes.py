"""The names of notes that tell how a response was compressed (DeflateFilterNote and its kin)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpserver.config.registry import Call

#: For the bytes that came in, for those that went out, and for the ratio; "" for none.
Names = tuple[str, str, str]
NONE: Names = ("", "", "")

_PLACES = {"input": 0, "output": 1, "ratio": 2}


def merge(outer: Names, inner: Names) -> Names:
    """An inner scope's names come before an outer one's, each for itself."""
    return inner[0] or outer[0], inner[1] or outer[1], inner[2] or outer[2]


def directive(setting: Setting[Names]) -> Callable[[Call], None]:
    """The code of a directive that names them: ``[Input|Output|Ratio] name``."""

    def apply(call: Call) -> None:
        kind, name = call.args if len(call.args) == 2 else ("ratio", call.args[0])
        place = _PLACES.get(kind.lower())
        if place is None:
            raise ConfigError(f"{call.name}: Unknown note type {kind}: it is Input, Output or Ratio")
        found = list(call.server.values.get(setting, NONE))
        found[place] = name
        call.server[setting] = (found[0], found[1], found[2])

    return apply
