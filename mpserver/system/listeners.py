"""The listening sockets: bound by the master once, kept over restarts, inherited by all workers."""

from __future__ import annotations

import errno
import socket
import struct
from array import array
from collections.abc import Collection, Iterable

from mpserver.errors import StartError
from mpserver.system import port_owner
from mpserver.system.inherited import Inherited, kept_name
from mpserver.system.socket_files import ForeignSocketError, Place, listen_at, permit, place_of, place_of_socket, remove
from mpserver.typing import NamedTuple

#: ListenBackLog where nothing was configured (httpd's default).
BACKLOG = 511

#: The addresses of listeners at every address of the machine.
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - a Listen without an address
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
    """What a Listen directive names; ``host`` None is every address of the machine.

    Or a ``file``, with its mode and whose it is (-1: ours); or the ``name`` of sockets that were passed to the server.
    """

    host: str | None
    port: int
    file: str = ""
    mode: int = 0o660
    uid: int = -1
    gid: int = -1
    name: str = ""

    def __str__(self) -> str:
        if self.file or self.name:
            return f"unix:{self.file}" if self.file else f"fd:{self.name}"
        host = "[::]" if self.host is None else f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Listeners:
    """The open listening sockets by address.

    A restart makes a new one from the old with `following`: addresses that stay keep their socket, so that
    no connection attempt is refused in between.
    """

    __slots__ = ("by_address", "files", "inherited", "stored")

    def __init__(
        self, by_address: dict[Address, list[socket.socket]] | None = None, inherited: Inherited | None = None
    ) -> None:
        """``inherited``: what was passed to the server, and is taken where an address or a name is that of it."""
        self.by_address = {} if by_address is None else by_address
        self.inherited = Inherited() if inherited is None else inherited
        #: Those whose sockets the service manager keeps when the server ends.
        self.stored: set[Address] = set()
        #: The files that we have made.
        self.files: dict[str, Place] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """All sockets, in the order of the Listen directives."""
        return [sock for socks in self.by_address.values() for sock in socks]

    @property
    def lasting(self) -> list[socket.socket]:
        """Those that others have open as well, and that clients may wait at when the server has ended."""
        return self.inherited.systemds + [sock for address in self.stored for sock in self.by_address[address]]

    def add(self, others: Listeners) -> None:
        """Have those of another one, too."""
        self.by_address.update(others.by_address)
        self.files.update(others.files)
        self.stored |= others.stored

    def following(self, addresses: Collection[Address], backlog: int = BACKLOG) -> Listeners:
        """The listeners for these addresses: ours where they stay, new ones where they are new.

        :raises StartError: there is no address, or one can't be bound; what was opened for it is closed again.
        """
        new = Listeners(inherited=self.inherited)
        opened = Listeners()
        try:
            for address in addresses:
                if address in new.by_address:
                    continue
                kept = self._kept(address)
                if kept is None:
                    self._open(address, backlog, opened, addresses)
                    kept = opened.by_address[address]
                new.by_address[address] = kept
                for sock in kept:
                    sock.listen(backlog)
            if not new.by_address:
                raise StartError("AH00451: no listening sockets available, shutting down. Add a Listen directive.")
        except BaseException:
            opened.close()
            raise
        new.stored = (self.stored | opened.stored) & new.by_address.keys()
        files = {**self.files, **opened.files}
        new.files = {file: place for file, place in files.items() if any(one.file == file for one in new.by_address)}
        return new

    def _kept(self, address: Address) -> list[socket.socket] | None:
        """Our own sockets for an address; a file stays the same though others may connect now.

        :raises StartError: that can't be said of it.
        """
        if not address.file:
            return self.by_address.get(address)
        for had, socks in self.by_address.items():
            if had.file == address.file:
                if had.file in self.files and place_of(had.file) is None:
                    return None  # (somebody has removed it: nobody finds the way to that socket)
                if had != address and address.file in self.files:
                    try:
                        permit(address.file, self.files[address.file], address.mode, address.uid, address.gid)
                    except OSError as error:
                        raise _refused(error, str(address), 0) from error
                return socks
        return None

    def _open(self, address: Address, backlog: int, opened: Listeners, all_of_them: Collection[Address]) -> None:
        """Add the sockets for an address to ``opened``. :raises StartError: it can't be bound, or was not passed."""
        found: list[socket.socket] = self.inherited.pop(str(address)) if self.inherited.ours else []
        if found and address.file and place_of(address.file) is None:  # (as in `_kept`)
            for sock in found:
                sock.close()
            found = []
        if not found and not address.name and self.inherited.any:
            found = self._take_kept(address, opened)
        if not found and address.name:
            found = self.inherited.by_name(address.name)
        if not found and self.inherited.any:
            found = self.inherited.at(targets(address))
        if not found:
            if address.file:
                found = bind_file(address, backlog, opened.files)
            else:
                found = bind(address, backlog, self._rival(address, all_of_them))
        opened.by_address[address] = found

    def _rival(self, address: Address, addresses: Iterable[Address]) -> str:
        """How it comes, if an address is taken, that we have its port ourselves; "": we have not."""
        others = [one for one in addresses if one.port == address.port and one != address]
        if not _is_wide(address):
            others = [one for one in others if _is_wide(one)]
        if others:
            return f"Listen {others[0]} has its port, too: leave one of them out"
        found = [str(had) for had in self.by_address if had.port == address.port]
        found += [name for name, sock in self.inherited.left() if sock.getsockname()[1:2] == (address.port,)]
        where = ", ".join(found)
        return (
            where and f"this server listens at {where} itself, and can't change that while it serves. Stop and start it"
        )

    def _take_kept(self, address: Address, opened: Listeners) -> list[socket.socket]:
        """Take the sockets that were kept for an address. :raises StartError: what its file should be, it can't be."""
        found = self.inherited.kept(str(address))
        if found:
            opened.stored.add(address)
        if not found or not address.file:
            return found
        place = place_of_socket(address.file)
        if place is None:  # (somebody has removed it, or put something else there: nobody finds the way to that socket)
            opened.stored.discard(address)
            self.inherited.stale.add(kept_name(str(address)))
            for sock in found:
                sock.close()
            return []
        opened.files[address.file] = place
        try:
            permit(address.file, place, address.mode, address.uid, address.gid)
        except OSError as error:
            raise _refused(error, str(address), 0) from error
        return found

    def own_files(self) -> None:
        """The files are ours from now on: the server that had them is going."""
        for address in self.by_address:
            if address.file and (place := place_of_socket(address.file)) is not None:
                self.files[address.file] = place
        self.permit_again()

    def permit_again(self) -> None:
        """The files have the rights of these addresses, whatever another configuration wanted, or a server before."""
        for address in self.by_address:
            if address.file in self.files:
                try:
                    permit(address.file, self.files[address.file], address.mode, address.uid, address.gid)
                except OSError:
                    pass  # (they stay as they are)

    def unlink(self, but: Listeners | None = None) -> None:
        """Remove the files that we have made, of sockets where nobody can wait any more.

        ``but``: those of it stay; a file that was made anew meanwhile is not the same.
        """
        stored = {address.file for address in self.stored} if but is None else ()
        for file, place in self.files.items():
            if file not in stored and (but is None or but.files.get(file) != place):
                remove(file, place)
        self.files.clear()

    def close(self, but: Listeners | None = None) -> None:
        """Close the sockets, those excepted that another set of listeners has, too."""
        self.unlink(but)
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


def _is_wide(address: Address) -> bool:
    """Whether it is every address of the machine."""
    return address.host is None or address.host in EVERYWHERE


def bind(address: Address, backlog: int = BACKLOG, rival: str = "") -> list[socket.socket]:
    """Bind and listen; a host name with several addresses gives several sockets.

    Without a host the socket takes IPv6 and IPv4 alike, or IPv4 alone where the machine has no IPv6.

    :param rival: who has the port, if somebody has; "": that is to be found out.
    :raises StartError: with httpd's wording.
    """
    if address.host is None:
        try:
            return [_listen(socket.AF_INET6, "::", address.port, backlog)]
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT):
                raise _refused(error, str(address), address.port, rival) from error
        return [_bind_one(socket.AF_INET, "0.0.0.0", address.port, backlog, rival)]  # noqa: S104 - a Listen without an address
    sockets: list[socket.socket] = []
    try:
        for family, host in _resolved(address):
            sockets.append(_bind_one(family, host, address.port, backlog, rival))
    except StartError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def bind_file(address: Address, backlog: int, files: dict[str, Place]) -> list[socket.socket]:
    """The same for a file, which is added to ``files``. :raises StartError: with httpd's wording."""
    try:
        sock, place = listen_at(address.file, backlog, address.mode, address.uid, address.gid)
    except OSError as error:
        raise _refused(error, str(address), 0) from error
    files[address.file] = place
    return [sock]


def _resolved(address: Address) -> list[tuple[int, str]]:
    """The families and addresses that a host has; :raises StartError: it is unknown."""
    try:
        found = socket.getaddrinfo(
            address.host,
            address.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV,
        )
    except (OSError, UnicodeError) as error:
        raise StartError(f"AH00077: could not resolve the address of 'Listen {address}': {error}") from error
    return list(dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found))


def targets(address: Address) -> set[object]:
    """What `bind` would bind for an address, as ``getsockname`` tells of it."""
    if address.file:
        return {address.file}
    if address.host is None:
        return {("::", address.port)}
    return {(host, address.port) for _family, host in _resolved(address)}


def _bind_one(family: int, host: str, port: int, backlog: int, rival: str) -> socket.socket:
    try:
        return _listen(family, host, port, backlog)
    except OSError as error:
        raise _refused(error, str(Address(host, port)), port, rival) from error


def _refused(error: OSError, where: str, port: int, rival: str = "") -> StartError:
    text = f"({error.errno}){error.strerror}: AH00072: make_sock: could not bind to address {where}"
    if isinstance(error, ForeignSocketError):
        text += (
            f": a socket of another account (number {error.uid}) is there, and whether anybody listens at it can't be "
            "said. Remove it where nobody does, or name another file"
        )
    elif error.errno in (errno.EACCES, errno.EPERM) and not port:
        text += " (its folder has to be ours to write, and giving it to others takes the capability CAP_CHOWN)"
    elif error.errno == errno.EADDRINUSE and not port:
        text += ": another server listens there. End that, or name another file"
    elif error.errno == errno.EACCES:
        text += " (ports below 1024 take root, or the capability CAP_NET_BIND_SERVICE)"
    elif error.errno == errno.EADDRINUSE and rival:
        text += f": {rival}"
    elif error.errno == errno.EADDRINUSE and port:
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
