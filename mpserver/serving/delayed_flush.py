"""The delayed flush of an interpreter: the flushed beginning of a response waits a moment for the end.

Most handlers flush once and return: the manual's ``req.write(text)`` flushes. Two segments for such a
response would wake the client twice. So the first flush of a response is held back, for the end mostly follows
within microseconds. Where it does not, the thread beside the interpreter (`mpserver.serving.offloader`) sends what is
held, within two ticks (`TICK`). What a request flushes that has run for longer than that is not held: its end need not
be near.
"""

from __future__ import annotations

import threading
import time

from mpserver.builtin import deque
from mpserver.http1.response import chunked_beginning
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.parts import Begun

#: How long a flushed beginning may wait for its end, in seconds; at most twice this.
TICK = 0.004


class Held(Protocol):
    """A connection whose response may be held."""

    def send_held(self, data: bytes) -> int:
        """Send what was held, in another thread; as ``socket.send``."""

    def release_held(self) -> None:
        """Send the beginning of a response whose end will not come."""


class Watcher(Protocol):
    """The thread that looks after what is held."""

    #: It sleeps until something comes.
    asleep: bool

    def wake(self) -> None:
        """Let it look after what is held, although nothing new has come."""


class DelayedFlush:
    """What a handler has flushed, held until more follows; the thread beside it sends it if nothing does.

    The interpreter's thread puts it into the box and takes it out; the other one only takes. Who pops it, sends it.
    """

    __slots__ = ("_box", "_gate", "_seen", "_uses", "_watcher", "held", "long")

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        #: The connection whose response is held, if any; only the interpreter's thread sets it.
        self.held: Held | None = None
        #: With its connection: who takes it sends it there, whatever is held by then.
        self._box: deque[tuple[Held, Begun]] = deque()
        #: Held while the other thread sends.
        self._gate = threading.Lock()
        #: When the request began that was found to run for long (seconds since the epoch).
        self.long = 0.0
        #: How often something was held, and how often at the last look.
        self._uses = self._seen = 0

    @property
    def waits(self) -> bool:
        """Whether something is held that was not sent."""
        return bool(self._box)

    def hold(self, connection: Held, begun: Begun) -> None:
        """Keep the beginning of a response for its end."""
        self.held = connection  # (first: what is in the box without it would stay there)
        self._box.append((connection, begun))
        self._uses += 1
        if self._watcher.asleep:
            self._watcher.wake()

    def take(self) -> Begun | None:
        """What is held, to be sent before what follows; None where the other thread has sent it."""
        self.held = None
        try:
            return self._box.pop()[1]
        except IndexError:
            with self._gate:  # it may be sending right now
                # what the client did not take at once is here again
                return self._box.pop()[1] if self._box else None

    def look(self, began: float) -> None:
        """Send what is held since the last look, or by a request that has run for a tick; in the other thread.

        :param began: when the running request began (seconds since the epoch), 0: there is none.
        """
        held, uses = self.held, self._uses
        if time.time() - began > TICK:
            self.long = began
        is_old = uses == self._seen or self.long == began
        self._seen = uses
        if held is not None and is_old and self._box and self.held is held and uses == self._uses:
            self._send()

    def _send(self) -> None:
        with self._gate:
            try:
                connection, begun = self._box.pop()
            except IndexError:
                return
            data = chunked_beginning(*begun)
            try:
                sent = connection.send_held(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # the connection is gone, and with it who waited
            if sent < len(data):
                self._box.append((connection, (data[sent:], None)))
