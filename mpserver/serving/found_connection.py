"""The connections of a worker that may hang: their bytes are at the numbers of their descriptors.

See `mpserver.ipc.descriptor_marks`; there are such connections only where WorkerTimeout is set.
"""

from __future__ import annotations

import mmap

from mpserver.http1.head import Head
from mpserver.ipc.connection_states import ASKED, IDLE
from mpserver.ipc.descriptor_marks import BEGUN, NOTHING
from mpserver.ipc.mapping import mapped
from mpserver.serving.connection import Connection
from mpserver.serving.marked_connection import MarkedConnection
from mpserver.typing import Any


class FoundConnection(MarkedConnection):
    """A connection that is found although its worker hangs: what encrypts it, or stands before it, is not needed."""

    __slots__ = ()

    #: The bytes of the worker's descriptors.
    marks: mmap.mmap

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._marks, self._entry = self.marks, self.fd
        if self.fd >= len(self.marks):
            self.untrack()

    def untrack(self) -> None:
        """See `Connection`."""
        if self._marks is self.marks:
            self._marks[self._entry] = NOTHING
        super().untrack()

    def start(self) -> None:
        """As for every connection."""
        if self.origin:  # (its next requests come by another one, or say nothing of a client)
            self.untrack()
        self._marks[self._entry] = ASKED if self.buffer or self.transferred else IDLE
        super().start()

    def take_head(self, head: Head) -> None:
        """As for every connection; its request has begun."""
        self._marks[self._entry] = BEGUN
        super().take_head(head)

    def release(self) -> None:
        """As for every connection; its descriptor may be another one's soon."""
        self.untrack()  # (a request that goes on although it was given up writes to nobody else's)
        super().release()


def found(base: type[Connection], marks: int) -> type[Connection]:
    """The class of an owner's connections, from what they would be without a byte.

    ``marks``: the descriptor of the memory.
    """
    attributes = {"__slots__": (), "marks": mapped(marks)}
    made: type[Connection] = type("FoundConnection", (FoundConnection, base), attributes)
    return made
