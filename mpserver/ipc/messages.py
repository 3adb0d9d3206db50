"""Handing a connection from one place to another: the descriptor, what was read, the facts.

Messages travel over SEQPACKET socket pairs; one transport reaches threads, subinterpreters and
processes alike. What was read goes in the message, or in a memfd where it is too long for one.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct

from mpserver.errors import StartError, is_crowded
from mpserver.typing import NamedTuple

#: Kinds of message.
CONNECTION = 1  # a connection for the other side
DRAIN = 2  # end when the connections have ended; number: 1 where those that wait have somewhere else to go
STOP = 3  # end at once
READY = 4  # the interpreter serves
FAILED = 5  # the interpreter can't start; the text says why
DRAINED = 6  # the interpreter has ended its last connection
SPARE = 7  # a connection that a busy interpreter can't serve now: for a sibling, if one is free
REFUSED = 8  # the application can't run in this interpreter; state: the module that refused
MOVED = 10  # a request that goes on elsewhere after its early phases; state: the place, and what goes along
STUCK = 11  # a request does not end, so the interpreter serves nobody any more
CLOSED = 9  # a process has closed connections; state: which, see `mpserver.serving.tracked_connection`
BACKOFF = 12  # the application crashes again and again; state: the seconds until its next interpreter
PREPARE = 19  # the first message to a successor; state: what its predecessor had loaded, all of which must load
RETIRE = 13  # another interpreter has the place now: give the connections back, and end
LOADED = 14  # a handler's module was loaded; state: a `mpserver.api.loader.Loaded` loaded module
WORN = 15  # the interpreter wants a successor; state: why
CHANGED = 16  # files of loaded modules changed; state: which, and how they look now
ASK = 17  # tell something; number: of the question, state: what is asked
TOLD = 18  # the answer; number: of the question, state: the answer
LEASE = 20  # a listener to accept from; number: the last connection's, served: that of the last that may be accepted
RECALL = 21  # the listeners are wanted back
LEASE_OVER = 22  # they are; number: the last connection's
SHED = 23  # descriptors come to an end: close idle connections; served: how many
CROWDED = 24  # a message lost descriptors, for which was no room; number: its, served: its kind, 0: none yet

#: Longer data travels in a memfd.
INLINE = 48 * 1024
#: What a message may hold at most.
MESSAGE = 64 * 1024

#: kind, flags, keepalives, number of the connection, accept time, place in the connection states,
#: length of the carried state
_HEADER = struct.Struct("!BBIQdII")
_IN_MEMFD = 1

_FD = struct.Struct("i")
#: Room for two descriptors.
_RIGHTS = socket.CMSG_LEN(2 * _FD.size)
#: Programs that applications start get none of what was received.
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Message(NamedTuple):
    """One message: its kind; for connections the descriptor, what was read, how many requests it served,
    its number, when it was accepted (seconds since the epoch), the carried state of its request, and its place in
    the connection states of a process (`mpserver.serving.tracked_connection`)."""

    kind: int
    fd: int = -1
    data: bytes = b""
    served: int = 0
    number: int = 0
    accepted: float = 0.0
    state: bytes = b""
    entry: int = 0

    def close(self) -> None:
        """Close the descriptor, if there is one."""
        if self.fd >= 0:
            os.close(self.fd)


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of an inbox."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return ours, theirs


def send(inbox: socket.socket, message: Message, *, wait: bool = True, before: bytes = b"") -> None:
    """Send a message; with ``wait`` also while the other side's queue is full.

    ``before`` goes before it, for who passes it on.

    :raises BlockingIOError: the queue is full, and ``wait`` is false.
    :raises OSError: the other side is gone.
    """
    payload, fds, memfd = _encode(message)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else ()
    try:
        while True:
            try:
                inbox.sendmsg([before + payload], rights)
                return
            except BlockingIOError:
                if not wait:
                    raise
                _wait_writable(inbox)
    finally:
        if memfd >= 0:
            os.close(memfd)


def _encode(message: Message) -> tuple[bytes, list[int], int]:
    """A message as bytes and descriptors; and the memfd among them, -1 without one."""
    fds = [message.fd] if message.fd >= 0 else []
    body = message.state + message.data
    memfd, flags = -1, 0
    if len(body) > INLINE:
        memfd = os.memfd_create("handoff", os.MFD_CLOEXEC)
        try:
            _write_all(memfd, body)
        except OSError:
            os.close(memfd)
            raise
        fds.append(memfd)
        body, flags = b"", _IN_MEMFD
    header = _HEADER.pack(
        message.kind,
        flags,
        message.served,
        message.number,
        message.accepted,
        message.entry,
        len(message.state),
    )
    return header + body, fds, memfd


def receive(inbox: socket.socket) -> Message | None:
    """The next message; None at the end of the other side.

    :raises BlockingIOError: there is none yet.
    """
    try:
        payload, rights, flags, _address = inbox.recvmsg(MESSAGE, _RIGHTS, _CLOEXEC)
    except ConnectionResetError:
        return None
    fds = [fd for _level, _kind, data in rights for (fd,) in _FD.iter_unpack(data)]
    return decode(payload, fds, bool(flags & socket.MSG_CTRUNC)) if payload else None


def decode(payload: bytes, fds: list[int], cut: bool = False) -> Message:
    """A message from its bytes and descriptors, which are the caller's now.

    ``cut``: some of its descriptors found no room in this process, and are closed already. Then it is `CROWDED`, with
    its own descriptor where that one found room.
    """
    kind, flags, served, number, accepted, entry, state_length = _HEADER.unpack_from(payload)
    body = payload[_HEADER.size :]
    if cut:
        return Message(CROWDED, fds[0] if fds else -1, b"", kind, number, accepted, b"", entry)
    if flags & _IN_MEMFD:
        memfd = fds.pop()
        try:
            size = os.fstat(memfd).st_size
            body = os.pread(memfd, size, 0)
        finally:
            os.close(memfd)
    fd = fds[0] if fds else -1
    return Message(kind, fd, body[state_length:], served, number, accepted, body[:state_length], entry)


def told(error: BaseException) -> str:
    """Why an interpreter can't start, in a line."""
    try:
        text = str(error)
    except BaseException:  # (an application's own may raise anything)
        text = ""
    if isinstance(error, StartError):
        return text
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def failure(error: BaseException) -> Message:
    """What tells that an interpreter can't start."""
    text = told(error)
    crowded = is_crowded(error) or os.strerror(errno.EMFILE) in text  # (an interpreter's own error comes as text)
    return Message(CROWDED if crowded else FAILED, state=text.encode("utf-8", "replace"))


def report(inbox: socket.socket, error: BaseException) -> None:
    """Tell the worker that the start failed. Who calls it closes the inbox then."""
    try:
        send(inbox, failure(error))
    except (OSError, MemoryError):
        pass  # the end of the inbox tells as much


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _wait_writable(sock: socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    poll.poll()


#: What the worker of a server of one process says when it replaces an interpreter: RENEW and its name; SETTLE, 1 or
#: 0 (whether it worked) and its name.
RENEW, SETTLE = b"renew", b"settle"
