"""Regular expressions that are compiled when they are first used.

To compile one takes as long as a hundred uses, and each interpreter has to for itself: it should not for those that
it may never need.
"""

from __future__ import annotations

import re

from mpserver.typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import AnyStr


class _Pattern:
    """Behaves as a `re.Pattern` does, once it is asked for a member; later asks find that at once."""

    def __init__(self, *pattern: Any) -> None:
        self._pattern = pattern

    def __getattr__(self, name: str) -> Any:
        member = getattr(re.compile(*self._pattern), name)
        setattr(self, name, member)
        return member


def compile(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, whose errors come with the first use."""
    return cast("re.Pattern[AnyStr]", _Pattern(pattern, flags))
