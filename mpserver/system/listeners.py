"""The listening sockets: bound by the master once, kept over restarts, inherited by all workers."""

from __future__ import annotations

import errno
import socket
import struct
from array import array
from collections.abc import Iterable

from mpserver.errors import StartError
from mpserver.system import port_owner
from mpserver.typing import NamedTuple

#: ListenBackLog where nothing was configured (httpd's default).
BACKLOG = 511

#: The addresses of listeners at every address of the machine.
EVERYWHERE = ("0.0.0.0", "::")
#: Let the kernel ask a filter about each packet (Linux; `socket` does not name it).
ATTACH_FILTER = 26
#: A filter as (code, where to if so, where to if not, value) that drops what asks for a new connection, a TCP head
#: with SYN and without ACK, and nothing else.
NO_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # and SYN | ACK
    (0x15, 0, 1, 0x02),  # if it is SYN:
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # take
)


class Address(NamedTuple):
    """What a Listen directive names; ``host`` None is every address of the machine."""

    host: str | None
    port: int

    def __str__(self) -> str:
        host = "[::]" if self.host is None else f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Listeners:
    """The open listening sockets by address.

    A restart makes a new one from the old with `following`: addresses that stay keep their socket, so that
    no connection attempt is refused in between.
    """

    __slots__ = ("by_address",)

    def __init__(self, by_address: dict[Address, list[socket.socket]] | None = None) -> None:
        self.by_address = {} if by_address is None else by_address

    @property
    def sockets(self) -> list[socket.socket]:
        """All sockets, in the order of the Listen directives."""
        return [sock for socks in self.by_address.values() for sock in socks]

    def following(self, addresses: Iterable[Address], backlog: int = BACKLOG) -> Listeners:
        """The listeners for these addresses: ours where they stay, new ones where they are new.

        :raises StartError: there is no address, or one can't be bound; what was opened for it is closed again.
        """
        new: dict[Address, list[socket.socket]] = {}
        opened: list[socket.socket] = []
        try:
            for address in addresses:
                if address in new:
                    continue
                kept = self.by_address.get(address)
                new[address] = bind(address, backlog) if kept is None else kept
                if kept is None:
                    opened += new[address]
            if not new:
                raise StartError("AH00451: no listening sockets available, shutting down. Add a Listen directive.")
        except StartError:
            for sock in opened:
                sock.close()
            raise
        return Listeners(new)

    def close(self, but: Listeners | None = None) -> None:
        """Close the sockets, those excepted that another set of listeners has, too."""
        kept = set() if but is None else {id(sock) for sock in but.sockets}
        for sock in self.sockets:
            if id(sock) not in kept:
                sock.close()


class Acceptor:
    """Takes connections from a listener."""

    __slots__ = ("_family", "_take", "local")

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        name = listener.getsockname()
        #: The local address of all its connections; None where each has to be asked.
        self.local: object = None if name[0] in EVERYWHERE else name
        self._take = listener._accept  # type: ignore[attr-defined]  # noqa: SLF001  (which socket.accept itself uses)
        self._family = int(listener.family)

    def accept(self) -> tuple[socket.SocketType, object]:
        """The next connection and its client's address.

        It is what `socket.accept` does, without the enumeration's member for each fact of each socket.

        :raises BlockingIOError: there is none.
        :raises OSError: the system has no room for one.
        """
        fd, peer = self._take()
        return socket.SocketType(self._family, socket.SOCK_STREAM, 0, fd), peer


def turn_away(listeners: Iterable[socket.socket]) -> None:
    """Let no new client in, so that those who wait at the listeners can be served before these are closed.

    Closing one resets them. Who is turned away hears nothing, asks again within a second or so, as TCP does, and is
    refused then, for the port is closed. Where the kernel has no such filters, nothing happens.
    """
    code = array("B", b"".join(struct.pack("HBBI", *step) for step in NO_NEW_CONNECTIONS))
    program = struct.pack("HP", len(NO_NEW_CONNECTIONS), code.buffer_info()[0])
    for listener in listeners:
        try:
            listener.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)
        except OSError:
            pass


def bind(address: Address, backlog: int = BACKLOG) -> list[socket.socket]:
    """Bind and listen; a host name with several addresses gives several sockets.

    Without a host the socket takes IPv6 and IPv4 alike, or IPv4 alone where the machine has no IPv6.

    :raises StartError: with httpd's wording.
    """
    if address.host is None:
        try:
            return [_listen(socket.AF_INET6, "::", address.port, backlog)]
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT):
                raise _refused(error, str(address), address.port) from error
        return [_bind_one(socket.AF_INET, "0.0.0.0", address.port, backlog)]
    try:
        found = socket.getaddrinfo(
            address.host,
            address.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV,
        )
    except OSError as error:
        raise StartError(f"AH00077: could not resolve the address of 'Listen {address}': {error}") from error
    targets = dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found)
    sockets: list[socket.socket] = []
    try:
        for family, host in targets:
            sockets.append(_bind_one(family, host, address.port, backlog))
    except StartError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_one(family: int, host: str, port: int, backlog: int) -> socket.socket:
    try:
        return _listen(family, host, port, backlog)
    except OSError as error:
        raise _refused(error, str(Address(host, port)), port) from error


def _refused(error: OSError, where: str, port: int) -> StartError:
    text = f"({error.errno}){error.strerror}: AH00072: make_sock: could not bind to address {where}"
    if error.errno == errno.EACCES:
        text += " (ports below 1024 take root, or the capability CAP_NET_BIND_SERVICE)"
    elif error.errno == errno.EADDRINUSE:
        text += port_owner.told(port)
    return StartError(text)


def _listen(family: int, host: str, port: int, backlog: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" without a host takes IPv4, too; an address that was named is meant as it is.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind((host, port))
        sock.listen(backlog)
        # Responses leave at once; connections inherit it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Several workers wait for the same connection: those who come late must not block in accept.
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
