"""The kinds of interpreter behind one interface, as a worker's router sees them (start, hand over, drain, stop).

Whatever the kind, an interpreter is the other end of an inbox: it runs `mpserver.interp.run`.

    auto      own on Python 3.14 and later, process before, and for applications that an own one refused
    own       a subinterpreter of the worker with its own GIL
    shared    a subinterpreter of the worker with the GIL of its main one
    process   a process, forked from the zygote of its name
    main      a thread of the worker's main interpreter
"""

from __future__ import annotations

import errno
import marshal
import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from mpserver import descriptors, handoff, subinterpreters
from mpserver.api.loader import Recipe
from mpserver.errors import InterpreterError, is_crowded
from mpserver.interp import Boot, pack, run
from mpserver.ledger import ASKED, FIRST, IDLE, SENT, Ledger, closed
from mpserver.loop import READ, WRITE, Loop
from mpserver.typing import Any, NamedTuple

#: Questions have numbers beyond those of connections.
QUESTIONS = 1 << 62

STARTING, SERVING, ENDING, ENDED = range(4)

#: Why an interpreter did not start.
CROWDED = "the descriptors of this process are used up"


class Events(NamedTuple):
    """What an interpreter tells its router."""

    #: A connection came back: its request belongs elsewhere.
    returned: Callable[[handoff.Message], None]
    #: A request goes on in another interpreter, after its early phases.
    moved: Callable[[handoff.Message], None]
    #: The application can't run in it; a connection may come with the news.
    refused: Callable[[Interp, handoff.Message], None]
    #: It could not start: the connections that waited for it, why, and after how many seconds it may be tried
    #: again (0: at once).
    failed: Callable[[Interp, list[handoff.Message], str, float], None]
    #: It crashed in a request: the connection, with what is known of the request.
    lost: Callable[[Interp, handoff.Message], None]
    #: A request in it does not end; it serves nobody any more.
    stuck: Callable[[Interp], None]
    #: It serves from now on.
    serving: Callable[[Interp], None]
    #: It wants a successor: it has served enough, or its files changed.
    worn: Callable[[Interp, handoff.Message], None]
    #: The listeners that it was lent are back: the last connection's number.
    repaid: Callable[[int], None]
    #: It is gone.
    ended: Callable[[Interp], None]
    #: There was no room for a descriptor on the way to it or from it; the connection is there where it is left.
    crowded: Callable[[Interp, handoff.Message], None]


class Interp:
    """One interpreter of a worker; subclasses start it."""

    #: Whether listeners are lent to it.
    borrows = True
    #: Its inbox, which is not there before it is open.
    inbox: socket.socket
    _is_open = False
    #: How many descriptors it takes in the worker; and whether it may have them of the reserve.
    descriptors = descriptors.INTERPRETER
    urgent = False

    def __init__(
        self, boot: Boot, loop: Loop, events: Events, control: socket.socket, inherited: list[Recipe] | None = None
    ) -> None:
        """``inherited`` is what a predecessor had loaded: it serves only where all of that loads again."""
        self.boot = boot
        self._control = control
        self.name = boot.place.name
        self.state = STARTING
        self._loop = loop
        self._events = events
        self._waiting: deque[handoff.Message] = deque()
        self._blocked = False
        #: What it has loaded for its handlers.
        self.recipes: list[Recipe] = []
        #: What waits for the answers to its questions, by their number.
        self._asked: dict[int, Callable[[Any], None]] = {}
        self._questions = QUESTIONS
        self._begin(inherited)

    def _begin(self, inherited: list[Recipe] | None) -> None:
        """Start it. What fails is told from the loop, as is all that fails later: then those who wait are known."""
        theirs: socket.socket | None = None
        try:
            if not descriptors.has_room(self.descriptors, self.urgent):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            self.inbox, theirs = handoff.pair()
            self._is_open = True
            self.inbox.setblocking(False)
            self._loop.add(self.inbox.fileno(), self._on_inbox)
            if inherited is not None:
                handoff.send(self.inbox, handoff.Message(handoff.PREPARE, state=marshal.dumps(inherited)))
            self._launch(theirs)
        except Exception as error:  # there may be no descriptor left, no thread, no memory, no process to ask
            self._close_inbox()
            if theirs is not None:
                theirs.close()
            self._loop.soon(partial(self._on_message, handoff.failure(error)))

    def _close_inbox(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove(self.inbox.fileno())
            self.inbox.close()

    def _launch(self, theirs: socket.socket) -> None:
        """Start it with its end of the inbox. It may raise whatever the system has for that."""
        raise NotImplementedError

    def hand_over(self, message: handoff.Message) -> None:
        """Give it a connection; takes over the descriptor. It waits here until the interpreter serves."""
        self._post(message)

    def lend(self, listener: socket.socket, number: int, end: int) -> bool:
        """Let it accept connections, see `mpserver.loan`. :returns: whether it was reached"""
        if self.state != SERVING or self._waiting:
            return False
        message = handoff.Message(handoff.LEND, listener.fileno(), served=end - number, number=number)
        try:
            handoff.send(self.inbox, message, wait=False)
        except OSError:
            return False
        return True

    def recall(self) -> None:
        """Have it return the listeners."""
        self._post(handoff.Message(handoff.RECALL))

    def shed(self, count: int) -> None:
        """Have it close up to ``count`` idle connections, the oldest first."""
        self._post(handoff.Message(handoff.SHED, served=count))

    def drain(self, heirs: bool = False) -> None:
        """Let it serve what it has, and end; where there are ``heirs``, it gives those back that wait."""
        self._post(handoff.Message(handoff.DRAIN, number=heirs))

    def retire(self) -> None:
        """Let it give its connections back, and end after the request that it is in."""
        self._post(handoff.Message(handoff.RETIRE))

    def ask(self, answered: Callable[[Any], None]) -> None:
        """Ask for its facts, see `mpserver.interp.Interpreter`; it answers between requests, maybe never."""
        self._questions += 1
        self._asked[self._questions] = answered
        self._post(handoff.Message(handoff.ASK, number=self._questions))

    def kill(self, pid: int) -> None:
        """End it without its doing, where that harms nobody else; ``pid`` is its process."""

    def _post(self, message: handoff.Message) -> None:
        self._waiting.append(message)
        if self.state != STARTING and not self._blocked:
            self._flush()

    def stop(self) -> None:
        """End it after the request that it is in."""
        self.state = ENDING
        if not self._is_open:
            return  # its end is on its way
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
            except OSError as error:
                if is_crowded(error):
                    self._events.crowded(self, self._waiting.popleft())
                    continue
                self._receive()  # it ends: what it gave back before comes first, and its end last
                return
            self._waiting.popleft()
            self._was_sent(message)
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
            if message is None:
                self._over()
                return
            self._on_message(message)

    def _on_message(self, message: handoff.Message) -> None:
        self._handlers[message.kind](self, message)

    def _was_sent(self, message: handoff.Message) -> None:
        """It is on its way."""
        message.close()

    def _left_behind(self) -> list[handoff.Message]:
        """The connections that it had when it ended without a word, and that others can serve."""
        return []

    def _on_ready(self, _message: handoff.Message) -> None:
        if self.state == STARTING:
            self.state = SERVING
            self._events.serving(self)
        self._flush()

    def _on_loaded(self, message: handoff.Message) -> None:
        self.recipes.append(marshal.loads(message.state))

    def _on_told(self, message: handoff.Message) -> None:
        self._asked.pop(message.number)(marshal.loads(message.state))

    def _on_failed(self, message: handoff.Message) -> None:
        self._over(message.state.decode("utf-8", "replace"))

    def _on_crowded(self, message: handoff.Message) -> None:
        if self.state == STARTING:
            self._over(CROWDED, descriptors.AGAIN)
        else:
            self._events.crowded(self, message)

    def _on_backoff(self, message: handoff.Message) -> None:
        self._over("it crashes again and again", float(message.state))

    _handlers: Mapping[int, Callable[[Interp, handoff.Message], None]] = {
        handoff.READY: _on_ready,
        handoff.FAILED: _on_failed,
        handoff.BACKOFF: _on_backoff,
        handoff.CROWDED: _on_crowded,
        handoff.REFUSED: lambda self, message: self._events.refused(self, message),
        handoff.STUCK: lambda self, _message: self._events.stuck(self),
        handoff.MOVED: lambda self, message: self._events.moved(message),
        handoff.CONNECTION: lambda self, message: self._events.returned(message),
        handoff.SPARE: lambda self, message: self._events.returned(message),
        handoff.WORN: lambda self, message: self._events.worn(self, message),
        handoff.CHANGED: lambda self, message: self._events.worn(self, message),
        handoff.REPAID: lambda self, message: self._events.repaid(message.number),
        handoff.LOADED: _on_loaded,
        handoff.TOLD: _on_told,
    }

    def _over(self, why: str = "it ended before it served", again: float = 0.0) -> None:
        """The other end is gone. ``again``: in how many seconds it may be started again."""
        if self.state == ENDED:
            return
        failed = self.state == STARTING
        self.state = ENDED
        self._close_inbox()
        waiting = [*self._left_behind(), *(message for message in self._waiting if message.fd >= 0)]
        self._waiting.clear()
        if failed:
            self._events.failed(self, waiting, why, again)
        self._events.ended(self)
        if not failed:
            for message in waiting:  # it ended while they were on their way: another one serves them
                self._events.returned(message)
        self._loop.soon(self.reap)

    def reap(self) -> None:
        """Release what it leaves behind."""


class Main(Interp):
    """A thread of the worker's main interpreter. It serves static files as well, so it is wanted at any rate."""

    urgent = True

    def _launch(self, theirs: socket.socket) -> None:
        thread = threading.Thread(target=self._run, args=(theirs,), name=self.name, daemon=True)
        thread.start()

    def _run(self, theirs: socket.socket) -> None:
        run(self.boot, theirs.detach())


class Own(Interp):
    """An isolated subinterpreter with its own GIL; its engine runs in a thread started inside it."""

    #: Whether it shares the GIL of the main interpreter.
    shared = False
    #: Of the subinterpreter; -1: there is none.
    _number = -1

    def _launch(self, theirs: socket.socket) -> None:
        # Not in the main thread: signal handlers don't run there while it is inside a subinterpreter.
        threading.Thread(target=self._create, args=(theirs,), name=f"create {self.name}", daemon=True).start()

    def _create(self, theirs: socket.socket) -> None:
        try:
            self._number = subinterpreters.create(self.shared)
            subinterpreters.boot(self._number, pack(self.boot), theirs.fileno(), self.name)
            theirs.detach()  # it is the engine's now
        except BaseException as error:  # nobody would hear it in this thread: whoever waits is told
            with theirs:
                handoff.report(theirs, error)

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
            return  # something of the application's still runs there; it goes with the worker
        subinterpreters.give_memory_back()


class Shared(Own):
    """A subinterpreter with the GIL of the main one, as mod_python's own were; some extensions load only so."""

    shared = True

    def reap(self) -> None:
        """Destroy it; before 3.14, where that may abort the process, it goes with the worker."""
        if sys.version_info >= (3, 14):
            super().reap()


class Process(Interp):
    """A process of its own. The worker asks the keeper of zygotes for it, on its control socket.

    It can end while the worker lives on. So a duplicate of each descriptor that it was sent stays here until it
    tells that it has closed the connection or given it back; and the ledger tells what to do with those that it
    still had when it crashed.
    """

    borrows = False
    descriptors = descriptors.PROCESS
    _ledger: Ledger | None = None

    def __init__(self, *arguments: Any) -> None:
        #: What it was sent, by the connection's number.
        self._sent: dict[int, handoff.Message] = {}
        super().__init__(*arguments)

    def _launch(self, theirs: socket.socket) -> None:
        ledger = self._ledger = Ledger()
        boot = self.boot
        order = marshal.dumps((tuple(boot.place), boot.seat, boot.slot))
        try:
            socket.send_fds(self._control, [order], [theirs.fileno(), ledger.fd])
        finally:
            theirs.close()

    def hand_over(self, message: handoff.Message) -> None:
        """Give it a connection; takes over the descriptor. It waits here until the interpreter serves."""
        super().hand_over(message if self._ledger is None else message._replace(entry=self._ledger.enter()))

    def kill(self, pid: int) -> None:
        """End it without its doing. (As long as its inbox is open, its process is there.)"""
        if self.state != ENDED:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # it went just now, or is another user's: it ends with its inbox

    def _was_sent(self, message: handoff.Message) -> None:
        if message.kind == handoff.CONNECTION:
            self._sent[message.number] = message
        else:
            message.close()

    def _on_message(self, message: handoff.Message) -> None:
        if message.kind == handoff.CLOSED:
            for number in closed(message.state):
                self._forget(number)
            return
        sent = self._sent.get(message.number)
        if sent is not None and message.fd < 0 and message.kind == handoff.CROWDED:
            # it was lost on its way here or there, but we have it as well
            self._take(sent)
            message = message._replace(fd=sent.fd, data=sent.data)
        else:
            self._forget(message.number)
        super()._on_message(message)

    def _forget(self, number: int) -> None:
        """A connection is not the process' any more."""
        sent = self._sent.get(number)
        if sent is not None:
            self._take(sent)
            sent.close()

    def _take(self, sent: handoff.Message) -> None:
        del self._sent[sent.number]
        if self._ledger is not None:
            self._ledger.leave(sent.entry)

    def _left_behind(self) -> list[handoff.Message]:
        """Those that it did not read yet, and those that wait for their next request; the others' requests failed."""
        left, sent = [], [*self._sent.values()]
        self._sent.clear()
        for message in sent:
            state = SENT if self._ledger is None else self._ledger.state(message.entry)
            if state == SENT:
                left.append(message)
            elif state == IDLE:
                left.append(message._replace(data=b"", state=b""))
            elif state in (FIRST, ASKED):
                self._events.lost(self, message if state == FIRST else message._replace(data=b""))
            else:
                message.close()
        return left

    def reap(self) -> None:
        """Forget what it was told."""
        if self._ledger is not None:
            self._ledger.close()


#: What ``auto`` begins with: isolated subinterpreters are ready for use from 3.14 on.
AUTO = "own" if sys.version_info >= (3, 14) else "process"

KINDS: dict[str, type[Interp]] = {"own": Own, "shared": Shared, "process": Process, "main": Main}
