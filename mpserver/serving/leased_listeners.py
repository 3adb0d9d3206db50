"""Leased listeners: an interpreter that gets all new connections accepts them by itself.

A router accepts, reads the first head and hands the connection over. Where many connections in a row went to the
same interpreter, the router gives it a lease of the listeners, and accepts nothing itself any more. The lessee accepts
one connection whenever it is idle, so while it is busy the kernel wakes a sibling worker for the next one. A connection
that belongs to another interpreter comes back to the router, as ever; then the router recalls the lease, and twice as
many connections in a row have to go to one interpreter before the next lease.

A lease is always for a limited number of connections (`mpserver.routing.listener_leases.LEASE`, or fewer where
MaxConnectionsPerChild leaves fewer). The lessee ends it when that number is accepted, when it ends or hands over its
place, when descriptors run out and, by its offloader, when a request takes long.

There are no leases in a server of one process, under the worker MPM, with connection handlers, or for a process: the
router keeps the descriptors of a process' connections, for it may crash (`mpserver.serving.tracked_connection`).
"""

from __future__ import annotations

import socket
import time
from functools import partial

from mpserver.system import descriptors
from mpserver.system.listeners import Acceptor
from mpserver.system.loop import EXCLUSIVE, READ
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.interpreter_owner import InterpreterOwner


class LeasedListeners:
    """The interpreter's side: the listeners of one lease."""

    __slots__ = ("_ceiling", "_end", "_interpreter", "_listeners", "_number")

    def __init__(self, interpreter: InterpreterOwner, number: int, end: int) -> None:
        """Begin a lease without listeners.

        :param number: of the last connection that the worker has accepted.
        :param end: of the last one that may be accepted here.
        """
        self._interpreter = interpreter
        self._number, self._end = number, end
        self._listeners: list[socket.socket] = []
        self._ceiling = descriptors.limit().ceiling

    def add(self, fd: int) -> None:
        """Accept from a listener, whose descriptor is ours now."""
        listener = socket.socket(fileno=fd)
        self._listeners.append(listener)
        self._interpreter.loop.add(fd, partial(self._accept, Acceptor(listener)), READ | EXCLUSIVE)

    def _accept(self, acceptor: Acceptor, _event: int) -> None:
        try:
            sock, peer = acceptor.accept()
        except BlockingIOError:
            return
        except OSError:
            self.end()  # the router will find and tell what is wrong
            return
        interpreter = self._interpreter
        self._number += 1
        number = self._number << 16 | interpreter.boot.slot
        connection = interpreter.connection_type(interpreter, sock, number, peer=peer, local=acceptor.local)
        connection.accepted = time.time()
        interpreter.connections.add(connection)
        interpreter.scoreboard_entry.writer.connected(len(interpreter.connections))
        full = connection.fd >= self._ceiling
        interpreter.arrive(connection)
        if (full or self._number >= self._end) and self._listeners:
            self.end()  # (where there is no room, the router makes some)

    def end(self) -> None:
        """Accept nothing any more, and tell the router."""
        self.close()
        self._interpreter.leases_ended(self._number)

    def close(self) -> None:
        """Accept nothing any more."""
        for listener in self._listeners:
            self._interpreter.loop.remove(listener.fileno())
            listener.close()
        self._listeners.clear()
