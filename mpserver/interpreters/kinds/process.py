"""The kind ``process``: a process of its own."""

from __future__ import annotations

import marshal
import os
import signal
import socket

from mpserver.interpreters.handle import ENDED, Interp
from mpserver.ipc import messages
from mpserver.ipc.connection_states import ASKED, FIRST, IDLE, SENT, Ledger, closed
from mpserver.system import descriptors
from mpserver.typing import Any


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
        self._sent: dict[int, messages.Message] = {}
        super().__init__(*arguments)

    def _launch(self, theirs: socket.socket) -> None:
        ledger = self._ledger = Ledger()
        boot = self.boot
        order = marshal.dumps((tuple(boot.place), boot.seat, boot.slot))
        try:
            socket.send_fds(self._control, [order], [theirs.fileno(), ledger.fd])
        finally:
            theirs.close()

    def hand_over(self, message: messages.Message) -> None:
        """Give it a connection; takes over the descriptor. It waits here until the interpreter serves."""
        super().hand_over(message if self._ledger is None else message._replace(entry=self._ledger.enter()))

    def kill(self, pid: int) -> None:
        """End it without its doing. (As long as its inbox is open, its process is there.)"""
        if self.state != ENDED:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # it went just now, or is another user's: it ends with its inbox

    def _was_sent(self, message: messages.Message) -> None:
        if message.kind == messages.CONNECTION:
            self._sent[message.number] = message
        else:
            message.close()

    def _on_message(self, message: messages.Message) -> None:
        if message.kind == messages.CLOSED:
            for number in closed(message.state):
                self._forget(number)
            return
        sent = self._sent.get(message.number)
        if sent is not None and message.fd < 0 and message.kind == messages.CROWDED:
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

    def _take(self, sent: messages.Message) -> None:
        del self._sent[sent.number]
        if self._ledger is not None:
            self._ledger.leave(sent.entry)

    def _left_behind(self) -> list[messages.Message]:
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
