"""An interpreter that wants a successor after so many requests (PythonInterpMaxRequests).

A class of its own, so that requests of all others are not counted.
"""

from __future__ import annotations

from mpserver.interp import Interpreter
from mpserver.ipc import messages
from mpserver.serving.request_limit import RequestLimit
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from mpserver.api.request import Request
    from mpserver.application.preloaded import Preloaded
    from mpserver.serving.boot import Boot


class LimitedInterpreter(Interpreter):
    """The engine of one interpreter whose requests are counted."""

    def __init__(self, boot: Boot, inbox: socket.socket, preloaded: Preloaded | None = None) -> None:
        super().__init__(boot, inbox, preloaded)
        self._limit = RequestLimit(boot.lifetime.requests, self._reached)

    def ended(self, req: Request | None = None) -> None:
        """The request is over: count it."""
        super().ended(req)
        self._limit.count()

    def _reached(self, requests: int) -> None:
        self.tell(messages.Kind.WORN, f"has served {requests} requests (PythonInterpMaxRequests)")
