"""Listening sockets that are open before the server is: systemd has them from a ``.socket`` unit (sd_listen_fds(3)).

Or it has kept them since the server ran before (`mpserver.supervisor.fd_store`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, MutableMapping

from mpserver.errors import StartError

#: The number of the first descriptor that is passed.
FIRST = 3
#: How the names begin of those that the server has given to systemd to be kept; as many hexadecimal digits follow. (Who
#: gives a .socket unit no name has that of the unit, such as mpserver-http.socket.)
KEPT, DIGITS = "mpserver-", 32
#: Let the kernel ask no filter any more (Linux).
DETACH_FILTER = 27


class Inherited:
    """The sockets that were passed, and that nobody has taken yet: by names, each in the order in which it came."""

    __slots__ = ("_named", "ours", "stale", "systemds")

    def __init__(self, named: dict[str, list[socket.socket]] | None = None, *, ours: bool = False) -> None:
        self._named = named or {}
        #: They are of the server before this one: their names tell for which addresses, and their files are ours.
        self.ours = ours
        #: Those that somebody else has open as well, who goes on listening when the server ends.
        self.systemds = [
            sock for name, socks in self._named.items() for sock in socks if not ours and not is_kept(name)
        ]
        #: Names of those that were kept and are of no use any more.
        self.stale: set[str] = set()

    @classmethod
    def take(cls, environ: MutableMapping[str, str], *, ours: bool = False) -> Inherited:
        """Those that the environment tells of; its variables go, for they are not meant for applications.

        :param ours: another server of ours has passed them, see `mpserver.supervisor.succession`.
        :raises StartError: one of them is not what a server can accept connections from.
        """
        whose, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
        told = environ.pop("LISTEN_FDNAMES", "").split(":")
        if whose != str(os.getpid()) or not count.isdecimal():
            return cls()
        named: dict[str, list[socket.socket]] = {}
        for number in range(int(count)):
            name = told[number] if number < len(told) else ""
            name = os.fsdecode(bytes.fromhex(name)) if ours else name
            named.setdefault(name or "unknown", []).append(_listener(FIRST + number, name))
        return cls(named, ours=ours)

    def pop(self, name: str) -> list[socket.socket]:
        """Take those of a name, if there are any."""
        return self._named.pop(name, [])

    def kept(self, address: str) -> list[socket.socket]:
        """Take those that were kept for an address, if there are any."""
        return self.pop(kept_name(address))

    def close_kept(self, but: Collection[str] = ()) -> None:
        """Close those that were kept and that nobody has taken, ``but`` some names: they are `stale`."""
        for name in [name for name in self._named if is_kept(name) and name not in but]:
            self.stale.add(name)
            for sock in self._named.pop(name):
                sock.close()

    def left(self) -> list[tuple[str, socket.socket]]:
        """Those that nobody has taken, with their names."""
        return [(name, sock) for name, socks in self._named.items() for sock in socks]

    def close_ours(self) -> None:
        """Close what the server before this one listened at, and this one does not."""
        for name in [name for name in self._named if self.ours and not name.startswith("fd:")]:
            self.stale.add(kept_name(name))
            for sock in self._named.pop(name):
                sock.close()

    @property
    def any(self) -> bool:
        """Whether there are some left."""
        return bool(self._named)

    def by_name(self, name: str) -> list[socket.socket]:
        """Take those of a name.

        :raises StartError: there is none.
        """
        found = self.pop(name)
        if not found:
            passed = ", ".join(sorted(name for name in self._named if not is_kept(name))) or "none"
            raise StartError(
                f"ListenFdName {name}: no socket of that name was passed to the server (there is {passed}). Name one "
                "by FileDescriptorName= in a .socket unit of systemd, and start the server by that"
            )
        return found

    def at(self, names: set[object]) -> list[socket.socket]:
        """Take those that are bound to these addresses, where each of them is there; none otherwise."""
        found = {sock.getsockname(): (name, sock) for name, socks in self._named.items() for sock in socks}
        bound = {_address(name): where for name, where in found.items()}
        if not names or not names <= bound.keys():
            return []
        taken = [bound[name] for name in names]
        for name, sock in taken:
            self._named[name].remove(sock)
            if not self._named[name]:
                del self._named[name]
        return [sock for _name, sock in taken]


def kept_name(address: str) -> str:
    """The name under which systemd keeps the sockets of an address: what it may have in names is little."""
    from hashlib import blake2b  # (interpreters, which have this module, do without)

    return KEPT + blake2b(address.encode("utf-8", "surrogateescape"), digest_size=DIGITS // 2).hexdigest()


def is_kept(name: str) -> bool:
    """Whether a name is one of `kept_name`."""
    digits = name.removeprefix(KEPT)
    return name != digits and len(digits) == DIGITS and set(digits) <= set("0123456789abcdef")


def _address(name: object) -> object:
    """Host and port, or the file, of what ``getsockname`` tells."""
    return name[:2] if isinstance(name, tuple) else name


def _listener(fd: int, name: str) -> socket.socket:
    """:raises StartError: it is no socket that listens for streams."""
    try:
        sock = socket.socket(fileno=os.dup(fd))  # (which is closed by an exec, as all of ours)
        os.close(fd)
        listens = sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartError(f"({error.errno}){error.strerror}: descriptor {fd} ('{name}') that was passed") from error
    if not listens:
        raise StartError(
            f"descriptor {fd} ('{name}') that was passed to the server does not listen for connections: its .socket "
            "unit needs ListenStream=, and Accept=no"
        )
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.SOL_SOCKET, DETACH_FILTER, 0)  # (of a server that turned clients away at its end)
    except OSError:
        pass
    return sock
