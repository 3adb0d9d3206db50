"""An encrypted channel over a socket, with the methods of a socket: what is sent and received through it is plain.

It never waits, as the sockets of connections never do: `BlockingIOError` says that the client takes or says nothing
now. It encrypts in memory, so that a response leaves with one system call, as without TLS, and one socket can be read
by one thread while another one writes.
"""

from __future__ import annotations

import _socket
import errno
import os
from _thread import allocate_lock

from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

#: How much is encrypted at a time: then the client has to take it before more is.
PIECE = 1 << 18
#: How much of a file.
FILE_PIECE = 1 << 16
#: How much is read from the socket at a time: some records.
READ = 65536
#: The most that a record holds.
RECORD = 16384
MORE = getattr(_socket, "MSG_MORE", 0)


class Piece(Protocol):
    """A part of a file that is sent, see `mpserver.api.parts.FilePart`."""

    fd: int
    offset: int
    length: int


class Channel:
    """One connection's TLS, the server's side."""

    __slots__ = (
        "_error",
        "_fresh",
        "_gate",
        "_in",
        "_out",
        "_over",
        "_owed",
        "_read",
        "_rest",
        "_want",
        "_write",
        "_zero",
        "object",
        "sock",
    )

    def __init__(self, sock: _socket.socket, context: ssl.SSLContext, data: bytes) -> None:
        """``data``: what was read from the socket already."""
        import ssl

        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._error, self._zero, self._want = ssl.SSLError, ssl.SSLZeroReturnError, ssl.SSLWantReadError
        self.object = context.wrap_bio(self._in, self._out, server_side=True)
        #: What the object's methods of these names call: a record takes hardly longer than such a call.
        inner: Any = self.object._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        self._read: Callable[[int], bytes] = inner.read
        self._write: Callable[[bytes | memoryview], int] = inner.write
        self._in.write(data)
        self._gate = allocate_lock()
        #: What is encrypted, and the client has not taken yet.
        self._rest = b""
        #: How many bytes were encrypted, but not said to be sent: the client has not taken them all.
        self._owed = 0
        #: Nothing was received since the handshake.
        self._fresh = True
        #: Our last word is said.
        self._over = False

    # ---- the handshake

    def shake(self) -> bool:
        """Go on with the handshake, as far as it goes without the client.

        :returns: whether it is done.
        :raises ConnectionError: the client is gone; it speaks no TLS, or none that we speak (`ssl.SSLError` is the
            cause).
        """
        with self._gate:
            try:
                while True:
                    try:
                        self.object.do_handshake()
                        done = True
                        break
                    except self._want:
                        data = self.sock.recv(READ)
                        if not data:
                            raise ConnectionResetError("the client has gone") from None
                        self._in.write(data)
            except BlockingIOError:
                done = False
            except self._error as error:
                self._flush_quietly()  # the alert
                raise ConnectionAbortedError(str(error)) from error
            self._flush_quietly()
        return done

    def _flush_quietly(self) -> None:
        try:
            self._flush()
        except BlockingIOError:
            pass

    @property
    def waits_to_send(self) -> bool:
        """Whether the client has to take something before anything else can happen."""
        return bool(self._rest) or self._out.pending > 0

    # ---- as a socket

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    def recv(self, _size: int, /) -> bytes:
        """All that has come, up to some records; empty at the client's end.

        :raises BlockingIOError: nothing has.
        :raises ConnectionError: the client is gone, or what it sends is no TLS.
        """
        with self._gate:
            if self._over:
                return self.sock.recv(READ)  # nobody cares what it is
            # (what came with the end of the handshake is not looked at yet; later there is at most a part of a record)
            plain: bytes | None = b""
            if self._fresh:
                self._fresh = False
                plain = self._decrypted()
            while not plain:
                data = b"" if plain is None else self.sock.recv(READ)
                if not data:
                    return b""
                self._in.write(data)
                plain = self._decrypted()
            if self._out.pending:
                self._flush_quietly()  # (an answer to a change of keys)
            return plain

    def _decrypted(self) -> bytes | None:
        """What can be decrypted; None: the client has said that it will say no more."""
        incoming = self._in
        found = b""
        try:
            while True:
                data = self._read(RECORD)  # (all of a record: what is left is in ``incoming``)
                if not data:
                    return found or None
                found = found + data if found else data
                if not incoming.pending:
                    return found  # (to find that by reading takes longer than all the rest)
        except self._want:
            return found
        except self._zero:
            return found or None
        except self._error as error:
            self._flush_quietly()
            raise ConnectionAbortedError(str(error)) from error

    def send(self, data: bytes | memoryview, flags: int = 0, /) -> int:
        """Send as much as the client takes now.

        :returns: how many bytes; the same bytes have to come again from there on.
        :raises BlockingIOError: it takes nothing now.
        :raises OSError: it is gone.
        """
        with self._gate:
            if not data:
                return 0
            if self._rest:
                self._flush()
            size, done = len(data), self._owed
            self._owed = 0
            if size > PIECE:
                size = PIECE
            if size > done:
                self._encrypt(data if size == len(data) and not done else memoryview(data)[done:size])
            if not flags & MORE or self._out.pending > PIECE:
                try:
                    self._flush()
                except BlockingIOError:
                    self._owed = 1  # (what was encrypted can't be taken back: so it is owed until all of it is out)
                    if size > 1:
                        return size - 1
                    raise
            return size

    def send_file(self, _fd: int, part: Piece) -> int:
        """As `mpserver.serving.stream.send_file`, encrypted."""
        with self._gate:
            if self._rest:
                self._flush()
            done, self._owed = self._owed, 0
            size = min(part.length, FILE_PIECE)
            if size > done:
                data = os.pread(part.fd, size - done, part.offset + done)
                if not data:
                    raise ConnectionAbortedError(0, "the file became shorter while it was sent")
                size = done + len(data)
                self._encrypt(data)
            try:
                self._flush()
            except BlockingIOError:
                self._owed = 1
                size -= 1
                if not size:
                    raise
            part.offset += size
            part.length -= size
            return size

    def _encrypt(self, data: bytes | memoryview) -> None:
        if self._over:
            raise BrokenPipeError("the channel is closed")
        try:
            self._write(data)
        except self._error as error:
            raise ConnectionAbortedError(str(error)) from error

    def _flush(self) -> None:
        """Send what is encrypted.

        :raises BlockingIOError: not all of it; its ``characters_written`` are those that the client has taken.
        """
        rest = self._rest
        if self._out.pending:
            rest = rest + self._out.read() if rest else self._out.read()
        if rest:
            self._rest = rest
            sent = self.sock.send(rest)
            self._rest = rest[sent:] if sent < len(rest) else b""
            if self._rest:
                raise BlockingIOError(errno.EAGAIN, "the client takes no more now", sent)

    def shutdown(self, how: int, /) -> None:
        """Say that no more will come (RFC 8446 6.1), and shut the socket down. :raises OSError: the client is gone."""
        self._say_goodbye()
        self.sock.shutdown(how)

    def _say_goodbye(self) -> None:
        with self._gate:
            if self._over:
                return
            self._over = True
            try:
                self.object.unwrap()
            except (self._error, ValueError):
                pass  # the client has not said so yet, which need not be waited for
            try:
                self._flush()
            except OSError:
                pass

    def close(self) -> None:
        """Close it, with a last word where the client takes that."""
        self._say_goodbye()
        self.sock.close()

    def setblocking(self, flag: bool, /) -> None:
        """As a socket's; it does not wait all the same."""
        self.sock.setblocking(flag)
