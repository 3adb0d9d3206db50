"""Connections to the servers behind this one: made when they are needed, and used again.

One `Backends` belongs to each interpreter; its threads share it. A server that no connection could be made to is left
alone for the time of ``retry``, as in httpd.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import time
from _thread import allocate_lock
from functools import partial

from mpserver.api.tasks import MAY_BLOCK, Apart, Wait
from mpserver.errors import ClientGone
from mpserver.modules.proxy import Parameter
from mpserver.modules.proxy.targets import Target
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

#: Seconds for which a server is left alone that could not be reached.
RETRY = 60
#: So much is read at a time.
PIECE = 65536


class Refused(Exception):
    """A server can't be asked: the status that the client gets, and why."""

    def __init__(self, status: int, reason: str, *, is_unreached: bool = False) -> None:
        """``is_unreached``: there was no connection, so that nothing of the request was heard."""
        super().__init__(reason)
        self.is_unreached = is_unreached
        self.status = status
        self.reason = reason


class Wire(Protocol):
    """A socket, or what encrypts it; neither waits."""

    def recv(self, size: int, /) -> bytes:
        """What has come. :raises BlockingIOError: nothing has."""

    def send(self, data: bytes | memoryview, /) -> int:
        """Send. :returns: how much the other side takes now. :raises BlockingIOError: it takes nothing."""

    def close(self) -> None:
        """End it."""


class Encryptor(Protocol):
    """Speaks TLS with a server."""

    def wrap(self, sock: _socket.socket, host: str, timeout: float, /) -> Wire:
        """Begin with a connected socket. :raises Refused: it does not, or shows no certificate that we trust."""


class Upstream(Wait):
    """A connection to a server behind this one."""

    __slots__ = ("_backends", "_key", "is_reused", "since", "wire")

    def __init__(self, backends: Backends, key: str, fd: int, wire: Wire) -> None:
        super().__init__(fd)
        self._backends, self._key = backends, key
        self.wire = wire
        #: It has served a request already.
        self.is_reused = False
        #: When its last request was over, by the monotonic clock.
        self.since = 0.0

    def close(self) -> None:
        """End it."""
        if self.fd >= 0:
            self.unwatch()
            self.fd = -1
            self._backends.leave(self._key)
            self.wire.close()

    def keep(self) -> None:
        """It can have another request."""
        self.is_reused = True
        self.since = time.monotonic()
        loop = self.loop
        if loop is not None:
            loop.hand(self.fd, self._on_idle)
            if self.watched != select.POLLIN:
                self.watched = select.POLLIN
                loop.change(self.fd, select.POLLIN)
        self._backends.put_back(self._key, self)

    def _on_idle(self, _event: int) -> None:
        """Nobody has asked it for anything, and it has ended, or says something."""
        if self._backends.take_out(self._key, self):
            self.close()

    def wait(self, event: int, timeout: float) -> None:
        """Wait for an event of ``select.poll``. :raises TimeoutError: it did not come in so many seconds."""
        poll = select.poll()
        poll.register(self.fd, event)
        if not poll.poll(timeout * 1000):
            raise TimeoutError

    def send(self, data: bytes, timeout: float) -> None:
        """Send all. :raises OSError: the server is gone, or took nothing within the time (TimeoutError)."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.wire.send(view) :]
            except BlockingIOError:
                self.wait(select.POLLOUT, timeout)

    @property
    def is_silent(self) -> bool:
        """Whether it is open, and nothing has come that nobody asked for."""
        try:
            self.wire.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False


class Backends:
    """All connections of an interpreter, by the servers."""

    def __init__(self) -> None:
        self._gate = allocate_lock()
        self._idle: dict[str, list[Upstream]] = {}
        #: How many are open, those that are idle too.
        self._open: dict[str, int] = {}
        #: Until when servers are left alone.
        self._failed: dict[str, float] = {}

    # ---- which can be asked

    def fails(self, key: str) -> bool:
        """Whether a server is left alone."""
        return self._failed.get(key, 0.0) > time.monotonic()

    def failed(self, key: str, parameters: Mapping[str, Parameter]) -> None:
        """A server could not be reached."""
        retry = float(parameters.get("retry", RETRY))
        if retry and "I" not in str(parameters.get("status", "")):
            self._failed[key] = time.monotonic() + retry

    def recovered(self, key: str) -> None:
        """It has answered."""
        self._failed.pop(key, None)

    # ---- connections

    def connected(
        self, key: str, target: Target, parameters: Mapping[str, Parameter], timeout: float, source: str | None,
        encryptor: Encryptor | None, *, fresh: bool = False,
    ) -> Generator[Any, Any, Upstream]:  # fmt: skip
        """A connection that can have a request, as a task returns it.

        :param key: what connections are found by.
        :param timeout: in seconds, where the parameters say nothing of it.
        :param source: the address that it comes from.
        :param encryptor: speaks TLS; None: nobody does.
        :param fresh: a new one.
        :raises Refused: there is none.
        """
        ttl = 0.0 if fresh else float(parameters.get("ttl", 0))
        if not fresh and (found := self.kept(key, ttl)) is not None:
            return found
        most = int(parameters.get("max", 0))
        if not most:
            with self._gate:
                self._open[key] = self._open.get(key, 0) + 1
        elif not self._enter(key, most):
            yield MAY_BLOCK
            acquire = float(parameters.get("acquire", timeout))
            if (found := self._await_room(key, most, acquire, fresh, ttl)) is not None:
                return found
        patience = float(parameters.get("connectiontimeout", parameters.get("timeout", timeout)))
        try:
            sock = yield from _dial(target, patience, source)
        except BaseException:
            self.leave(key)
            raise
        if parameters.get("keepalive"):
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
        upstream = Upstream(self, key, sock.fileno(), sock)
        if encryptor is not None:
            try:
                yield MAY_BLOCK
                upstream.wire = encryptor.wrap(sock, target.host, patience)
            except BaseException:
                upstream.close()
                raise
        return upstream

    def kept(self, key: str, ttl: float) -> Upstream | None:
        """One that is open and has no request.

        :param ttl: how long it may have been idle, in seconds; 0: as long as it likes.
        """
        while True:
            with self._gate:
                idle = self._idle.get(key)
                found = idle.pop() if idle else None
            if found is None or (found.is_silent and not (ttl and time.monotonic() - found.since > ttl)):
                return found
            found.close()

    def take_out(self, key: str, upstream: Upstream) -> bool:
        """A connection that waits for its next request has none any more. :returns: whether it did wait."""
        with self._gate:
            idle = self._idle.get(key, [])
            waits = upstream in idle
            if waits:
                idle.remove(upstream)
            return waits

    def put_back(self, key: str, upstream: Upstream) -> None:
        """A connection waits for its next request."""
        with self._gate:
            self._idle.setdefault(key, []).append(upstream)

    def leave(self, key: str) -> None:
        """A connection is closed."""
        with self._gate:
            self._open[key] -= 1

    def _enter(self, key: str, most: int) -> bool:
        """Count one more, where there are fewer than ``max``. :returns: whether that is so."""
        with self._gate:
            count = self._open.get(key, 0)
            if count >= most:
                return False
            self._open[key] = count + 1
            return True

    def _await_room(self, key: str, most: int, patience: float, fresh: bool, ttl: float) -> Upstream | None:
        """Wait until a connection is idle, or there are fewer than ``max``: then one more is counted."""
        until = time.monotonic() + patience
        while not self._enter(key, most):
            if (found := self.kept(key, ttl)) is not None:
                if not fresh:
                    return found
                found.close()  # (it makes room)
                continue
            if time.monotonic() > until:
                raise Refused(503, f"no connection was free within {patience:g} s: {most} are in use (max)")
            time.sleep(0.005)
        return None

    def close(self) -> None:
        """End those that wait."""
        with self._gate:
            idle = [upstream for each in self._idle.values() for upstream in each]
            self._idle.clear()
        for upstream in idle:
            upstream.close()


def _dial(target: Target, timeout: float, source: str | None) -> Generator[Any, Any, _socket.socket]:
    """A connected socket that does not wait, as a task returns it. :raises Refused: there is none."""
    if target.socket:
        made = yield from _connected(_socket.AF_UNIX, target.socket, target.name, timeout, None)
        return made
    import socket  # (names are looked up by its parts only)

    look_up = partial(socket.getaddrinfo, target.host, target.port, type=_socket.SOCK_STREAM)
    try:
        # (what is an address asks nobody)
        found = look_up() if _is_address(target.host) else (yield Apart(look_up))
    except ClientGone:
        raise
    except (OSError, UnicodeError) as error:
        raise Refused(502, f"DNS lookup failure for: {target.host} ({error})") from error
    failure: Refused | None = None
    for family, _kind, _protocol, _name, address in found:
        try:
            made = yield from _connected(family, address, target.name, timeout, source)
            return made
        except Refused as error:
            failure = error
    raise failure or Refused(502, f"{target.host} has no address")


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()


def _connected(
    family: int, address: object, name: str, timeout: float, source: str | None
) -> Generator[Any, Any, _socket.socket]:
    sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        if family != _socket.AF_UNIX:
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            if source is not None:
                sock.bind((source, 0))
        error = sock.connect_ex(address)  # type: ignore[arg-type]
        if error == errno.EINPROGRESS:
            wait = Wait(sock.fileno(), select.POLLOUT, timeout)
            try:
                event = yield wait
            finally:
                wait.unwatch()
            if not event:
                raise Refused(
                    503, f"attempt to connect to {name} failed: no answer within {timeout:g} s", is_unreached=True
                )
            error = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if error:
            raise Refused(503, f"attempt to connect to {name} failed: {os.strerror(error)}", is_unreached=True)
    except ClientGone:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise Refused(503, f"attempt to connect to {name} failed: {error.strerror}", is_unreached=True) from error
    except BaseException:
        sock.close()
        raise
    return sock
