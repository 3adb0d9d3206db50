"""Messages between a router and its interpreters: connections with their descriptors, and what goes with them.

A message is one datagram of a SEQPACKET socket pair, an interpreter's inbox, whatever the kind of interpreter: a
thread, a subinterpreter or another process. What was read from a connection goes in the message, or in a memfd where
it is too long for one. Workers and their master use the same form on the control socket between them
(`mpserver.ipc.worker_messages`).

Who sends what, and what answers it (``docs/protocol.md`` has the same in tables):

From the router to an interpreter::

    PREPARE     the first message to a successor: what its predecessor had loaded; READY, or why it does not start:
                FAILED, REFUSED, CROWDED or BACKOFF
    CONNECTION  a connection, with the bytes that were read of it; it is served, and comes back as CONNECTION, SPARE
                or MOVED where that belongs to others. A process tells with CLOSED when it has ended
    LEASE       a listener to accept from; LEASE_OVER when the lease ends
    RECALL      the listeners are wanted back; LEASE_OVER
    SHED        descriptors run out: close idle connections
    ASK         a question with a number; TOLD with the same number, between two requests
    DRAIN       serve what is there and end; connections that wait come back where other workers can have them
    RETIRE      another interpreter has the place: give the connections back, and end after the running request
    STOP        end after the running request

From an interpreter to its router::

    READY       it serves from now on; it is said once, and CONNECTIONs follow that waited for it
    FAILED      it can't start, and why
    BACKOFF     its zygote does not fork it, for the application crashes again and again
    REFUSED     the application can't run in a subinterpreter: a process takes the place, and RETIRE follows; or it
                does without a module, and the log tells that
    CONNECTION  the next request is for others; the router starts over with the connection
    SPARE       the interpreter is busy, or its worker leaves: for a sibling, if one is free
    MOVED       a request goes on in another interpreter, which is named: the next phase, or what it was redirected to,
                belongs there; or all of it does
    CLOSED      a process has closed connections
    CROWDED     descriptors ran out: it can't start, or could not take a connection; or they soon will
    LOADED      a handler's module was loaded: its successor will load it, too
    WORN        the interpreter wants a successor, which gets a PREPARE; then RETIRE follows
    CHANGED     files of its modules changed; as after WORN, in all workers
    STUCK       a request does not end, so it serves nobody any more; DRAIN follows, and the worker is replaced
    TOLD        the answer to ASK
    LEASE_OVER  the listeners are given up; the router accepts again
    TRACED      what became of a request of ``mpserver --trace``

The end of the inbox is the last word in either direction: an interpreter whose router is gone ends, and a router
takes what an interpreter left behind. CROWDED is also what becomes of a message whose descriptors found no room where
it was received (`decode`): the connection goes back then, so that its client is answered.

Between a worker and its master: ASK from the master and TOLD, CHANGED or TRACED from the worker; CONNECTION and SPARE
for another worker, in either direction. And from the master::

    UNSERVED    a connection whose worker hung in or before its request: it is answered with 500 or 503
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import struct

from mpserver.enumeration import IntEnum
from mpserver.errors import StartError, is_crowded
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket


class Kind(IntEnum):
    """The kinds of message, and what the fields of `Message` hold in each (the docstring above tells who sends which).

    Packed is what `mpserver.ipc.plain_data` makes bytes of, for an interpreter may be a process of another account;
    marshalled is what `marshal` does.
    """

    #: A connection. ``state``: what comes along with its request from another interpreter; to the router together
    #: with the interpreter that it belongs to (packed).
    CONNECTION = 1
    #: ``number``: 1 where connections that wait have other workers to go to.
    DRAIN = 2
    STOP = 3
    #: ``number``: the process that it is in.
    READY = 4
    #: ``state``: why, in a line.
    FAILED = 5
    SPARE = 7
    #: ``state``: what was refused, whether the application caught that, the module that takes the place of the
    #: refused one ("": none does), and where the application looks for modules (packed).
    REFUSED = 8
    #: ``state``: the numbers of the connections, see `mpserver.ipc.connection_states`.
    CLOSED = 9
    #: A connection. ``state``: the interpreter that its request goes to, and what goes along, b"": nothing was done of
    #: the request (packed).
    MOVED = 10
    STUCK = 11
    #: ``state``: the seconds until the application may be started again, in decimals.
    BACKOFF = 12
    RETIRE = 13
    #: ``state``: a `mpserver.api.loader.LoadedModule` (packed).
    LOADED = 14
    #: ``state``: why.
    WORN = 15
    #: ``state``: the files and how they look now (packed).
    CHANGED = 16
    #: ``number``: of the question; ``state``: to a worker, what is asked (packed).
    ASK = 17
    #: ``number``: of the question; ``state``: the answer (packed).
    TOLD = 18
    #: ``state``: a list of `mpserver.api.loader.LoadedModule`, all of which have to load (packed).
    PREPARE = 19
    #: ``number``: that of the last connection accepted; ``served``: how many more may be.
    LEASE = 20
    RECALL = 21
    #: ``number``: that of the last connection accepted.
    LEASE_OVER = 22
    #: ``served``: how many connections.
    SHED = 23
    #: ``number``: the connection's; ``served``: the kind of the message that lost its descriptor, 0: none did yet.
    CROWDED = 24
    #: ``number``: how far its request had come in the worker that hung, a `mpserver.ipc.descriptor_marks.Mark`.
    UNSERVED = 25
    #: ``number``: that by which who asked knows the request; ``state``: what is told of it, as JSON.
    TRACED = 26


#: Those that bring a connection.
CONNECTIONS = frozenset({Kind.CONNECTION, Kind.SPARE, Kind.MOVED})

#: Kinds by their number.
_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}

#: In the number of requests served: the connection's request was answered, and only handlers after the answer are to
#: come. It is not the client's connection then, but stands for it.
ANSWERED = 1 << 31
#: The bits of that number.
SERVED = ANSWERED - 1

#: What the origin of a connection begins with that ``mpserver --trace`` has made (`mpserver.serving.traced`).
TRACED = b"TRACE "

#: And that of a client's own connection of which a proxy has told (RemoteIPProxyProtocol).
PROXIED = b"PROXY "

#: Longer data travels in a memfd.
INLINE = 48 * 1024
#: What a message may hold at most.
MESSAGE = 64 * 1024

#: kind, flags, requests served, number of the connection, accept time, entry among the connection states,
#: place in the table of addresses, length of the state, of the origin, and of what the connection carries
_HEADER = struct.Struct("!BBIQdIIIII")
_IN_MEMFD, _HAS_ROPE = 1, 2

_FD = struct.Struct("i")
#: Room for three descriptors.
_RIGHTS = _socket.CMSG_LEN(3 * _FD.size)
#: Programs that applications start get none of what was received.
_CLOEXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)


class Message(NamedTuple):
    """One message; what its fields mean for connections (`Kind` tells it for other messages)."""

    kind: Kind
    #: The descriptor, -1: there is none. It is a duplicate for the receiver; the sender still has its own to close.
    fd: int = -1
    #: What was read from the connection and belongs to no request yet.
    data: bytes = b""
    #: How many requests it has served.
    served: int = 0
    #: Its number, which is unique in a server: the slot of the worker that accepted it is in it.
    number: int = 0
    #: When it was accepted, in seconds since the epoch.
    accepted: float = 0.0
    #: What comes along with its request from another interpreter.
    state: bytes = b""
    #: Its byte among the connection states of a process (`mpserver.ipc.connection_states`), 0: it has none.
    entry: int = 0
    #: Where it really comes from, if that is one that speaks TLS for it (`mpserver.tls.session.pack_origin`); empty: it
    #: is the client's own.
    origin: bytes = b""
    #: What an application has put on it, wherever it goes (`mpserver.serving.luggage`); such a connection stays in
    #: its worker.
    luggage: bytes = b""
    #: The end of a pipe to the interpreter that its request left something in (`mpserver.serving.retained`), which is
    #: told there when the request is over; -1: it left nothing.
    rope: int = -1
    #: Its place in `mpserver.ipc.address_table`; 0: it does not count there.
    place: int = 0

    def close(self) -> None:
        """Close the descriptors, if there are any."""
        if self.fd >= 0:
            os.close(self.fd)
        if self.rope >= 0:
            os.close(self.rope)

    def idle(self) -> Message:
        """The same connection, after its request; close the other end of what that one left elsewhere."""
        if self.rope >= 0:
            os.close(self.rope)
        return self._replace(data=b"", state=b"", luggage=b"", rope=-1)


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of an inbox."""
    import socket  # (in interpreters that begin, ``_socket`` is enough)

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return ours, theirs


def send(inbox: _socket.socket, message: Message, *, wait: bool = True, before: bytes = b"") -> None:
    """Send a message.

    :param wait: whether to wait while the other side's queue is full.
    :param before: bytes that go before it, for whoever passes it on.
    :raises BlockingIOError: the queue is full, and ``wait`` is false.
    :raises OSError: the other side is gone.
    """
    payload, fds, memfd = encode(message)
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else ()
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


def encode(message: Message) -> tuple[bytes, list[int], int]:
    """A message as bytes and descriptors; and the memfd among them, -1 without one.

    :raises OSError: there is no descriptor left for that.
    """
    fds = [message.fd] if message.fd >= 0 else []
    body = message.state + message.origin + message.luggage + message.data
    memfd, flags = -1, 0
    if message.rope >= 0:
        fds.append(message.rope)
        flags = _HAS_ROPE
    if len(body) > INLINE:
        memfd = os.memfd_create("mpserver-message", os.MFD_CLOEXEC)
        try:
            _write_all(memfd, body)
        except OSError:
            os.close(memfd)
            raise
        fds.append(memfd)
        body, flags = b"", flags | _IN_MEMFD
    header = _HEADER.pack(
        message.kind,
        flags,
        message.served,
        message.number,
        message.accepted,
        message.entry,
        message.place,
        len(message.state),
        len(message.origin),
        len(message.luggage),
    )
    return header + body, fds, memfd


def receive(inbox: _socket.socket) -> Message | None:
    """The next message; None at the end of the other side.

    :raises BlockingIOError: there is none yet.
    :raises ValueError: what came is none.
    """
    try:
        payload, rights, flags, _address = inbox.recvmsg(MESSAGE, _RIGHTS, _CLOEXEC)
    except ConnectionResetError:  # the other side has ended, and has not read all of ours: that is said once, and first
        payload, rights, flags, _address = inbox.recvmsg(MESSAGE, _RIGHTS, _CLOEXEC)
    fds = [fd for _level, _kind, data in rights for (fd,) in _FD.iter_unpack(data)]
    if not payload:
        for fd in fds:
            os.close(fd)
        return None
    return decode(payload, fds, bool(flags & _socket.MSG_CTRUNC))


def decode(payload: bytes, fds: list[int], cut: bool = False) -> Message:
    """A message from its bytes and descriptors, which are the caller's now.

    :param cut: some of its descriptors found no room in this process, and are closed already. Then the message
        becomes a ``CROWDED`` one, with its own descriptor where that one found room.
    :raises ValueError: it is none; its descriptors are closed.
    """
    try:
        return _decode(payload, fds, cut)
    except (struct.error, KeyError, IndexError, OSError, MemoryError, OverflowError) as error:
        # (a memfd that is none, or larger than the memory; too few descriptors)
        for fd in fds:
            os.close(fd)
        raise ValueError(f"this is no message: {error!r}") from error


def _decode(payload: bytes, fds: list[int], cut: bool) -> Message:
    """See `decode`. The descriptors that are in the message are taken out of the list."""
    kind, flags, served, number, accepted, entry, place, *lengths = _HEADER.unpack_from(payload)
    state_length, origin_length, luggage_length = lengths
    body = payload[_HEADER.size :]
    if cut:
        for fd in fds[1:]:
            os.close(fd)
        return Message(Kind.CROWDED, fds[0] if fds else -1, b"", kind, number, accepted, b"", entry, place=place)
    its_kind = _KINDS[kind]
    if flags & _IN_MEMFD:
        size = os.fstat(fds[-1]).st_size
        body = os.pread(fds[-1], size, 0)
        os.close(fds.pop())
    if len(fds) > (2 if flags & _HAS_ROPE else 1):
        raise IndexError("too many descriptors")
    rope = fds.pop() if flags & _HAS_ROPE else -1
    fd = fds[0] if fds else -1
    origin_at = state_length
    luggage_at = origin_at + origin_length
    data_at = luggage_at + luggage_length
    return Message(
        its_kind, fd, body[data_at:], served, number, accepted, body[:origin_at], entry,
        body[origin_at:luggage_at], body[luggage_at:data_at], rope, place,
    )  # fmt: skip


def _reason(error: BaseException) -> str:
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
    """The message that an interpreter can't start."""
    text = _reason(error)
    crowded = is_crowded(error) or os.strerror(errno.EMFILE) in text  # (an interpreter's own error comes as text)
    return Message(Kind.CROWDED if crowded else Kind.FAILED, state=text.encode("utf-8", "replace"))


def report(inbox: _socket.socket, error: BaseException) -> None:
    """Tell the worker that the start failed. The caller closes the inbox then."""
    try:
        send(inbox, failure(error))
    except (OSError, MemoryError):
        pass  # the end of the inbox tells as much


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _wait_writable(sock: _socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    poll.poll()
