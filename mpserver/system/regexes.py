"""The engine's regular expressions, compiled once for the subinterpreters of a worker (`mpserver.ready_regexes`)."""

from __future__ import annotations

import importlib
import re
import sys
from array import array
from collections.abc import Iterator
from types import CodeType

from mpserver.lazyre import Lazy
from mpserver.typing import Any

#: Where those are that requests need; the others are compiled where they are used.
PACKAGES = ("mpserver.http1", "mpserver.api", "mpserver.phases", "mpserver.serving")

Key = tuple[Any, int]


def code(file: str) -> CodeType:
    """The code of that module with those of all loaded modules; ``file``: its source."""
    ready = {key: found for key in dict.fromkeys(_patterns()) if (found := _compiled(*key)) is not None}
    return compile(f"READY = {ready!r}", file, "exec", dont_inherit=True)


def _patterns() -> Iterator[Key]:
    """The patterns of the engine's modules, with their flags."""
    for name, module in list(sys.modules.items()):
        if name.startswith(PACKAGES):
            for value in vars(module).values():
                # (a bound method is what most keep of a pattern)
                pattern = getattr(value, "__self__", value)
                if isinstance(value, Lazy):
                    yield value.source[0], int(value.source[1])
                elif isinstance(pattern, re.Pattern):
                    unsaid = int(re.UNICODE) if isinstance(pattern.pattern, str) else 0
                    yield pattern.pattern, int(pattern.flags) & ~unsaid


def _compiled(pattern: Any, flags: int) -> tuple[int, bytes, int, dict[str, int], tuple[Any, ...]] | None:
    """What `re` makes of a pattern, as ``re._compiler.compile`` hands it to C; None where this Python has no such."""
    try:
        parser, compiler = importlib.import_module("re._parser"), importlib.import_module("re._compiler")
        parsed = parser.parse(pattern, flags)
        made = array("I", compiler._code(parsed, flags))  # noqa: SLF001  # re has no public name for it
        state = parsed.state
    except (ImportError, AttributeError, OverflowError):
        return None
    names: list[Any] = [None] * state.groups
    for group, number in state.groupdict.items():
        names[number] = group
    return int(flags | state.flags), made.tobytes(), state.groups - 1, dict(state.groupdict), tuple(names)
