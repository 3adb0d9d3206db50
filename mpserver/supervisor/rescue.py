"""The connections of a worker that hangs: they are taken out of it before it is killed, and other workers get them.

A worker that hangs can't give anything away. But the system lets its master copy descriptors (``pidfd_getfd``, Linux
5.6), if the master is root with CAP_SYS_PTRACE or the worker runs as the same user, and no filter of system calls
forbids it. Which of them are worth it say the marks, which all write who own connections
(`mpserver.ipc.descriptor_marks`). They are looked at again when the worker is dead: nobody writes to these connections
any more, and what the marks say then is the truth.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from mpserver.ipc import messages
from mpserver.ipc.descriptor_marks import ANSWERED, ASKED, BEGUN, ENTRIES, IDLE, INBOX, NOTHING, OUTBOX
from mpserver.typing import NamedTuple

#: The messages that bring a connection.
_CONNECTIONS = frozenset({messages.Kind.CONNECTION, messages.Kind.SPARE, messages.Kind.MOVED})

#: The number of the system call, on all machines that Python is built for.
_PIDFD_GETFD = 438


class Found(NamedTuple):
    """A copy of a worker's descriptor."""

    #: Its number in the worker.
    number: int
    fd: int


def collect(pid: int, marks: int) -> list[Found]:
    """Copy the descriptors of a worker, which still lives, that other workers can do something with.

    :param marks: the descriptor of its marks.
    :raises OSError: that is not allowed; where there is no room for further ones, those are left out.
    """
    wanted = [fd for fd, mark in enumerate(os.pread(marks, ENTRIES, 0)) if mark not in (NOTHING, ANSWERED)]
    found: list[Found] = []
    process = os.pidfd_open(pid)
    try:
        for number in wanted:
            try:
                found.append(Found(number, _copy(process, number)))
            except OSError:
                if not found:
                    raise
    finally:
        os.close(process)
    return found


def _copy(process: int, number: int) -> int:
    """A copy of another process' descriptor. :raises OSError: it is not to be had."""
    import ctypes  # (workers seldom hang)

    library = ctypes.CDLL(None, use_errno=True)
    fd = int(library.syscall(_PIDFD_GETFD, process, number, 0))
    if fd < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return fd


def left(found: list[Found], marks: int) -> Iterator[messages.Message]:
    """What a dead worker left of its connections, as other workers take it; all that was found is closed or passed on.

    :param marks: as above.
    """
    last = os.pread(marks, ENTRIES, 0)
    for number, fd in found:
        mark = last[number]
        if mark in (INBOX, OUTBOX):
            yield from _unread(fd, mark == OUTBOX)
        elif mark == IDLE:
            yield messages.Message(messages.Kind.SPARE, fd)
        elif mark in (ASKED, BEGUN):
            yield messages.Message(messages.Kind.UNSERVED, fd, number=mark)
        else:
            os.close(fd)


def _unread(fd: int, returned: bool) -> Iterator[messages.Message]:
    """The connections that wait in an inbox: nobody has begun with them.

    :param returned: whether they come back from an interpreter, and not from the router.
    """
    with socket.socket(fileno=fd) as inbox:
        inbox.setblocking(False)
        while True:
            try:
                message = messages.receive(inbox)
            except (OSError, ValueError):
                return  # there is nothing more, or (a worker runs applications) no message
            if message is None:
                return
            if message.fd < 0 or message.kind not in _CONNECTIONS or message.served & messages.ANSWERED:
                message.close()
                continue
            if message.rope >= 0:
                os.close(message.rope)
            if message.state:  # it has begun elsewhere, and what is there waits in vain
                yield messages.Message(messages.Kind.UNSERVED, message.fd, number=BEGUN)
            elif returned:  # (from a process that may be another account's: what else it says nobody has checked)
                yield messages.Message(messages.Kind.SPARE, message.fd, message.data, message.served)
            else:
                yield message._replace(kind=messages.Kind.SPARE, entry=0, rope=-1)
