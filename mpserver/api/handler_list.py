"""The list of handlers of a phase: ``req.hlist`` (api 3.5 1.3)."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.api.members import named
from mpserver.typing import NamedTuple, Protocol


class HandlerEntry(NamedTuple):
    """One handler: ``module::object``, the directory it belongs to, and how it is run.

    ``silent``: from PythonHandlerModule, so a missing function is no error.
    """

    handler: str
    directory: str | None
    is_location: bool
    silent: bool


class HasEntry(Protocol):
    """A handler of a plan."""

    @property
    def entry(self) -> HandlerEntry:
        """What it was configured as."""


#: A phase that runs: its handlers, and which of them it is at.
RunningHandlers = tuple[Sequence[HasEntry], int]


@named("mp_hlist")
class HandlerList:
    """The running phase's handlers, with the current one's members; after the last all are None."""

    __slots__ = ("_entries", "_index")

    def __init__(self, handlers: Sequence[HasEntry], index: int = 0) -> None:
        self._entries = [handler.entry for handler in handlers]
        self._index = index

    def _current(self) -> HandlerEntry | None:
        return self._entries[self._index] if self._index < len(self._entries) else None

    @property
    def handler(self) -> str | None:
        """``module::object`` as configured."""
        entry = self._current()
        return entry.handler if entry else None

    @property
    def directory(self) -> str | None:
        """The directory (or Location) of its directive."""
        entry = self._current()
        return entry.directory if entry else None

    @property
    def is_location(self) -> int | None:
        """1 for a handler of a Location."""
        entry = self._current()
        return int(entry.is_location) if entry else None

    @property
    def silent(self) -> int | None:
        """1 for a handler of PythonHandlerModule."""
        entry = self._current()
        return int(entry.silent) if entry else None

    def next(self) -> None:
        """Go to the next handler."""
        self._index += 1
