"""Addresses of sockets, as connections tell them: an IPv4 address is never written as one of IPv6."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api.connection import Address


def name_of(name: Callable[[], object]) -> Address:
    """What ``getpeername`` or ``getsockname`` says; no address where the connection is gone."""
    try:
        return address_of(name())
    except OSError:
        return ("", 0)


def address_of(found: object) -> Address:
    """The address and port of what a socket has; a local socket of files has none."""
    return (found[0].removeprefix("::ffff:"), found[1]) if isinstance(found, tuple) else ("", 0)
