"""An interpreter of whatever kind, as its worker's router sees it: to be started, handed to, drained, stopped.

The router has one end of an inbox; at the other `mpserver.interpreters.run.run` is the interpreter. The kinds::

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
import socket
from collections import deque
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from functools import partial

from mpserver.api.loader import LoadedModule
from mpserver.errors import is_crowded
from mpserver.ipc import descriptor_marks, log_lines, messages, plain_data
from mpserver.ipc.descriptor_marks import ASKED, NOTHING, OUTBOX
from mpserver.ipc.worker_messages import LOADED
from mpserver.serving.boot import Boot
from mpserver.system import descriptors
from mpserver.system.loop import READ, WRITE, Loop
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.ipc.queues import Taken

#: The answer to a question: threads by the kernel's numbers, and modules.
FACTS = plain_data.row(plain_data.each(list, plain_data.of(int)), plain_data.each(list, plain_data.of(str)))
#: The same for what is more than facts.
LINES = plain_data.each(list, plain_data.of(str))
#: The most that an application is not started for, in seconds.
LONGEST_BACKOFF = 3600.0
#: Questions have numbers beyond those of connections.
QUESTIONS = 1 << 62


class InterpreterState(Enum):
    """How far an interpreter has come, as its worker sees it, and what ends each state.

    ========  ==========================  =================================================================
    STARTING  what it gets, waits for it  READY -> SERVING;  `stop` -> ENDING;  FAILED, BACKOFF, CROWDED or
                                          the end of its inbox -> ENDED, and it has failed
    SERVING   it gets connections         `stop` -> ENDING;  the end of its inbox -> ENDED
    ENDING    it was told to stop         the end of its inbox -> ENDED
    ENDED     it is gone
    ========  ==========================  =================================================================
    """

    STARTING = 1
    SERVING = 2
    ENDING = 3
    ENDED = 4


#: Why an interpreter did not start.
CROWDED = "the descriptors of this process are used up"


class Events(NamedTuple):
    """What an interpreter tells its router."""

    #: A connection came back: its request belongs elsewhere.
    returned: Callable[[messages.Message], None]
    #: A request goes on in another interpreter, after its early phases.
    moved: Callable[[messages.Message], None]
    #: The application can't run in it; a connection may come with the news.
    refused: Callable[[InterpreterHandle, messages.Message], None]
    #: It could not start: the connections that waited for it, why, and after how many seconds it may be tried
    #: again (0: at once).
    failed: Callable[[InterpreterHandle, list[messages.Message], str, float], None]
    #: It crashed in a request: the connection, with what is known of the request.
    lost: Callable[[InterpreterHandle, messages.Message], None]
    #: A request in it does not end; it serves nobody any more.
    stuck: Callable[[InterpreterHandle, int], None]
    #: It serves from now on.
    serving: Callable[[InterpreterHandle], None]
    #: It wants a successor: it has served enough, or its files changed.
    worn: Callable[[InterpreterHandle, messages.Message], None]
    #: Its lease of the listeners is over: the last connection's number.
    lease_over: Callable[[int], None]
    #: It is gone.
    ended: Callable[[InterpreterHandle], None]
    #: There was no room for a descriptor on the way to it or from it; the message has the connection's descriptor if
    #: that is still here.
    crowded: Callable[[InterpreterHandle, messages.Message], None]
    #: A connection was closed here, for a process that crashed in its answer.
    forgotten: Callable[[messages.Message], None]
    #: Something about it is worth a line in the log.
    noticed: Callable[[InterpreterHandle, str], None]
    #: What became of a request of ``mpserver --trace``: its number, and what is told.
    told: Callable[[int, bytes], None]


class InterpreterHandle:
    """One interpreter of a worker; subclasses start it."""

    #: Whether it may have a lease of the listeners.
    takes_leases = True
    #: Its inbox, which is not there before it is open.
    inbox: socket.socket
    _is_open = False
    #: How many connections it was given; and how many of them it has taken, None: that is not counted.
    handed = 0
    taken: Taken | None = None
    #: How many descriptors it takes in the worker; and whether they may come from the reserve.
    descriptors = descriptors.INTERPRETER
    urgent = False

    def __init__(
        self,
        boot: Boot,
        loop: Loop,
        events: Events,
        control: socket.socket,
        inherited: list[LoadedModule] | None = None,
    ) -> None:
        """``inherited`` is what a predecessor had loaded: it serves only where all of that loads again."""
        self.boot = boot
        self.interpreter_id = boot.interpreter_id
        self.name = boot.interpreter_id.name
        self._control = control
        self.state = InterpreterState.STARTING
        #: Whether it has ended, or will, because it was told so; and whether it ended without that.
        self._told_to_end = self.crashed = self._is_last = False
        self._loop = loop
        self._events = events
        self._waiting: deque[messages.Message] = deque()
        self._blocked = False
        #: What it has loaded for its handlers.
        self.loaded_modules: list[LoadedModule] = []
        #: What waits for the answers to its questions, and the form that these have to have, by their number.
        self._asked: dict[int, tuple[Callable[[Any], None], plain_data.Shape]] = {}
        self._questions = QUESTIONS
        self._begin(inherited)

    def _begin(self, inherited: list[LoadedModule] | None) -> None:
        """Start it. If that fails, the loop reports it later, as any other failure: by then it is known who waits."""
        theirs: socket.socket | None = None
        try:
            if not descriptors.has_room(self.descriptors, self.urgent):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            self.inbox, theirs = messages.pair()
            self._is_open = True
            self.inbox.setblocking(False)
            descriptor_marks.write(self.boot.marks, self.inbox.fileno(), OUTBOX)
            self._loop.add(self.inbox.fileno(), self._on_inbox)
            if inherited is not None:
                messages.send(self.inbox, messages.Message(messages.Kind.PREPARE, state=marshal.dumps(inherited)))
            self._launch(theirs)
        except Exception as error:  # there may be no descriptor left, no thread, no memory, no process to ask
            self._close_inbox()
            if theirs is not None:
                theirs.close()
            self._loop.soon(partial(self._on_message, messages.failure(error)))

    def _close_inbox(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove(self.inbox.fileno())
            descriptor_marks.write(self.boot.marks, self.inbox.fileno(), NOTHING)
            self.inbox.close()

    def _launch(self, theirs: socket.socket) -> None:
        """Start it with its end of the inbox; any error of the system may be raised."""
        raise NotImplementedError

    def hand_over(self, message: messages.Message) -> None:
        """Give it a connection; takes over the descriptor. It waits here until the interpreter serves."""
        self.handed += 1
        self._post(message)
        if self._waiting and self._waiting[-1] is message:
            descriptor_marks.write(self.boot.marks, message.fd, ASKED)

    @property
    def waiting(self) -> int:
        """How many connections it has not taken, as far as that is known."""
        return len(self._waiting) if self.taken is None else self.handed - self.taken.count

    def lease(self, listener: socket.socket, number: int, end: int) -> bool:
        """Give it a lease of a listener, to accept connections from (`mpserver.serving.leased_listeners`).

        ``number``, ``end``: those of the last connection accepted, and of the last that it may accept.

        :returns: whether it was reached.
        """
        if self.state is not InterpreterState.SERVING or self._waiting:
            return False
        message = messages.Message(messages.Kind.LEASE, listener.fileno(), served=end - number, number=number)
        try:
            messages.send(self.inbox, message, wait=False)
        except OSError:
            return False
        return True

    def recall(self) -> None:
        """Have it end its lease of the listeners."""
        self._post(messages.Message(messages.Kind.RECALL))

    def shed(self, count: int) -> None:
        """Have it close up to ``count`` idle connections, the oldest first."""
        self._post(messages.Message(messages.Kind.SHED, served=count))

    def drain(self, heirs: bool = False) -> None:
        """Let it serve what it has, and end; where there are ``heirs``, it gives back the connections that wait."""
        self._told_to_end = True
        self._post(messages.Message(messages.Kind.DRAIN, number=heirs))

    def retire(self) -> None:
        """Let it give its connections back, and end after the request that it is in."""
        self._told_to_end = True
        self._post(messages.Message(messages.Kind.RETIRE))

    def ask(self, answered: Callable[[Any], None], what: bytes = b"", fd: int = -1, first: bool = False) -> int:
        """Ask for its facts, see `mpserver.serving.answers`; it answers between requests, maybe never.

        :param fd: a descriptor that goes along, and is closed here; -1: none does.
        :param first: whether it goes before all that waits, where the interpreter does not serve yet.
        :returns: the number of the question.
        """
        self._questions += 1
        self._asked[self._questions] = answered, LINES if what else FACTS
        message = messages.Message(messages.Kind.ASK, fd, number=self._questions, state=what)
        if first and self.state is InterpreterState.STARTING:
            self._waiting.appendleft(message)
        else:
            self._post(message)
        return self._questions

    def kill(self, pid: int) -> None:
        """Kill its process where it has one to itself; elsewhere nothing is done.

        ``pid``: as the scoreboard has it, 0: it is not there yet, or not any more.
        """

    def _post(self, message: messages.Message) -> None:
        self._waiting.append(message)
        if self.state is not InterpreterState.STARTING and not self._blocked:
            self._flush()

    def stop(self, last: bool = False) -> None:
        """End it after the request that it is in. ``last``: the process ends with it, and all that it leaves behind."""
        self.state = InterpreterState.ENDING
        self._is_last = last
        if not self._is_open:
            return  # its end is on its way
        try:
            messages.send(self.inbox, messages.Message(messages.Kind.STOP))
        except OSError:
            self._over()

    def _flush(self) -> None:
        while self._waiting:
            message = self._waiting[0]
            descriptor_marks.write(self.boot.marks, message.fd, NOTHING)
            try:
                messages.send(self.inbox, message, wait=False)
            except BlockingIOError:
                if message.kind == messages.Kind.CONNECTION:
                    descriptor_marks.write(self.boot.marks, message.fd, ASKED)
                if not self._blocked:
                    self._blocked = True
                    self._loop.change(self.inbox.fileno(), READ | WRITE)
                return
            except OSError as error:
                if is_crowded(error):
                    self._waiting.popleft()
                    if message.kind == messages.Kind.CONNECTION:
                        self.handed -= 1
                    if message.kind == messages.Kind.ASK:
                        message.close()  # (who has asked sees that there is no answer)
                    else:
                        self._events.crowded(self, message)
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
        while self.state is not InterpreterState.ENDED:
            try:
                message = messages.receive(self.inbox)
                if message is None:
                    self._over()
                    return
                if message.kind not in self.said:
                    message.close()
                    raise ValueError(f"{message.kind.name} is no message of an interpreter of its kind")
                self._on_message(message)
            except BlockingIOError:
                return
            except ValueError as error:  # (a process may run an application that writes to its inbox)
                self._events.noticed(
                    self, f"interpreter '{self.name}' is given up, for what it sends can't be: {error}"
                )
                self._over()

    def _on_message(self, message: messages.Message) -> None:
        self._handlers[message.kind](self, message)

    def _was_sent(self, message: messages.Message) -> None:
        """It is on its way."""
        message.close()

    def _left_behind(self) -> list[messages.Message]:
        """The connections that it had when it ended without a word, and that others can serve."""
        return []

    def _on_ready(self, _message: messages.Message) -> None:
        if self.state is InterpreterState.STARTING:
            self.state = InterpreterState.SERVING
            self._events.serving(self)
        self._flush()

    def _on_loaded(self, message: messages.Message) -> None:
        self.loaded_modules.append(plain_data.shaped(message.state, LOADED))

    def _on_told(self, message: messages.Message) -> None:
        answered, shape = self._asked.pop(message.number, (None, plain_data.either(FACTS, LINES)))
        told = plain_data.shaped(message.state, shape)
        if answered is not None:
            answered(told)

    def _on_failed(self, message: messages.Message) -> None:
        self._over(message.state.decode("utf-8", "replace"))

    def _on_crowded(self, message: messages.Message) -> None:
        if self.state is InterpreterState.STARTING:
            self._over(CROWDED, descriptors.RETRY_AFTER)
        else:
            self._events.crowded(self, message)

    def _on_backoff(self, message: messages.Message) -> None:
        self._over("it crashes again and again", min(max(float(message.state), 0.0), LONGEST_BACKOFF))

    _handlers: Mapping[messages.Kind, Callable[[InterpreterHandle, messages.Message], None]] = {
        messages.Kind.READY: _on_ready,
        messages.Kind.FAILED: _on_failed,
        messages.Kind.BACKOFF: _on_backoff,
        messages.Kind.CROWDED: _on_crowded,
        messages.Kind.REFUSED: lambda self, message: self._events.refused(self, message),
        messages.Kind.STUCK: lambda self, message: self._events.stuck(self, message.number),
        messages.Kind.MOVED: lambda self, message: self._events.moved(message),
        messages.Kind.CONNECTION: lambda self, message: self._events.returned(message),
        messages.Kind.SPARE: lambda self, message: self._events.returned(message),
        messages.Kind.WORN: lambda self, message: self._events.worn(self, message),
        messages.Kind.CHANGED: lambda self, message: self._events.worn(self, message),
        messages.Kind.LEASE_OVER: lambda self, message: self._events.lease_over(message.number),
        messages.Kind.LOADED: _on_loaded,
        messages.Kind.TOLD: _on_told,
        messages.Kind.TRACED: lambda self, message: self._events.told(message.number, message.state),
    }
    #: The kinds of message that it may send.
    said: Collection[messages.Kind] = _handlers

    def _over(self, why: str = "it ended before it served", again: float = 0.0) -> None:
        """The other end is gone. ``again``: in how many seconds it may be started again."""
        if self.state is InterpreterState.ENDED:
            return
        failed = self.state is InterpreterState.STARTING
        self.crashed = self.state is InterpreterState.SERVING and not self._told_to_end
        self.state = InterpreterState.ENDED
        self._close_inbox()
        boot = self.boot
        log_lines.write_left(boot.scoreboard, boot.slot, boot.scoreboard_index, boot.logs.values())
        waiting = self._left_behind()
        for message in self._waiting:
            descriptor_marks.write(boot.marks, message.fd, NOTHING)
            if message.kind == messages.Kind.ASK:
                message.close()  # (with a question there may be the descriptor of a log)
            elif message.fd >= 0:
                waiting.append(message)
        self._waiting.clear()
        if failed:
            self._events.failed(self, waiting, why, again)
        self._events.ended(self)
        if not failed:
            for message in waiting:  # it ended while they were on their way: another one serves them
                self._events.returned(message)
        if not self._is_last:
            self._loop.soon(self.reap)

    def reap(self) -> None:
        """Release what it leaves behind."""
