"""Addresses of sockets, as connections tell them: an IPv4 address is never written as one of IPv6."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api.connection import Address

#: Who connects by a file (``Listen unix:PATH``), and where to: so both count for virtual hosts, ``Require`` and logs.
FILE_CLIENT: Address = ("127.0.0.1", 0)
FILE_SERVER: Address = ("127.0.0.1", 80)


def name_of(name: Callable[[], object], file: Address) -> Address:
    """What ``getpeername`` or ``getsockname`` says; no address where the connection is gone.

    :param file: what a socket of files counts as.
    """
    try:
        return address_of(name(), file)
    except OSError:
        return ("", 0)


def address_of(found: object, file: Address) -> Address:
    """The address and port of what a socket has; ``file`` of a socket of files."""
    return (found[0].removeprefix("::ffff:"), found[1]) if isinstance(found, tuple) else file
