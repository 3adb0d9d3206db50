"""The offloader of an interpreter: while a request keeps it busy, its other ready connections go to siblings.

A connection belongs to one interpreter of one worker. While that interpreter is in a long request, its
other connections would wait although other workers are idle. The offloader is a thread beside the
interpreter's own. It sleeps on the interpreter's epoll descriptor; when something is ready there and
the interpreter stays in one request, it gives what is ready to the router, which finds a free sibling. Then it
sleeps again: a hundred stuck interpreters cause no load.

When a worker is killed, its process interpreters are still there. Each of them ends after its running request; where
that goes on for more than `ORPHANED_FOR` seconds, the offloader ends the process.

It also looks after what should not wait as long as a request may take: the lines of access logs that wait for the end
of a wake-up of the loop (`mpserver.system.log_lines`), and what a handler has flushed
(`mpserver.serving.delayed_flush`).

A busy interpreter pays for this with one wake-up every `LOOK` seconds, one that is seldom asked with two for each
request, and an idle one with none.
"""

from __future__ import annotations

import os
import select
import threading
import time

from mpserver.errors import is_crowded
from mpserver.ipc import messages, plain_data, questions
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.siblings import LONG, PILE, room
from mpserver.serving.connection import Connection
from mpserver.serving.delayed_flush import TICK
from mpserver.serving.states import READING, WAITING
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.interpreter_owner import InterpreterOwner

#: How long it sleeps before it looks after a request, in seconds.
LOOK = 2 * TICK
#: How long it waits at most before it looks for a quick sibling again, in seconds.
LONGEST_PAUSE = 0.05
#: How many connections leave an interpreter that has a successor: all, even those that only wait for their clients.
ALL = 1 << 30
#: How long a process may go on with a request after its worker has gone, in seconds.
ORPHANED_FOR = 5.0


class Offloader:
    """The thread that takes connections away from a busy interpreter."""

    def __init__(self, interpreter: InterpreterOwner, board: Scoreboard, has_siblings: bool = True) -> None:
        """:param has_siblings: whether there may be others that take connections."""
        self._interpreter = interpreter
        self._has_siblings = has_siblings
        self._board = board
        self._slot = interpreter.boot.slot
        self._key = interpreter.interpreter_id.key
        #: Held while connections are taken: the interpreter's thread waits for it before it goes on.
        self.gate = threading.Lock()
        #: Connections may be taken right now, so the interpreter must pass the gate.
        self.taking = False
        self._bell = os.eventfd(0)
        #: What it sleeps on. (An epoll would be one descriptor more for each interpreter.)
        self._watch = select.poll()
        self._watch.register(interpreter.loop.fileno(), select.POLLIN)
        self._watch.register(self._bell, select.POLLIN)
        self._rung = select.poll()
        self._rung.register(self._bell, select.POLLIN)
        #: Has an event once the worker is gone, in an interpreter that is a process of its own.
        self._orphan = select.poll()
        if interpreter.boot.kind == "process":
            self._orphan.register(interpreter.inbox, 0)
        #: The number of the question about stacks that was answered last, here or by another one before.
        self._answered = questions.asked(board, self._slot, interpreter.boot.scoreboard_index)
        self._running = True
        #: It sleeps until something comes; whoever wants it sooner has to `wake` it.
        self.asleep = False
        self._thread = threading.Thread(target=self._run, name=f"offloader of {interpreter.interpreter_id.name}")

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._running = False
        self.wake()
        self._thread.join()
        os.close(self._bell)

    def wake(self) -> None:
        """Let it look after the interpreter, although nothing new has come."""
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        while self._running and self._sleep():  # (it may have been woken for its end as it dozed)
            self._help(self._interpreter.began)

    def _sleep(self) -> bool:
        """Sleep until something comes. :returns: whether it goes on."""
        self.asleep = True
        ready = () if self._is_wanted() else self._watch.poll(self._patience())
        self.asleep = False
        if any(fd == self._bell for fd, _ in ready):
            os.eventfd_read(self._bell)
        return self._running

    def _is_wanted(self) -> bool:
        """Whether something waits that should not do so for long."""
        lines, delayed_flush = self._interpreter.lines, self._interpreter.delayed_flush
        return (lines is not None and lines.waiting) or (delayed_flush is not None and delayed_flush.waits)

    def _patience(self) -> float | None:
        """How long it may sleep, in milliseconds: a request that runs for long is noticed, once."""
        delayed_flush, began = self._interpreter.delayed_flush, self._interpreter.began
        return None if delayed_flush is None or began in (0.0, delayed_flush.long) else LOOK * 1000

    def _doze(self, wait: float) -> None:
        """Sleep for so long, or until something waits that should not do so for longer than a tick."""
        self.asleep = True
        woken = self._is_wanted() or self._rung.poll(wait * 1000)
        self.asleep = False
        if woken:
            if self._rung.poll(0):
                os.eventfd_read(self._bell)
            time.sleep(TICK)

    def _look_after(self, wait: float) -> None:
        """Sleep, and see to what should not have waited longer."""
        if wait > LOOK:
            self._doze(wait)
        else:
            time.sleep(wait)
        lines, delayed_flush = self._interpreter.lines, self._interpreter.delayed_flush
        if lines is not None:
            lines.hurry()
        if delayed_flush is not None:
            delayed_flush.look(self._interpreter.began)

    def _is_in(self, began: float) -> bool:
        """Whether the interpreter is still in the request that began at a time."""
        return self._running and began > 0.0 and self._interpreter.began == began

    def _help(self, began: float) -> None:
        """Take connections away as long as the interpreter is in the same request, and any are ready."""
        delayed_flush = self._interpreter.delayed_flush
        first = TICK if delayed_flush is not None and delayed_flush.waits else LOOK
        self._look_after(first)
        if not (self._has_siblings and self._is_in(began)):
            return
        wait = LONG - first
        orphaned = 0.0
        while True:
            self._look_after(wait)
            if not self._is_in(began):
                return
            if self._orphan.poll(0):
                orphaned = orphaned or time.monotonic()
                if time.monotonic() - orphaned > ORPHANED_FOR:
                    self._interpreter.abandon()
                continue
            number = questions.asked(self._board, self._slot, self._interpreter.boot.scoreboard_index)
            if number != self._answered:
                self._answer(number)
            has_successor = self._board.retired(self._slot, self._interpreter.boot.scoreboard_index)
            if not (has_successor or self._interpreter.loop.ready()):
                return
            most = ALL if has_successor else room(self._board, self._slot, self._key)
            if most or self._interpreter.has_leases() or self._interpreter.taken is not None:
                self._take(began, most)
            # siblings that are stuck, or have no such interpreter yet, need not be asked as often
            wait = LONG if most >= PILE else min(2 * wait, LONGEST_PAUSE)

    def _answer(self, number: int) -> None:
        """Tell where the threads are: the interpreter can't, for it is in a request."""
        from mpserver.serving import answers  # (few are asked)

        self._answered = number
        self._interpreter.tell_facts(number, answers.stacks(self._interpreter.boot.kind))

    def _take(self, began: float, most: int) -> None:
        interpreter = self._interpreter
        with self.gate:
            self.taking = True
            try:
                # From here on the interpreter can't leave its request behind without passing the gate.
                if interpreter.began == began:
                    interpreter.end_leases()
                    for message in self._ready(most):
                        self._give(message)
            except OSError:
                self._running = False  # the worker is gone, and so is the interpreter soon
            finally:
                self.taking = False

    def _give(self, message: messages.Message) -> None:
        interpreter = self._interpreter
        try:
            messages.send(interpreter.inbox, message)
        except OSError as error:
            if not is_crowded(error):
                raise
            transferred = plain_data.unpack(message.state)[1] if message.state else b""  # it waits here
            if interpreter.taken is not None:
                interpreter.taken.one_less()  # (it is counted as it is adopted)
            interpreter.mail.append(message._replace(kind=messages.Kind.CONNECTION, state=transferred))
        else:
            message.close()

    def _ready(self, most: int) -> list[messages.Message]:
        """Up to ``most`` connections with a request that waits: in the inbox, or kept by the interpreter.

        Where only so many may wait, all that are kept: the router knows how many wait in the inbox.
        """
        interpreter = self._interpreter
        taken = interpreter.taken
        found: list[messages.Message] = []
        ready = {fd for fd, _event in interpreter.loop.ready()}
        if interpreter.inbox.fileno() in ready:
            while len(found) < most:
                try:
                    message = messages.receive(interpreter.inbox)
                except BlockingIOError:
                    break
                if message is None or message.kind != messages.Kind.CONNECTION:
                    interpreter.mail.append(message)
                    break
                found.append(message._replace(kind=messages.Kind.SPARE, state=interpreter.onward(message.state)))
                if taken is not None:
                    taken.one_more()
        for connection in list(interpreter.connections):
            if len(found) >= most and taken is None:
                break
            if most == ALL and _merely_begins(connection) and interpreter.connection_handlers is None:
                found.append(_packed(connection))
                continue
            if connection.state != WAITING or connection.is_pinned or not (connection.fd in ready or most == ALL):
                continue
            if connection.channel is None:
                found.append(_packed(connection))
                continue
            try:
                found.append(interpreter.unpin(connection, messages.Kind.SPARE, b""))
            except OSError as error:
                if not is_crowded(error):
                    raise
                break  # (it waits here; the next look may find room)
        return found


def _merely_begins(connection: Connection) -> bool:
    """Whether the next request's head has not come, or not all of it: the connection is not in a request."""
    if connection.state != READING or connection.channel is not None or connection.is_pinned:
        return False
    return connection.reader is not None or not (connection.served or connection.buffer)


def _packed(connection: Connection) -> messages.Message:
    """A connection that leaves its interpreter, with what was read of its next request."""
    buffer = b"" if connection.reader is None else bytes(connection.reader.buffer)
    connection.release()
    return messages.Message(
        messages.Kind.SPARE,
        connection.sock.detach(),
        buffer,
        connection.served,
        connection.number,
        connection.accepted,
        origin=connection.origin,
        place=connection.place,
    )
