"""Lending listeners: an interpreter that gets all new connections takes them by itself.

A router accepts, reads the first head and hands the connection over. Where many connections in a row went to the
same interpreter, it lends it the listeners, and accepts nothing itself any more. The borrower takes one connection
whenever it is idle, so the kernel wakes a sibling worker for the next one while it is busy. What belongs to another
interpreter comes back to the router, as ever; then the listeners are recalled, and the next loan takes twice as many
connections in a row. The borrower returns them by itself where it ends or retires, where it has taken as many
connections as it was lent (MaxConnectionsPerChild), and, by its offloader, where a request of it takes long.

Nobody borrows under the worker MPM, with connection handlers, or in a process: the descriptors of its connections
are kept by the router, for it may crash (`mpserver.serving.tracked_connection`).
"""

from __future__ import annotations

import socket
import time
from functools import partial

from mpserver.ipc import messages
from mpserver.system import descriptors
from mpserver.system.listeners import Acceptor
from mpserver.system.loop import EXCLUSIVE, READ
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.interp import Interpreter


class LeasedListeners:
    """The interpreter's side: listeners that were lent to it."""

    __slots__ = ("_ceiling", "_end", "_interpreter", "_listeners", "_number")

    def __init__(self, interpreter: Interpreter, number: int, end: int) -> None:
        """``number``: of the last connection that was accepted; ``end``: of the last that may be."""
        self._interpreter = interpreter
        self._number, self._end = number, end
        self._listeners: list[socket.socket] = []
        self._ceiling = descriptors.limit().ceiling

    def add(self, fd: int) -> None:
        """Accept from a listener, which is ours now."""
        listener = socket.socket(fileno=fd)
        self._listeners.append(listener)
        self._interpreter.loop.add(fd, partial(self._accept, Acceptor(listener)), READ | EXCLUSIVE)

    def _accept(self, acceptor: Acceptor, _event: int) -> None:
        try:
            sock, peer = acceptor.accept()
        except BlockingIOError:
            return
        except OSError:
            self.give_back()  # the router will find and tell what is wrong
            return
        interpreter = self._interpreter
        self._number += 1
        number = self._number << 16 | interpreter.boot.slot
        connection = interpreter.connection_type(interpreter, sock, number, peer=peer, local=acceptor.local)
        connection.accepted = time.time()
        interpreter.connections.add(connection)
        full = connection.fd >= self._ceiling
        connection.arrive()
        if (full or self._number >= self._end) and interpreter.leased_listeners is self:
            self.give_back()  # (where there is no room, the router makes some)

    def give_back(self) -> None:
        """Accept nothing any more, and tell the router."""
        self.close()
        self._interpreter.leased_listeners = None
        self._interpreter.tell(messages.LEASE_OVER, number=self._number)

    def close(self) -> None:
        """Accept nothing any more."""
        for listener in self._listeners:
            self._interpreter.loop.remove(listener.fileno())
            listener.close()
        self._listeners.clear()
