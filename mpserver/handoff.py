"""Handing a connection from one place to another: the descriptor, what was read, the facts.

Messages travel over SEQPACKET socket pairs; one transport reaches threads, subinterpreters and
processes alike. What was read goes in the message, or in a memfd where it is too long for one.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from typing import NamedTuple

#: Kinds of message.
CONNECTION = 1  # a connection for the other side
DRAIN = 2  # end when the connections have ended
STOP = 3  # end at once
READY = 4  # the interpreter serves
FAILED = 5  # the interpreter can't start; the text says why
DRAINED = 6  # the interpreter has ended its last connection
RECYCLE = 7  # the worker should be replaced

#: Longer data travels in a memfd.
INLINE = 48 * 1024
#: What a message may hold at most.
MESSAGE = 64 * 1024

#: kind, flags, keepalives, number of the connection, accept time, length of the carried state
_HEADER = struct.Struct("!BBIQdI")
_IN_MEMFD = 1


class Message(NamedTuple):
    """One message: its kind; for connections the descriptor, what was read, how many requests it served,
    its number, when it was accepted (seconds since the epoch), and the carried state of its request."""

    kind: int
    fd: int = -1
    data: bytes = b""
    served: int = 0
    number: int = 0
    accepted: float = 0.0
    state: bytes = b""


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of an inbox."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return ours, theirs


def send(inbox: socket.socket, message: Message, *, wait: bool = True) -> None:
    """Send a message; with ``wait`` also while the other side's queue is full.

    :raises BlockingIOError: the queue is full, and ``wait`` is false.
    :raises OSError: the other side is gone.
    """
    data, flags = message.data, 0
    fds = [message.fd] if message.fd >= 0 else []
    memfd = -1
    if len(data) + len(message.state) > INLINE:
        memfd = os.memfd_create("handoff", os.MFD_CLOEXEC)
        _write_all(memfd, message.state + data)
        fds.append(memfd)
        flags = _IN_MEMFD
    header = _HEADER.pack(
        message.kind, flags, message.served, message.number, message.accepted, len(message.state)
    )
    payload = header if flags else header + message.state + data
    try:
        while True:
            try:
                if fds:
                    socket.send_fds(inbox, [payload], fds)
                else:
                    inbox.send(payload)
                return
            except BlockingIOError:
                if not wait:
                    raise
                _wait_writable(inbox)
    finally:
        if memfd >= 0:
            os.close(memfd)


def receive(inbox: socket.socket) -> Message | None:
    """The next message; None at the end of the other side.

    :raises BlockingIOError: there is none yet.
    """
    try:
        payload, fds, _flags, _address = socket.recv_fds(inbox, MESSAGE, 2)
    except ConnectionResetError:
        return None
    if not payload:
        return None
    kind, flags, served, number, accepted, state_length = _HEADER.unpack_from(payload)
    body = payload[_HEADER.size :]
    if flags & _IN_MEMFD:
        memfd = fds.pop()
        try:
            size = os.fstat(memfd).st_size
            body = os.pread(memfd, size, 0)
        finally:
            os.close(memfd)
    fd = fds[0] if fds else -1
    return Message(kind, fd, body[state_length:], served, number, accepted, body[:state_length])


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _wait_writable(sock: socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    poll.poll()

