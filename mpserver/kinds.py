"""The kinds of interpreter behind one interface, as a worker's router sees them (start, hand over, drain, stop).

Whatever the kind, an interpreter is the other end of an inbox: it runs `mpserver.interp.run`.

    auto      own on Python 3.14 and later, process before, and for applications that an own one refused
    own       a subinterpreter of the worker with its own GIL
    process   a process, forked from the zygote of its name
    main      a thread of the worker's main interpreter
"""

from __future__ import annotations

import marshal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from mpserver import handoff, subinterpreters
from mpserver.errors import InterpreterError
from mpserver.interp import Boot, pack, run
from mpserver.loop import READ, WRITE, Loop

STARTING, SERVING, ENDING, ENDED = range(4)


class Events(NamedTuple):
    """What an interpreter tells its router."""

    #: A connection came back: its request belongs elsewhere.
    returned: Callable[[handoff.Message], None]
    #: A request goes on in another interpreter, after its early phases.
    moved: Callable[[handoff.Message], None]
    #: The application can't run in it; a connection may come with the news.
    refused: Callable[[Interp, handoff.Message], None]
    #: It could not start: the connections that waited for it, and why.
    failed: Callable[[Interp, list[handoff.Message], str], None]
    #: A request in it does not end; it serves nobody any more.
    stuck: Callable[[Interp], None]
    #: It is gone.
    ended: Callable[[Interp], None]


class Interp:
    """One interpreter of a worker; subclasses start it."""

    #: Whether it can end while the worker lives on, and so must tell when it has taken a connection.
    keeps_sent = False

    def __init__(self, boot: Boot, loop: Loop, events: Events, control: socket.socket) -> None:
        self.boot = boot
        self._control = control
        self.name = boot.place.name
        self.state = STARTING
        self._loop = loop
        self._events = events
        self._waiting: deque[handoff.Message] = deque()
        self.inbox, theirs = handoff.pair()
        self.inbox.setblocking(False)
        self._blocked = False
        #: Connections that were sent, by their number, until the interpreter has them in its hands; for kinds
        #: that can end before they read their inbox.
        self._sent: dict[int, handoff.Message] = {}
        loop.add(self.inbox.fileno(), self._on_inbox)
        self._launch(theirs)

    def _launch(self, theirs: socket.socket) -> None:
        """Start it with its end of the inbox."""
        raise NotImplementedError

    def hand_over(self, message: handoff.Message) -> None:
        """Give it a connection; takes over the descriptor. It waits here until the interpreter serves."""
        self._waiting.append(message)
        if self.state != STARTING and not self._blocked:
            self._flush()

    def drain(self) -> None:
        """Let it serve what it has, and end."""
        self._waiting.append(handoff.Message(handoff.DRAIN))
        if self.state != STARTING and not self._blocked:
            self._flush()

    def stop(self) -> None:
        """End it after the request that it is in."""
        self.state = ENDING
        try:
            handoff.send(self.inbox, handoff.Message(handoff.STOP))
        except OSError:
            self._over()

    def _flush(self) -> None:
        while self._waiting:
            message = self._waiting[0]
            try:
                handoff.send(self.inbox, message, wait=False)
            except BlockingIOError:
                if not self._blocked:
                    self._blocked = True
                    self._loop.change(self.inbox.fileno(), READ | WRITE)
                return
            except OSError:
                self._over()
                return
            self._waiting.popleft()
            if self.keeps_sent and message.kind == handoff.CONNECTION:
                self._sent[message.number] = message
            else:
                message.close()
        if self._blocked:
            self._blocked = False
            self._loop.change(self.inbox.fileno(), READ)

    def _on_inbox(self, event: int) -> None:
        if event & WRITE:
            self._flush()
        if event & ~WRITE:
            self._receive()

    def _receive(self) -> None:
        while self.state != ENDED:
            try:
                message = handoff.receive(self.inbox)
            except BlockingIOError:
                return
            if message is not None and message.number in self._sent:
                self._sent.pop(message.number).close()
            if message is None:
                self._over()
            elif message.kind == handoff.READY:
                if self.state == STARTING:
                    self.state = SERVING
                self._flush()
            elif message.kind == handoff.FAILED:
                self._over(message.state.decode("utf-8", "replace"))
            elif message.kind == handoff.REFUSED:
                self._events.refused(self, message)
            elif message.kind == handoff.STUCK:
                self._events.stuck(self)
            elif message.kind == handoff.MOVED:
                self._events.moved(message)
            elif message.kind in (handoff.CONNECTION, handoff.SPARE):
                self._events.returned(message)

    def _over(self, why: str = "it ended before it served") -> None:
        """The other end is gone."""
        if self.state == ENDED:
            return
        failed = self.state == STARTING
        self.state = ENDED
        self._loop.remove(self.inbox.fileno())
        self.inbox.close()
        waiting = [*self._sent.values(), *(message for message in self._waiting if message.fd >= 0)]
        self._waiting.clear()
        self._sent.clear()
        if failed:
            self._events.failed(self, waiting, why)
        self._events.ended(self)
        if not failed:
            for message in waiting:  # it ended while they were on their way: another one serves them
                self._events.returned(message)
        self._loop.soon(self.reap)

    def reap(self) -> None:
        """Release what it leaves behind."""


class Main(Interp):
    """A thread of the worker's main interpreter."""

    def _launch(self, theirs: socket.socket) -> None:
        thread = threading.Thread(target=run, args=(self.boot, theirs.detach()), name=self.name, daemon=True)
        thread.start()


class Own(Interp):
    """An isolated subinterpreter with its own GIL; its engine runs in a thread started inside it."""

    def _launch(self, theirs: socket.socket) -> None:
        self._number = -1
        fd = theirs.detach()
        # Not in the main thread: signal handlers don't run there while it is inside a subinterpreter.
        threading.Thread(target=self._create, args=(fd,), name=f"create {self.name}", daemon=True).start()

    def _create(self, fd: int) -> None:
        try:
            self._number = subinterpreters.create()
            subinterpreters.boot(self._number, pack(self.boot), fd, self.name)
        except InterpreterError as error:
            with socket.socket(fileno=fd) as inbox:
                handoff.send(inbox, handoff.Message(handoff.FAILED, state=str(error).encode("utf-8", "replace")))

    def reap(self) -> None:
        """Destroy it, once its thread has ended."""
        if self._number >= 0:
            number, self._number = self._number, -1
            threading.Thread(target=self._destroy, args=(number,), name=f"destroy {self.name}", daemon=True).start()

    @staticmethod
    def _destroy(number: int) -> None:
        try:
            subinterpreters.destroy(number)
        except InterpreterError:
            pass  # something of the application's still runs there; it goes with the worker


class Process(Interp):
    """A process of its own. The worker asks the keeper of zygotes for it, on its control socket."""

    keeps_sent = True

    def _launch(self, theirs: socket.socket) -> None:
        order = marshal.dumps((tuple(self.boot.place), self.boot.seat, self.boot.slot))
        try:
            socket.send_fds(self._control, [order], [theirs.fileno()])
        finally:
            theirs.close()


#: What ``auto`` begins with: isolated subinterpreters are ready for use from 3.14 on.
AUTO = "own" if sys.version_info >= (3, 14) else "process"

KINDS: dict[str, type[Interp]] = {"own": Own, "process": Process, "main": Main}
