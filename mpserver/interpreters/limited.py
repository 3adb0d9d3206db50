"""An interpreter that wants a successor after so many requests, or with so much memory.

(PythonInterpMaxRequests, PythonInterpSoftMemory.) A class of its own, so that requests of all others are not counted.
"""

from __future__ import annotations

from mpserver.interp import Interpreter
from mpserver.ipc import messages
from mpserver.modules.python.environment import SOFT_MEMORY
from mpserver.serving.memory_limit import MemoryLimit
from mpserver.serving.request_limit import RequestLimit
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from mpserver.api.request import Request
    from mpserver.application.preloaded import Preloaded
    from mpserver.serving.boot import Boot


def soft_memory(boot: Boot) -> int:
    """PythonInterpSoftMemory, in bytes; 0: there is none."""
    return next((size for key, size in boot.interpreter_id.environment if key == SOFT_MEMORY), 0)


class LimitedInterpreter(Interpreter):
    """The engine of one interpreter whose requests are counted."""

    def __init__(self, boot: Boot, inbox: socket.socket, preloaded: Preloaded | None = None) -> None:
        super().__init__(boot, inbox, preloaded)
        self._limits: list[RequestLimit | MemoryLimit] = []
        if boot.lifetime.requests:
            self._limits.append(RequestLimit(boot.lifetime.requests, self._reached))
        if size := soft_memory(boot):
            self._limits.append(MemoryLimit(size, self._outgrown))

    def ended(self, req: Request | None = None) -> None:
        """The request is over: count it."""
        super().ended(req)
        for limit in self._limits:
            limit.count()

    def _reached(self, requests: int) -> None:
        self.tell(messages.Kind.WORN, f"has served {requests} requests (PythonInterpMaxRequests)")

    def _outgrown(self, size: int) -> None:
        self.tell(messages.Kind.WORN, f"has {size >> 20}M of memory, more than PythonInterpSoftMemory")
