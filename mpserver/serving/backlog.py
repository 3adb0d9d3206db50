"""What a request has written and its client has not taken yet: it waits beside the handler, which goes on.

Up to `ResponseRoom.memory` bytes wait in memory, as many as `ResponseRoom.file` in a file without a name (a ring: what
was sent makes room). Parts of files wait as they are. Beyond that the handler waits for its client, as long as that
takes anything within Timeout. While the handler runs, the interpreter's courier (`mpserver.serving.courier`) sends;
once the response is complete, what is left is the event loop's.
"""

from __future__ import annotations

import os
import select
import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable

from mpserver.api import error_log as levels
from mpserver.api.parts import FilePart, Part, ReadPart
from mpserver.errors import ClientGone
from mpserver.modules.core import ResponseRoom
from mpserver.system.unnamed_files import unnamed_file
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.ipc.slow_clients import SlowClients
    from mpserver.serving.courier import Courier

#: Longer bytes are kept in pieces: what is left of one when a part of it was sent is copied.
PIECE = 1 << 16
#: Shorter bytes join those before them.
SHORT = 1 << 14
#: Before anything goes to the file, a handler waits a moment for its client, for a quick one is not worth a file: so
#: long for each byte that it has taken, and so long at most, in seconds.
PATIENCE_PER_BYTE = 1 / (1 << 26)
PATIENCE = 0.01
#: So many parts of files may wait, each with a descriptor.
FILES = 8


class Sender(Protocol):
    """The connection."""

    fd: int
    sock: Any
    #: Sends a part of a file: see `mpserver.serving.stream.send_file`.
    send_file: Callable[[int, FilePart], int]
    #: Timeout, in seconds.
    timeout: float


class Spool:
    """A file without a name; it is closed when nobody refers to it."""

    __slots__ = ("_size", "_slow_clients", "fd")

    def __init__(self, directory: str, slow_clients: SlowClients | None) -> None:
        """:raises OSError: there can be none in that directory."""
        self.fd, self._size, self._slow_clients = -1, 0, slow_clients
        self.fd = unnamed_file(directory, "response")

    def write(self, data: bytes, at: int) -> int:
        """Write data to a place. :returns: how much of it; 0: the server keeps too much already.

        :raises OSError: the disk has no room.
        """
        more = at + len(data) - self._size
        if more > 0:
            if self._slow_clients is not None and not self._slow_clients.disk.take(more):
                return 0
            self._size += more
        return os.pwrite(self.fd, data, at)

    def __del__(self) -> None:
        if self.fd >= 0:
            if self._slow_clients is not None:
                self._slow_clients.disk.give(self._size)
            os.close(self.fd)  # (last: who sees it gone finds room)


class SpooledPart(ReadPart):
    """A part of a response in its spool.

    It is copied out: what sendfile has sent are still the pages of the file, and the file is a ring.
    """

    __slots__ = ("_spool",)

    def __init__(self, spool: Spool, offset: int, length: int) -> None:
        super().__init__(spool.fd, offset, length)
        self._spool: Spool | None = spool

    def close(self) -> None:
        """It is sent, or given up: another part may need the file still."""
        self.fd, self._spool = -1, None


def _always() -> bool:
    """What tells that who writes may wait."""
    return True


class Backlog:
    """The backlog of one connection's response; any thread may use it."""

    __slots__ = (
        "_counted", "_courier", "_failure", "_gate", "_is_silent", "_link", "_log", "_may_wait", "_memory", "_moved",
        "_parts", "_patience", "_room", "_slow_clients", "_spool", "fd",
    )  # fmt: skip

    def __init__(
        self, link: Sender, room: ResponseRoom, courier: Courier | None, slow_clients: SlowClients | None,
        log: ErrorLog, may_wait: Callable[[], bool] = _always,
    ) -> None:  # fmt: skip
        """``courier``: None where nobody can send but who writes, who then waits for the client.

        ``may_wait`` tells whether who writes may do that. One who may not writes a few pieces beyond what there is room
        for, and sees then that the client is behind.
        """
        self._link, self._room, self._log = link, room, log
        self._slow_clients = slow_clients
        #: How many bytes in memory are counted there.
        self._counted = 0
        self._courier, self._may_wait = courier, may_wait
        self.fd = link.fd
        self._gate = allocate_lock()
        self._parts: deque[Part] = deque()
        #: How many bytes of them are in memory.
        self._memory = 0
        self._spool: Spool | None = None
        #: When the client has last taken anything, ``time.monotonic()``.
        self._moved = 0.0
        self._patience = PATIENCE
        #: Why nothing can be sent any more, and whether that is because of Timeout; empty: it can.
        self._failure, self._is_silent = "", False

    # ---- for the handler

    def send(self, parts: list[Part]) -> None:
        """Send all, as far as the client takes it now, and keep the rest.

        :raises ClientGone: the client left, or has taken nothing within Timeout.
        """
        with self._gate:
            self._take(parts)
            if self._parts and (self._courier is None or not self._courier.add(self)) and self._may_wait():
                self._wait_for_all()

    def drain(self) -> None:
        """Wait until the client has taken all. :raises ClientGone: it does not."""
        with self._gate:
            self._check()
            self._wait_for_all()

    def finish(self, parts: list[Part]) -> list[Part]:
        """The response is complete; `drop` follows once it is sent.

        :returns: what is left to be sent.
        :raises ClientGone: see `send`.
        """
        with self._gate:
            self._take(parts)
            self._check()  # (where there was nothing to take, too: a response of which parts were dropped is not whole)
            return self._leave()

    def rest(self) -> list[Part]:
        """The response is given up: what was written of it is sent all the same. :returns: that."""
        with self._gate:
            return self._leave()

    def drop(self) -> None:
        """The connection is closed."""
        with self._gate:
            for part in self._leave():
                if isinstance(part, FilePart):
                    part.close()
            self._uncount(self._counted)

    # ---- for the courier

    def go_on(self) -> None:
        """The client may take more."""
        with self._gate:
            self._push()
            if not self._parts:
                self._retire()

    def expire(self, now: float) -> None:
        """See whether the client still takes anything; ``now``: ``time.monotonic()``."""
        with self._gate:
            if self._parts and now - self._moved > self._link.timeout:
                self._be_silent()

    def broken(self, why: str) -> None:
        """The server itself fails to send."""
        with self._gate:
            self._fail(why)

    # ---- for who has the gate

    def _check(self) -> None:
        if self._failure:
            raise ClientGone(self._failure) from (TimeoutError() if self._is_silent else None)

    def _take(self, parts: list[Part]) -> None:
        for index, part in enumerate(parts):
            try:
                self._check()
                if isinstance(part, FilePart):
                    self._add_file(part)
                else:
                    self._add(part)
            except BaseException:
                for given_up in parts[index:]:
                    if isinstance(given_up, FilePart):
                        given_up.close()
                raise

    def _add_file(self, part: FilePart) -> None:
        while sum(isinstance(one, FilePart) for one in self._parts) >= FILES:
            self._wait()
        self._append(part)

    def _add(self, data: bytes) -> None:
        if len(data) > PIECE:
            for at in range(0, len(data), PIECE):
                self._add(data[at : at + PIECE])
            return
        while data:
            if not self._parts:
                self._memory += len(data)
                self._append(data)
                return
            has_room = self._memory + len(data) <= self._room.memory and self._count(len(data))
            if has_room or not self._may_wait():
                last = self._parts[-1]
                self._memory += len(data)
                if not isinstance(last, FilePart) and len(last) + len(data) <= SHORT:
                    self._parts[-1] = last + data
                else:
                    self._parts.append(data)
                return
            if self._patience > 0.0 and self._pause():
                continue
            written = self._write(data)
            data = data[written:]
            if not written:
                self._wait()

    def _count(self, size: int) -> bool:
        """Count more bytes in memory. :returns: whether there is room for them."""
        if self._slow_clients is not None:
            if not self._slow_clients.memory.take(size):
                return False
            self._counted += size
        return True

    def _uncount(self, size: int) -> None:
        if self._counted and self._slow_clients is not None:
            size = min(size, self._counted)
            self._slow_clients.memory.give(size)
            self._counted -= size

    def _append(self, part: Part) -> None:
        is_first = not self._parts
        self._parts.append(part)
        if is_first:
            self._moved = time.monotonic()
            self._push()
            self._check()

    def _write(self, data: bytes) -> int:
        """Keep data in the file. :returns: how much of it; 0: there is no room."""
        most, parts = self._room.file, self._parts
        if not most:
            return 0
        spooled = [part for part in parts if isinstance(part, SpooledPart)]
        at = (spooled[-1].offset + spooled[-1].length) % most if spooled else 0
        size = min(len(data), most - at, most - sum(part.length for part in spooled))
        if not size:
            return 0
        try:
            if self._spool is None:
                self._spool = Spool(self._room.directory, self._slow_clients)
            size = self._spool.write(data[:size], at)
        except OSError as error:
            self._room = self._room._replace(file=0)
            self._log.log(
                levels.WARN,
                f"a response can't be kept in {self._room.directory}, so that its handler waits for the client: "
                f"{error.strerror}",
            )
            return 0
        if not size:
            return 0
        last = parts[-1]
        if isinstance(last, SpooledPart) and last.offset + last.length == at:
            last.length += size
        else:
            parts.append(SpooledPart(self._spool, at, size))
        return size

    def _push(self) -> None:
        """Send what the client takes now."""
        parts, link = self._parts, self._link
        try:
            while parts:
                part = parts[0]
                if isinstance(part, FilePart):
                    while part.length:
                        link.send_file(link.fd, part)
                        self._moved = time.monotonic()
                    part.close()
                else:
                    sent = link.sock.send(part)
                    self._moved = time.monotonic()
                    self._memory -= sent
                    self._patience = min(self._patience + sent * PATIENCE_PER_BYTE, PATIENCE)
                    self._uncount(sent)
                    if sent < len(part):
                        parts[0] = part[sent:]
                        continue
                parts.popleft()
        except BlockingIOError as error:
            if getattr(error, "characters_written", 0):  # (over TLS: of what was encrypted before)
                self._moved = time.monotonic()
            return
        except OSError as error:
            self._fail(f"the client closed the connection ({error.strerror})")
        self._spool = None

    def _wait_for_all(self) -> None:
        while self._parts:
            self._wait()

    def _wait(self) -> None:
        """Wait until the client takes something. :raises ClientGone: it does not."""
        if self._can_send(self._moved + self._link.timeout - time.monotonic()):
            self._push()
        else:
            self._be_silent()
        self._check()

    def _pause(self) -> bool:
        """Wait a moment for the client. :returns: whether it has taken something. :raises ClientGone: it is gone."""
        began = time.monotonic()
        ready = self._can_send(self._patience)
        self._patience -= time.monotonic() - began
        if ready:
            self._push()
        self._check()
        return ready or not self._parts  # (the courier was about to send, and has sent all)

    def _can_send(self, left: float) -> bool:
        """Whether the client takes something within some seconds."""
        self._retire()
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        self._gate.release()
        try:
            return left > 0.0 and bool(poll.poll(left * 1000))
        finally:
            self._gate.acquire()

    def _be_silent(self) -> None:
        self._is_silent = True
        self._fail(f"the client was silent for {self._link.timeout:g} s (Timeout)")

    def _fail(self, why: str) -> None:
        self._failure = why
        for part in self._leave():
            if isinstance(part, FilePart):
                part.close()

    def _leave(self) -> list[Part]:
        """Nothing is kept here any more. :returns: what was."""
        self._retire()
        parts = list(self._parts)
        self._parts.clear()
        self._memory, self._spool = 0, None
        return parts

    def _retire(self) -> None:
        if self._courier is not None:
            self._courier.remove(self)
