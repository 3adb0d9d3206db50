"""The delayed flush of an interpreter: the flushed beginning of a response waits a moment for the end.

Most handlers flush once and return: the manual's ``req.write(text)`` flushes. Two segments for such a
response would wake the client twice. So the first flush of a response is held back, for the end mostly follows
within microseconds. Where it does not, a thread sends what is held within two ticks (`TICK`). The thread begins
with the first flush, for many applications have none, and sleeps while nothing is flushed.
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
#: After so many ticks without a flush the thread goes to sleep. (A few: an interpreter that is seldom asked would pay
#: for all of them with each request.)
QUIET = 2


class Held(Protocol):
    """A connection whose response may be held."""

    def send_held(self, data: bytes) -> int:
        """Send what was held, in the thread here; as ``socket.send``."""

    def release_held(self) -> None:
        """Send the beginning of a response whose end will not come."""


class DelayedFlush:
    """What a handler has flushed, held until more follows; and the thread that sends it if nothing does.

    The interpreter's thread puts it into the box and takes it out; the thread here only takes. Who pops it, sends it.
    """

    __slots__ = ("_awake", "_bell", "_box", "_gate", "_name", "_running", "_thread", "_uses", "held")

    def __init__(self, name: str) -> None:
        #: The connection whose response is held, if any; only the interpreter's thread sets it.
        self.held: Held | None = None
        self._box: deque[Begun] = deque()
        #: Held while this thread sends.
        self._gate = threading.Lock()
        self._uses = 0
        self._awake = False
        self._running = True
        self._bell = threading.Event()
        self._name = name
        self._thread: threading.Thread | None = None

    def stop(self) -> None:
        """End the thread."""
        self._running = False
        if self._thread is not None:
            self._bell.set()
            self._thread.join()

    def hold(self, connection: Held, begun: Begun) -> bool:
        """Keep the beginning of a response for its end. :returns: False where the system has no room for a thread."""
        if self._thread is None and not self._begin():
            return False
        self.held = connection  # (first: what is in the box without it would stay there)
        self._box.append(begun)
        self._uses += 1
        if not self._awake:
            self._awake = True
            self._bell.set()
        return True

    def _begin(self) -> bool:
        thread = threading.Thread(target=self._run, name=f"delayed flush of {self._name}")
        try:
            thread.start()
        except RuntimeError:  # what is flushed is sent at once, then
            return False
        self._thread = thread
        return True

    def take(self) -> Begun | None:
        """What is held, to be sent before what follows; None where this thread has sent it."""
        self.held = None
        try:
            return self._box.pop()
        except IndexError:
            with self._gate:  # it may be sending right now
                # what the client did not take at once is here again
                return self._box.pop() if self._box else None

    def _run(self) -> None:
        while True:
            self._bell.wait()
            self._bell.clear()
            self._tick()
            if not self._running:
                return

    def _tick(self) -> None:
        quiet, uses = 0, -1
        while self._running:
            quiet = quiet + 1 if uses == self._uses else 0
            held, uses = self.held, self._uses
            if held is None and quiet >= QUIET:
                self._awake = False
                if uses == self._uses:
                    return
                self._awake = True  # one came just now
            time.sleep(TICK)
            if held is not None and self.held is held and uses == self._uses:
                self._send(held)

    def _send(self, connection: Held) -> None:
        with self._gate:
            try:
                begun = self._box.pop()
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
                self._box.append((data[sent:], None))
