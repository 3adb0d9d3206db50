"""The client of ``mpserver --trace``, in the worker that the master asks: it makes the request, and takes the answer.

What became of the request is told elsewhere (`mpserver.serving.traced`): the two come in any order.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from mpserver.http1.head import parse_head
from mpserver.ipc import messages
from mpserver.serving.traced import pack_origin
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.phases.planner import TracedAddress
    from mpserver.routing.router import Router

#: How long an answer may take, in seconds; and how many bytes of it are told.
WITHIN, HEAD = 60.0, 32768


class Client:
    """Reads the answer until its end."""

    def __init__(self, router: Router, sock: socket.socket, answer: Callable[[Any], None]) -> None:
        """``answer`` gets why there is no answer, its first bytes, and its length."""
        self._loop, self._sock, self._answer = router.loop, sock, answer
        self._head, self._length = b"", 0
        self.deadline = time.monotonic() + WITHIN
        sock.setblocking(False)
        self._loop.add(sock.fileno(), self._on_event)
        self._loop.watch(self)

    def _on_event(self, _event: int) -> None:
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._head += data[: HEAD - len(self._head)]
            self._length += len(data)
        else:
            self._end("")

    def expire(self, _now: float) -> None:
        """It takes too long."""
        self._end(f"the answer has not ended after {WITHIN:g} seconds: --stacks shows where an interpreter is")

    def _end(self, why: str) -> None:
        self._loop.remove(self._sock.fileno())
        self._loop.unwatch(self)
        self._sock.close()
        self._answer((why, self._head, self._length))


def ask(router: Router, data: bytes, local: TracedAddress, tls: bool, answer: Callable[[Any], None]) -> None:
    """Make a request.

    :param data: its head.
    :param local: the address that it comes in at, and the number of who asks.
    :param tls: whether it is as if it had come over TLS.
    """
    try:
        default = router.host_of(local, None)
        head = parse_head(data, default.limits, None)
        if head is None:
            raise ValueError("the request has no end")
        host = router.host_of(local, head.host)
    except Exception as error:
        answer((f"the request can't be made: {error}", b"", 0))
        return
    where = f"{local[0]} port {local[1]}"
    if default.site.takes_connections:
        answer((f"{where} is served by a connection handler (PythonConnectionHandler), which has no requests", b"", 0))
        return
    if tls != (default.tls is not None):
        says = "speaks no TLS: ask with http://" if tls else "speaks TLS: ask with https://"
        answer((f"{where} {says}", b"", 0))
        return
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:
        answer((f"the request can't be made: {os.strerror(error.errno or 0)}", b"", 0))
        return
    Client(router, ours, answer)
    origin = pack_origin(local, host, head.host, tls)
    router.take(messages.Message(messages.Kind.CONNECTION, theirs.detach(), data, accepted=time.time(), origin=origin))
