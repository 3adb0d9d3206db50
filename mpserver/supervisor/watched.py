"""The sockets that the master waits for."""

from __future__ import annotations

import selectors
from collections.abc import Callable

from mpserver.typing import Protocol


class HasFileno(Protocol):
    """A socket, or what has a descriptor as one has."""

    def fileno(self) -> int:
        """Its descriptor."""


class Watched:
    """Calls back when sockets are ready."""

    __slots__ = ("_selector",)

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, source: HasFileno, callback: Callable[[], None], writing: bool = False) -> None:
        """Call back when a socket can be read (``writing``: or written); one that is known changes its interest."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        known = source in self._selector.get_map()
        (self._selector.modify if known else self._selector.register)(source, events, callback)

    def remove(self, source: HasFileno) -> None:
        """Call back no more; before it is closed."""
        self._selector.unregister(source)

    def wait(self, timeout: float) -> None:
        """Wait until some are ready, or for so many seconds, and call back."""
        for key, _events in self._selector.select(timeout):
            now = self._selector.get_map().get(key.fd)  # (a callback before may have removed or replaced it)
            if now is not None and now.fileobj is key.fileobj:
                now.data()

    def close(self) -> None:
        """Watch nothing any more."""
        self._selector.close()
