"""The connection of a request that asks for another protocol (``Upgrade``, RFC 9110 7.8), which an application speaks.

WSGI has no word for that. Libraries for WebSockets take the client's socket where a server they know has it, and then
speak on it alone. ``gunicorn.socket`` is such a place: it holds an object with the methods of a socket.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from _thread import allocate_lock

from mod_python._wsgi.environ import Environ
from mpserver.api.members import named
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._wsgi.exchange import WsgiExchange
    from mpserver.api.request import Request

#: The name that libraries look for.
KEY = "gunicorn.socket"


def offer(req: Request, environ: Environ, exchange: WsgiExchange) -> None:
    """Put the client's socket into an environ. It is the application's from its first use on, else nothing changes."""
    environ[KEY] = client = ClientSocket(req, exchange)
    req.register_cleanup(ClientSocket.mp_end, client)


@named("socket")
class ClientSocket:
    """The client's socket, for one thread that reads and one that writes, until the request ends.

    It waits as long as it takes, or as its own time-out says: Timeout is about HTTP.
    """

    def __init__(self, req: Request, exchange: WsgiExchange) -> None:
        self._req, self._exchange = req, exchange
        self._timeout: float | None = None
        self._gate = allocate_lock()
        #: What came and was not asked for.
        self._rest = b""
        #: A descriptor of our own: the connection's may belong to another one when the request is over.
        self._fd = -1
        self._over = False

    def _take(self) -> Any:
        """The connection; it is the application's from now on. :raises OSError: the request is over."""
        with self._gate:
            if self._over:
                raise OSError(errno.EBADF, "the request of this socket is over")
            link = self._req.mp_link
            if self._fd < 0:
                self._fd = os.dup(link.fd)
                self._exchange.hand_over()
            return link

    def mp_end(self) -> None:
        """The request is over: who waits for the client still, in another thread, hears that it has gone."""
        with self._gate:
            self._over = True
            fd, self._fd = self._fd, -1
        if fd >= 0:
            with socket.socket(fileno=fd) as own:
                try:
                    own.shutdown(socket.SHUT_RD)
                except OSError:
                    pass  # the client was faster

    def _until(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout

    def _wait(self, event: int, until: float | None) -> None:
        """Wait for the client.

        :raises TimeoutError: it took too long.
        :raises BlockingIOError: nobody wants to wait.
        """
        if until is not None and self._timeout == 0:
            raise BlockingIOError(errno.EAGAIN, "the client is not ready")
        with self._gate:
            if self._over:
                return
            fd = os.dup(self._fd)  # (the end of the request, which may come meanwhile, closes that one)
        try:
            poll = select.poll()
            poll.register(fd, event)
            if not poll.poll(None if until is None else max(until - time.monotonic(), 0) * 1000):
                raise TimeoutError("timed out")
        finally:
            os.close(fd)

    # ---- what a socket does

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """At most so many bytes, waiting for the first; none once the client has closed, or the request is over.

        :raises OSError: the client is gone, or was silent for longer than the time-out; or ``flags`` has any.
        """
        if flags:
            raise OSError(errno.EOPNOTSUPP, "this socket knows no flags")
        until = self._until()
        while not self._rest:
            try:
                link = self._take()
                data = link.take_read() or link.sock.recv(bufsize)
            except BlockingIOError:
                self._wait(select.POLLIN, until)
            except OSError:
                if self._over:
                    return b""
                raise
            else:
                if not data:
                    return b""
                self._rest = data
        data, self._rest = self._rest[:bufsize], self._rest[bufsize:]
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `recv`, into a buffer. :returns: how many bytes."""
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send bytes. :returns: how many. :raises OSError: the client is gone, or took none within the time-out."""
        if flags:
            raise OSError(errno.EOPNOTSUPP, "this socket knows no flags")
        link, until = self._take(), self._until()
        while True:
            try:
                sent: int = link.sock.send(data)
            except BlockingIOError:
                self._wait(select.POLLOUT, until)
            else:
                return sent

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it. :raises OSError: see `send`."""
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view, flags) :]

    def fileno(self) -> int:
        """Its descriptor, to wait for the client with."""
        self._take()
        return self._fd

    def shutdown(self, how: int) -> None:
        """Say no more, or hear no more."""
        self._take()
        with socket.socket(fileno=os.dup(self._fd)) as own:
            own.shutdown(how)

    def close(self) -> None:
        """Nothing: the server closes the connection when the request ends."""

    def settimeout(self, value: float | None) -> None:
        """How long it waits for the client, in seconds; None: as long as it takes."""
        self._timeout = value

    def gettimeout(self) -> float | None:
        """See `settimeout`."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Whether it waits."""
        self._timeout = None if flag else 0.0

    def getpeername(self) -> tuple[str, int]:
        """The client's address."""
        return self._req.connection.client_addr

    def getsockname(self) -> tuple[str, int]:
        """The server's address."""
        return self._req.connection.local_addr

    def setsockopt(self, *arguments: Any) -> None:
        """Set an option, as of TCP."""
        self._take()
        with socket.socket(fileno=os.dup(self._fd)) as own:
            own.setsockopt(*arguments)
