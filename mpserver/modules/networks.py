"""Networks of the internet, as access is given to them: addresses, parts of IPv4 addresses, networks with a mask."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from mpserver.typing import NamedTuple

#: The first 12 bytes of an IPv4 address that is written as one of IPv6 (RFC 4291 2.5.5.2).
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Network(NamedTuple):
    """The addresses of ``size`` bytes that are ``address`` where ``mask`` has a 1."""

    size: int
    address: int
    mask: int

    def has(self, address: bytes) -> bool:
        """Whether an address, see `packed`, is in it."""
        return len(address) == self.size and int.from_bytes(address) & self.mask == self.address


def within(address: bytes, networks: Iterable[Network]) -> bool:
    """Whether an address, see `packed`, is in one of several."""
    return any(network.has(address) for network in networks)


#: 127.0.0.0/8 and ::1: the machine itself.
LOCAL = (Network(4, 0x7F000000, 0xFF000000), Network(16, 1, (1 << 128) - 1))


def packed(address: str) -> bytes:
    """The bytes of an address in words; b"" if it is none. Those of IPv4 are 4 in any case."""
    address = address.partition("%")[0]
    try:
        if ":" not in address:
            return socket.inet_pton(socket.AF_INET, address)
        found = socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):
        return b""
    return found.removeprefix(_MAPPED) if found.startswith(_MAPPED) else found


def looks_like(text: str) -> bool:
    """Whether a text can only be meant as an address or a network, not as a host's name."""
    return "/" in text or ":" in text or not text.strip("0123456789.")


def parse(text: str) -> Network:
    """What a network is called by: 10, 10.1., 10.1.2.3, 10.0.0.0/8, 10.0.0.0/255.0.0.0, 2001:db8::/32.

    :raises ValueError: it is none; the text says why.
    """
    address, slash, mask = text.partition("/")
    if ":" in address:
        try:
            found = socket.inet_pton(socket.AF_INET6, address)
        except (OSError, ValueError):
            raise ValueError(f"{address!r} is no IPv6 address") from None
        return _masked(16, int.from_bytes(found), _bits(mask, 128) if slash else 128)
    parts = address.removesuffix(".").split(".")
    if not 1 <= len(parts) <= 4 or not all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts):
        raise ValueError(f"{address!r} is no IPv4 address")
    number = int.from_bytes(bytes([int(part) for part in parts] + [0] * (4 - len(parts))))
    if not slash:
        return _masked(4, number, 8 * len(parts))
    if "." not in mask:
        return _masked(4, number, _bits(mask, 32))
    try:
        wanted = int.from_bytes(socket.inet_pton(socket.AF_INET, mask))
    except (OSError, ValueError):
        raise ValueError(f"{mask!r} is no mask") from None
    return Network(4, number & wanted, wanted)


def _bits(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= most):
        raise ValueError(f"{text!r} is no number of bits from 0 to {most}")
    return int(text)


def _masked(size: int, number: int, bits: int) -> Network:
    mask = (1 << 8 * size) - (1 << 8 * size - bits)
    return Network(size, number & mask, mask)
