"""Where a module that is being loaded finds its neighbours first, and what is on ``sys.path`` meanwhile.

While a handler's module is executed, its own directory comes before whatever other handlers have put on ``sys.path``.
That is a matter of the thread that loads it: others, which serve requests meanwhile, import as ever.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from itertools import takewhile
from threading import local
from types import ModuleType

from mpserver.system import own_imports


class Neighbours:
    """Finds modules on a path that only the loading thread has (a finder of ``sys.meta_path``)."""

    __slots__ = ("_own", "_used")

    def __init__(self) -> None:
        self._own = local()
        self._used = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What the import system asks for."""
        looking: tuple[Sequence[str], list[str]] | None = getattr(self._own, "looking", None)
        if looking is None or path is not None:
            return None
        first, before = looking
        # (what the module itself puts in front is meant to come first)
        added = takewhile(lambda entry: entry not in before, sys.path)
        return own_imports.on([*added, *first], name)

    def first(self, path: Sequence[str]) -> Looking:
        """Let this thread look on a path first, in a with statement."""
        if not self._used:
            self._used = True
            own_imports.before_path(self)
        return Looking(self._own, path)


class Looking:
    """A thread looks on a path first."""

    __slots__ = ("_outer", "_own", "_path")

    def __init__(self, own: local, path: Sequence[str]) -> None:
        self._own, self._path = own, path

    def __enter__(self) -> None:
        self._outer = getattr(self._own, "looking", None)
        self._own.looking = self._path, list(sys.path)

    def __exit__(self, *_error: object) -> None:
        self._own.looking = self._outer


class Additions:
    """What a module has put on ``sys.path`` when it was executed, for an interpreter that got it ready made."""

    __slots__ = ("_back", "_front")

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        last = max((at for at, entry in enumerate(after) if entry in before), default=-1)
        self._front = [entry for entry in after[: last + 1] if entry not in before]
        self._back = [entry for entry in after[last + 1 :] if entry not in before]

    def __bool__(self) -> bool:
        return bool(self._front or self._back)

    def put(self) -> None:
        """Put it there again, as far as it is not there."""
        sys.path[:] = self.added_to(sys.path)

    def added_to(self, path: Sequence[str]) -> list[str]:
        """A path with them, as far as they are not on it."""
        present = list(path)
        return [
            *(entry for entry in self._front if entry not in present),
            *present,
            *(entry for entry in self._back if entry not in present),
        ]
