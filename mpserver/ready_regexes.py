"""Regular expressions that are compiled already: none, but for those that a worker gives to its subinterpreters.

They get another text of this module, from `mpserver.system.code_snapshot`: to compile the engine's expressions, and
to import `re` for that, would take an eighth of the time in which one begins.
"""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: By pattern and flags: all flags, the compiled code, the number of groups, the groups' numbers by name, their names.
READY: Mapping[tuple[str | bytes, int], tuple[int, bytes, int, dict[str, int], tuple[Any, ...]]] = {}
