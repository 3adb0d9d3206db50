"""Connections whose TLS is spoken here, and whose requests are served elsewhere.

What encrypts a connection can't leave its interpreter. So where a request on it belongs to another interpreter, or to
another worker, that one gets the end of a socket pair in the place of the client's socket, and a thread here carries
what is said between the two. For who has that end it is a connection as any other: it may go on from there. It is
never taken back: the connection's further requests go the same way.
"""

from __future__ import annotations

import _socket
import select
import threading
import time
from collections.abc import Callable

from mpserver.serving.states import LAST_WAIT
from mpserver.system.loop import READ, WRITE, Loop
from mpserver.system.thread_loop import SharedLoop
from mpserver.tls.channel import Channel
from mpserver.typing import Protocol

#: Nobody is there any more (a socket says so whatever is waited for).
GONE = select.EPOLLHUP | select.EPOLLERR
#: How much is read from the server's side at a time.
PIECE = 1 << 16
#: How long a client may still read once the server's side has closed, in seconds; and be silent.
LINGER, SILENCE = 30.0, 2.0


#: How often an interpreter that ends looks whether relays are left, in seconds.
TICK = 0.05


class Ending(Protocol):
    """An interpreter that ends."""

    loop: Loop

    def end_if_empty(self) -> None:
        """End, where nothing is left."""


class Relays:
    """The relays of an interpreter, and the thread that they run in, which is started for the first one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._loop: SharedLoop | None = None
        self._gate = threading.Lock()
        self.relays: set[Relay] = set()
        #: How many there are, also of those that are about to begin.
        self.count = 0
        self._awaiting: Awaiting | None = None

    def prepare(self) -> None:
        """Start the thread, if that was not done yet; for any thread.

        :raises OSError: there is no room for its descriptors.
        :raises RuntimeError: there is none for a thread.
        """
        with self._gate:
            if self._thread is not None:
                return
            loop = SharedLoop()
            thread = threading.Thread(target=self._run, args=(loop,), name=f"relays of {self._name}")
            try:
                thread.start()
            except RuntimeError:
                loop.close()
                raise
            self._loop, self._thread = loop, thread

    def begin(self, channel: Channel, ours: _socket.socket, asked: bool) -> None:
        """Carry between a client and a socket, after `prepare`; for any thread.

        :param asked: whether the client waits for an answer.
        """
        with self._gate:
            self.count += 1
        self.loop.call(Relay(self, channel, ours, asked).start)

    def _run(self, loop: SharedLoop) -> None:
        loop.belong()
        loop.run()
        for relay in list(self.relays):
            relay.close()
        loop.close()

    @property
    def loop(self) -> SharedLoop:
        """The thread's loop."""
        assert self._loop is not None
        return self._loop

    def ended(self, relay: Relay) -> None:
        """A relay is over."""
        self.relays.discard(relay)
        with self._gate:
            self.count -= 1

    def hurry(self) -> None:
        """The interpreter ends: relays end that wait for their clients."""
        if self._thread is not None:
            self.loop.call(self._hurry)

    def _hurry(self) -> None:
        for relay in self.relays:
            relay.hurry()

    def await_end(self, owner: Ending) -> None:
        """The owner ends once there are none any more; called in its thread."""
        if self._awaiting is None:
            self._awaiting = Awaiting(self, owner)

    def stop(self) -> None:
        """End the thread, and what is left."""
        if self._thread is not None:
            self.loop.call(self.loop.stop)
            self._thread.join()


class Awaiting:
    """Looks whether there are relays still, for an interpreter that has nothing else to do."""

    def __init__(self, relays: Relays, owner: Ending) -> None:
        self._relays, self._owner = relays, owner
        self.deadline = time.monotonic() + TICK
        owner.loop.watch(self)

    def expire(self, now: float) -> None:
        """Look again."""
        self.deadline = now + TICK
        if not self._relays.count:
            self._owner.loop.unwatch(self)
            self._owner.end_if_empty()


class Relay:
    """One client's connection, and the end of the pair that stands for it elsewhere."""

    __slots__ = (
        "_asked", "_channel", "_half", "_hurried", "_inner", "_inner_events", "_lingering", "_outer_events", "_relays",
        "_to_client", "_to_server", "_until", "deadline",
    )  # fmt: skip

    def __init__(self, relays: Relays, channel: Channel, inner: _socket.socket, asked: bool) -> None:
        self._relays, self._channel, self._inner = relays, channel, inner
        inner.setblocking(False)
        self._to_server = self._to_client = b""
        self._inner_events = self._outer_events = READ
        #: Whether the client spoke last.
        self._asked = asked
        self._hurried = self._lingering = False
        #: The client has said all that it will say, and reads on.
        self._half = False
        self._until = 0.0
        self.deadline = float("inf")

    def start(self) -> None:
        """Begin; in the thread of the relays."""
        relays = self._relays
        relays.relays.add(self)
        loop = relays.loop
        loop.add(self._channel.fileno(), self._outside)
        loop.add(self._inner.fileno(), self._inside)
        loop.watch(self)
        self._guarded(self._carry)

    def _outside(self, event: int) -> None:
        if self._half and event & GONE:
            self.close()
            return
        self._guarded(self._linger if self._lingering else self._carry)

    def _inside(self, event: int) -> None:
        self._guarded(self._carry)

    def _guarded(self, function: Callable[[], None]) -> None:
        try:
            function()
        except OSError:
            self.close()

    def _carry(self) -> None:
        """Carry what there is, in both directions. :raises OSError: one side is gone."""
        if self._inwards():
            self._half = True
            self._inner.shutdown(_socket.SHUT_WR)  # (it may wait for an answer: then it gets that)
        if self._outwards():
            self._finish()
            return
        self._wait()

    def _inwards(self) -> bool:
        """What the client says. :returns: whether it has just closed its direction."""
        while not self._half:
            while self._to_server:
                try:
                    self._to_server = self._to_server[self._inner.send(self._to_server) :]
                except BlockingIOError:
                    return False
            try:
                data = self._channel.recv(PIECE)
            except BlockingIOError:
                return False
            if not data:
                return True
            self._to_server, self._asked = data, True
        return False

    def _outwards(self) -> bool:
        """What the server's side says. :returns: whether it has closed, and all of it is sent."""
        while True:
            while self._to_client:
                try:
                    self._to_client = self._to_client[self._channel.send(self._to_client) :]
                except BlockingIOError:
                    return False
            try:
                data = self._inner.recv(PIECE)
            except BlockingIOError:
                return False
            if not data:
                return True
            self._to_client, self._asked = data, False

    def _wait(self) -> None:
        """Wait for what there is to wait for."""
        loop = self._relays.loop
        outer = (0 if self._to_server or self._half else READ) | (WRITE if self._to_client else 0)
        inner = (0 if self._to_client else READ) | (WRITE if self._to_server else 0)
        if outer != self._outer_events:
            self._outer_events = outer
            loop.change(self._channel.fileno(), outer)
        if inner != self._inner_events:
            self._inner_events = inner
            loop.change(self._inner.fileno(), inner)
        if self._hurried:
            self.deadline = time.monotonic() + LAST_WAIT
            loop.hasten(self.deadline)

    def hurry(self) -> None:
        """End soon, unless a request is under way."""
        self._hurried = True
        self.deadline = min(self.deadline, time.monotonic() + LAST_WAIT)
        self._relays.loop.hasten(self.deadline)

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self._asked and not self._lingering:
            self.deadline = now + LAST_WAIT
        else:
            self.close()

    def _finish(self) -> None:
        """The server's side has closed: the client gets time to read the answer (RFC 9112 9.6)."""
        loop = self._relays.loop
        loop.remove(self._inner.fileno())
        self._inner.close()
        self._lingering = True
        self._channel.shutdown(_socket.SHUT_WR)
        now = time.monotonic()
        self._until, self.deadline = now + LINGER, now + SILENCE
        loop.change(self._channel.fileno(), READ)
        loop.hasten(self.deadline)
        self._linger()

    def _linger(self) -> None:
        try:
            data = self._channel.recv(PIECE)
        except BlockingIOError:
            return
        if not data:
            self.close()
        else:
            self.deadline = min(time.monotonic() + SILENCE, self._until)

    def close(self) -> None:
        """End it."""
        loop = self._relays.loop
        loop.unwatch(self)
        if self._channel.fileno() < 0:
            return
        loop.remove(self._channel.fileno())
        self._channel.close()
        if self._inner.fileno() >= 0:
            loop.remove(self._inner.fileno())
            self._inner.close()
        self._relays.ended(self)
