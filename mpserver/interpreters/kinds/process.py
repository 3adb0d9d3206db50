"""The kind ``process``: a process of its own."""

from __future__ import annotations

import os
import signal
import socket

from mpserver.interpreters.handle import InterpreterHandle, InterpreterState
from mpserver.ipc import messages, plain_data
from mpserver.ipc.connection_states import ASKED, FIRST, IDLE, SENT, ConnectionStates, unpack_numbers
from mpserver.modules.python.environment import has_account
from mpserver.serving import foreign
from mpserver.system import descriptors
from mpserver.typing import Any

#: The messages with descriptors; with others there are none, whatever an application may have sent.
WITH_DESCRIPTORS = messages.CONNECTIONS | {messages.Kind.CROWDED}
#: Those whose number is not that of a connection.
NUMBERED = frozenset({messages.Kind.READY, messages.Kind.TRACED})


class Process(InterpreterHandle):
    """A process of its own. The worker asks the keeper of zygotes for it, on its control socket.

    It can end while the worker lives on. So a duplicate of each descriptor that it was sent stays here until it
    tells that it has closed the connection or given it back; and the connection states tell what to do
    with those that it still had when it crashed.
    """

    takes_leases = False
    descriptors = descriptors.PROCESS
    _connection_states: ConnectionStates | None = None
    #: What interpreters of this kind say.
    said = frozenset({
        messages.Kind.READY, messages.Kind.FAILED, messages.Kind.BACKOFF, messages.Kind.CONNECTION,
        messages.Kind.SPARE, messages.Kind.MOVED, messages.Kind.CLOSED, messages.Kind.CROWDED, messages.Kind.LOADED,
        messages.Kind.WORN, messages.Kind.CHANGED, messages.Kind.TOLD,
        messages.Kind.TRACED,
    })  # fmt: skip
    #: Its process, as it has told; 0: it has not yet.
    _pid = 0

    def __init__(self, *arguments: Any) -> None:
        #: What it was sent, by the connection's number.
        self._sent: dict[int, messages.Message] = {}
        super().__init__(*arguments)

    def _launch(self, theirs: socket.socket) -> None:
        connection_states = self._connection_states = ConnectionStates()
        boot = self.boot
        order = plain_data.pack((boot.interpreter_id, boot.scoreboard_index, boot.slot))
        try:
            socket.send_fds(self._control, [order], [theirs.fileno(), connection_states.fd])
        finally:
            theirs.close()

    def hand_over(self, message: messages.Message) -> None:
        """Give it a connection; takes over the descriptor. It waits here until the interpreter serves."""
        super().hand_over(
            message if self._connection_states is None else message._replace(entry=self._connection_states.enter())
        )

    def kill(self, pid: int) -> None:
        """End it without its doing; as long as its inbox is open, its process is there."""
        pid = self._pid or pid
        if pid and self.state is not InterpreterState.ENDED:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # it went just now, or is another user's: it ends with its inbox

    def _was_sent(self, message: messages.Message) -> None:
        if message.kind == messages.Kind.CONNECTION:
            self._sent[message.number] = message
        else:
            message.close()

    def _on_message(self, message: messages.Message) -> None:
        if message.kind not in WITH_DESCRIPTORS:
            message.close()
            message = message._replace(fd=-1, rope=-1)
        if message.kind == messages.Kind.CLOSED:
            for number in unpack_numbers(message.state):
                self._forget(number)
            return
        if message.kind in NUMBERED:
            if message.kind == messages.Kind.READY:
                self._pid = message.number
            super()._on_message(message)
            return
        if message.state or message.luggage or message.origin:
            message = self._believed(message)
        sent = self._sent.get(message.number)
        if sent is not None and message.fd < 0 and message.kind == messages.Kind.CROWDED:
            # it was lost on its way here or there, but we have it as well
            self._take(sent)
            message = message._replace(fd=sent.fd, data=sent.data)
        else:
            self._forget(message.number)
        super()._on_message(message)

    def _believed(self, message: messages.Message) -> messages.Message:
        """A message, without what a process of another account may not say. :raises ValueError: it is none."""
        if not has_account(self.interpreter_id.environment) or message.kind not in messages.CONNECTIONS:
            return message
        try:
            message, lost = foreign.onward(message)
            if message.origin and all(sent.origin != message.origin for sent in self._sent.values()):
                raise ValueError("it names a client that it was not given")
        except ValueError:
            message.close()
            raise
        if lost:
            self._events.noticed(self, foreign.describe(self.name, lost))
        return message

    def _forget(self, number: int) -> None:
        """A connection is not the process' any more."""
        sent = self._sent.get(number)
        if sent is not None:
            self._take(sent)
            sent.close()

    def _take(self, sent: messages.Message) -> None:
        del self._sent[sent.number]
        if self._connection_states is not None:
            self._connection_states.leave(sent.entry)

    def _left_behind(self) -> list[messages.Message]:
        """Those that it did not read yet, and those that wait for their next request; the others' requests failed."""
        left, sent = [], [*self._sent.values()]
        self._sent.clear()
        for message in sent:
            state = SENT if self._connection_states is None else self._connection_states.state(message.entry)
            if state == SENT:
                left.append(message)
            elif state == IDLE:
                left.append(message.idle())
            elif state in (FIRST, ASKED):
                self._events.lost(self, message if state == FIRST else message._replace(data=b""))
            else:
                _hang_up(message)
                self._events.forgotten(message)
        return left

    def reap(self) -> None:
        """Forget what it was told."""
        if self._connection_states is not None:
            self._connection_states.close()


def _hang_up(message: messages.Message) -> None:
    """End a connection whatever the process has started, which may have it as well."""
    if message.fd < 0:
        return
    with socket.socket(fileno=message.fd) as sock:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # its client is gone
