"""Small static files, kept ready to be sent as long as their stat stays the same; of longer ones their 304."""

from __future__ import annotations

from _thread import allocate_lock

from mpserver.http1.response import field_lines
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

#: The longest file that is kept, in bytes.
LONGEST = 32768
#: What the files of one server may take in one interpreter, in bytes; past it all are read anew.
ROOM = 2 << 20
#: What is kept beside the bytes of a file, about: a client can ask for an empty file by any number of paths.
OVERHEAD = 1024
#: A file changed within so many seconds may change again with the same time stamp.
SETTLED = 1.0


class Page(NamedTuple):
    """A file's answers, as far as they are the same each time.

    ``rest`` is what follows the type in a response: the file's own headers, its length, the empty line and the body;
    None where that is too long to be kept. ``unmodified`` is what follows the date in a 304. ``size`` in bytes,
    ``modified`` in seconds since the epoch.
    """

    rest: bytes | None
    unmodified: bytes
    size: int
    etag: str
    modified: float
    #: The file's own headers, for the access log.
    fields: tuple[tuple[str, str], ...]
    #: The type and the handler that the request had.
    type: str | None
    handler: str | None
    #: Answers a request for the file that has not been through its steps, if it is a usual one; says whether it was.
    send: Callable[[Any, Page], bool]


class Pages:
    """The pages of one server; they hang on what was located, and go with that.

    What rules have changed is located for each request, but its resource and plan are the same: by them it is found.
    """

    __slots__ = ("_changed", "_gate", "_kept", "_room")

    def __init__(self) -> None:
        self._kept: list[Any] = []
        #: The pages of requests that rules have changed, by resource and plan.
        self._changed: dict[tuple[Any, Any], Page] = {}
        self._room = ROOM
        #: Threads that keep pages at the same time must not lose count of the room.
        self._gate = allocate_lock()

    def of(self, located: Any) -> Page | None:
        """The page of what was located for a request, if one is kept."""
        if located.effects is None:
            page: Page | None = located.page
            return page
        return self._changed.get((located.resource, located.plan))

    def keep(
        self, req: Any, fields: Iterable[tuple[str, str]], body: bytes | None, size: int, etag: str, modified: float,
        send: Callable[[Any, Page], bool],
    ) -> None:  # fmt: skip
        """Keep the responses of a request's file for the next ones; without its ``body`` only those that have none."""
        located = req.mp_located
        if not located.is_kept:
            return
        changes = req.mp_before_head  # (those of a usual request are fixed)
        fields = tuple(changes.changed(fields) if changes else fields)
        lines = field_lines(fields)
        rest = None if body is None else b"%bContent-Length: %d\r\n\r\n%b" % (lines, size, body)
        page = Page(rest, lines + b"\r\n", size, etag, modified, fields, req.mp_content_type, req.mp_handler, send)
        cost = OVERHEAD + (0 if body is None else size)
        with self._gate:
            if cost > self._room:
                for other in self._kept:
                    other.page = None
                self._kept.clear()
                self._changed.clear()
                self._room = ROOM
            self._room -= cost
            if located.effects is not None:
                self._changed[located.resource, located.plan] = page
                return
            located.page = page
            self._kept.append(located)


def settled(found: os.stat_result, now: float) -> bool:
    """Whether a change from now on shows in the file's time stamps."""
    return now - max(found.st_mtime, found.st_ctime) >= SETTLED
