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

from mpserver.ipc import messages, plain_data
from mpserver.ipc.descriptor_marks import ANSWERED, ASKED, BEGUN, ENTRIES, IDLE, INBOX, NOTHING, OUTBOX
from mpserver.ipc.worker_messages import ADDRESSED
from mpserver.system import descriptors
from mpserver.typing import NamedTuple

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
    most = descriptors.soft() // 4 * 3  # (the rest is for the workers that come)
    process = os.pidfd_open(pid)
    try:
        for number in wanted:
            try:
                fd = _copy(process, number)
            except OSError:
                if not found:
                    raise
                continue
            if fd >= most:
                os.close(fd)
                break
            found.append(Found(number, fd))
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
    last = os.pread(marks, ENTRIES, 0).ljust(ENTRIES, b"\0")  # (a worker runs applications: it may have cut that)
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


def _has_begun(state: bytes, returned: bool) -> bool:
    """Whether something was done of a request that is on its way to another interpreter."""
    if not state or not returned:
        return bool(state)
    try:
        return bool(plain_data.shaped(state, ADDRESSED)[1])
    except ValueError:
        return True


def _still_unserved(message: messages.Message) -> Iterator[messages.Message]:
    """A connection that waited in the worker to be told that another one hung."""
    if message.rope >= 0:
        os.close(message.rope)
    if message.fd >= 0:
        yield messages.Message(messages.Kind.UNSERVED, message.fd, number=message.number)


def _unread(fd: int, returned: bool) -> Iterator[messages.Message]:
    """The connections that wait in an inbox: nobody has begun with them.

    :param returned: whether they come back from an interpreter, and not from the router.
    """
    try:
        inbox = socket.socket(fileno=fd)
    except OSError:  # (a worker runs applications: what they mark need not be a socket)
        os.close(fd)
        return
    with inbox:
        try:
            inbox.setblocking(False)
            inbox.shutdown(socket.SHUT_RD)  # what is there has an end: a process that lives on adds nothing
        except OSError:
            return
        while True:
            try:
                message = messages.receive(inbox)
            except (OSError, ValueError):
                return  # there is nothing more, or (a worker runs applications) no message
            if message is None:
                return
            if message.kind == messages.Kind.UNSERVED and not returned:  # (of one that hung before this one)
                yield from _still_unserved(message)
                continue
            if message.fd < 0 or message.kind not in messages.CONNECTIONS or message.served & messages.ANSWERED:
                message.close()
                continue
            if message.origin and (returned or not message.origin.startswith(messages.PROXIED)):
                message.close()  # what stood before it is gone, or what was said of its client can't be believed
                continue
            if message.rope >= 0:
                os.close(message.rope)
            if _has_begun(message.state, returned):  # it has begun elsewhere, and what is there waits in vain
                yield messages.Message(messages.Kind.UNSERVED, message.fd, number=BEGUN)
            elif returned:  # (from a process that may be another account's: what else it says nobody has checked)
                yield messages.Message(messages.Kind.SPARE, message.fd, message.data, message.served)
            else:
                yield message._replace(kind=messages.Kind.SPARE, entry=0, rope=-1)
