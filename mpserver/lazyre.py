"""Regular expressions that are compiled when they are first used, and those that are at once.

To compile one takes as long as a hundred uses, and each interpreter has to for itself: it should not for those that
it may never need. A subinterpreter has them compiled from the worker's main interpreter (`mpserver.ready_regexes`)
and needs no `re` for them.
"""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]

from mpserver.ready_regexes import READY
from mpserver.typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import re
    from typing import AnyStr

#: Flags, as `re` has them.
IGNORECASE, MULTILINE, DOTALL, VERBOSE, ASCII = 2, 8, 16, 64, 256


class Lazy:
    """Behaves as a `re.Pattern` does, once it is asked for a member; later asks find that at once."""

    def __init__(self, *pattern: Any) -> None:
        #: The pattern and the flags.
        self.source = pattern

    def __getattr__(self, name: str) -> Any:
        member = getattr(now(*self.source), name)
        setattr(self, name, member)
        return member


def compile(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, whose errors come with the first use."""
    return cast("re.Pattern[AnyStr]", Lazy(pattern, flags))


def now(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, for what every interpreter needs."""
    ready = READY.get((pattern, flags))
    if ready is None:
        import re  # (the flags and errors are those of re)

        return re.compile(pattern, flags)
    every, code, groups, numbers, names = ready
    made: re.Pattern[AnyStr] = _sre.compile(pattern, every, memoryview(code).cast("I").tolist(), groups, numbers, names)
    return made
