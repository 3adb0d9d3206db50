"""The sockets that interpreters write to: the program's standard input, and those that the master gives it there.

Each worker and each zygote has one of its own, so that nobody can close or fill that of another.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import stat
import time
from array import array

from mpserver.api.error_log import ERROR, ErrorLog
from mpserver.ipc import span_records
from mpserver.system.log_files import GIVEN
from mpserver.telemetry.queue import Waiting

#: What is no message is told as often as this, in seconds.
TOLD_AGAIN = 60.0


class Sockets:
    """Reads messages, and has them wait."""

    def __init__(self, waiting: Waiting, log: ErrorLog) -> None:
        self._waiting, self._log = waiting, log
        self._room = bytearray(2 * span_records.LONGEST)
        self._poll = select.poll()
        #: By descriptor, with the number of the socket in the system: one that was given twice is one.
        self._each: dict[int, tuple[socket.socket, int]] = {}
        self._tell_at = float("-inf")

    def read(self) -> None:
        """Read until nobody is left who could write."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._add(socket.socket(fileno=0))
        while self._each:
            for fd, event in self._poll.poll():
                self._read_one(fd, event)

    def _add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        number = os.fstat(sock.fileno()).st_ino
        if any(known == number for _sock, known in self._each.values()):
            sock.close()
            return
        self._each[sock.fileno()] = sock, number
        self._poll.register(sock, select.POLLIN | select.POLLRDHUP)

    def _read_one(self, fd: int, event: int) -> None:
        """A message of one socket: each has its turn."""
        sock, number = self._each[fd]
        try:
            length, told, _flags, _address = sock.recvmsg_into(
                [self._room], socket.CMSG_SPACE(GIVEN * array("i").itemsize), socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            length, told, event = 0, [], select.POLLHUP
        given = array("i")
        for level, kind, data in told:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                given.frombytes(data[: len(data) - len(data) % given.itemsize])
        for one in given:
            if fd == 0 and stat.S_ISSOCK(os.fstat(one).st_mode):
                self._add(socket.socket(fileno=one))
            else:
                os.close(one)  # (only the master gives any)
        if given:
            return
        if not length:
            if event & (select.POLLRDHUP | select.POLLHUP):  # (else somebody has sent an empty message)
                self._poll.unregister(fd)
                del self._each[fd]
                sock.close()
                self._waiting.forget(number)
            return
        try:
            self._waiting.add(bytes(self._room[:length]), number)
        except ValueError as error:
            if time.monotonic() >= self._tell_at:
                self._tell_at = time.monotonic() + TOLD_AGAIN
                self._log.log(ERROR, f"spans that an interpreter has told of can't be: {error}", module="tracing")
