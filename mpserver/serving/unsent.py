"""What an interpreter could not tell its router for want of descriptors: it is sent as soon as there are some again."""

from __future__ import annotations

import threading
import time
from collections import deque

from mpserver.api.error_log import ERROR
from mpserver.errors import is_crowded
from mpserver.ipc import messages
from mpserver.serving.refusals import SHED_WHERE_FULL
from mpserver.system.descriptors import Seldom
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.interpreter_owner import InterpreterOwner

#: How often it is tried again, in seconds.
AGAIN = 0.25


class Unsent:
    """The messages that wait, in their order."""

    def __init__(self, interpreter: InterpreterOwner, thread: int) -> None:
        """``thread``: that of the interpreter's loop; others wait until their message is sent."""
        self._interpreter, self._thread = interpreter, thread
        self._waiting: deque[messages.Message] = deque()
        self._seldom = Seldom()
        self.deadline = float("inf")

    def add(self, message: messages.Message) -> None:
        """Send a message later, and make room: the connections that were idle longest are closed."""
        interpreter = self._interpreter
        if self._seldom(""):
            interpreter.log.log(
                ERROR,
                f"interpreter '{interpreter.interpreter_id.name}' can't tell its worker something for want of "
                "descriptors: it is tried again. Raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit)",
                module="python",
            )
        if threading.get_ident() != self._thread:
            while not self._sent(message):
                time.sleep(AGAIN)
            return
        self._waiting.append(message)
        interpreter.shed(SHED_WHERE_FULL)
        self.deadline = interpreter.loop.now + AGAIN
        interpreter.loop.watch(self)
        interpreter.loop.hasten(self.deadline)

    def _sent(self, message: messages.Message) -> bool:
        """Whether a message need not be sent any more."""
        try:
            messages.send(self._interpreter.inbox, message)
        except OSError as error:
            if is_crowded(error):
                return False
            self._interpreter.loop.stop()  # the worker is gone
        return True

    def expire(self, now: float) -> None:
        """Try again."""
        interpreter, waiting = self._interpreter, self._waiting
        while waiting:
            if not self._sent(waiting[0]):
                interpreter.shed(SHED_WHERE_FULL)
                self.deadline = now + AGAIN
                interpreter.loop.hasten(self.deadline)
                return
            waiting.popleft()
        self.deadline = float("inf")
        interpreter.loop.unwatch(self)
