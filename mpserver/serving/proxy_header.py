"""The PROXY protocol, versions 1 and 2: what a proxy says of its client before all else on a connection.

("The PROXY protocol", HAProxy's ``doc/proxy-protocol.txt``.) What is not exactly as it says is refused: whoever can
reach the port could say anything.
"""

from __future__ import annotations

import socket
import struct

from mpserver import lazyre
from mpserver.typing import NamedTuple

#: What headers of version 1 and 2 begin with (sections 2.1 and 2.2).
V1, V2 = b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"
#: The longest line of version 1 with its end; the longest address block of version 2 with its extensions.
LONGEST_LINE, LONGEST_BLOCK = 107, 4096

_START = struct.Struct("!BBH")
#: The families of version 2: the size of an address, and what it is to the system; 0: its addresses say nothing to us.
_FAMILIES = {0x00: 0, 0x11: 4, 0x21: 16, 0x31: 0}
_PORT = lazyre.compile(r"0|[1-9][0-9]{0,4}", 0)


class ProxyHeader(NamedTuple):
    """A header: its size, and the client's address; None where it says none (health checks of the proxy's own)."""

    size: int
    client: tuple[str, int] | None


def read(data: bytes) -> ProxyHeader | None:
    """The header that a connection begins with; None: not all of it has come.

    :raises ValueError: it begins with something else; the text says what is wrong.
    """
    if data[:12] == V2[: len(data)] and data:
        return _read_binary(data)
    if data[:6] == V1[: len(data)]:
        return _read_line(data)
    raise ValueError("it does not begin with a header of the PROXY protocol")


def _read_line(data: bytes) -> ProxyHeader | None:
    """Version 1: ``PROXY TCP4 192.0.2.1 198.51.100.1 51238 443`` and CRLF."""
    end = data.find(b"\n", 0, LONGEST_LINE) - 1
    if end < 0:
        if len(data) >= LONGEST_LINE:
            raise ValueError(f"its line is longer than {LONGEST_LINE} bytes")
        return None
    if data[end : end + 1] != b"\r":  # (and however much of it has come, as nobody else may read it otherwise)
        raise ValueError("its line does not end in CRLF")
    words = data[:end].decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(end + 2, None)
    family = {"TCP4": socket.AF_INET, "TCP6": socket.AF_INET6}.get(words[1])
    if family is None or len(words) != 6:
        raise ValueError("its line is not PROXY, TCP4 or TCP6, two addresses and two ports")
    for address in words[2:4]:
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            raise ValueError(f"{address!r} is no address of {words[1]}") from None
    for port in words[4:]:
        if not _PORT.fullmatch(port) or int(port) > 65535:
            raise ValueError(f"{port!r} is no port")
    return ProxyHeader(end + 2, (words[2], int(words[4])))


def _read_binary(data: bytes) -> ProxyHeader | None:
    """Version 2: the signature, version and command, family and protocol, the length of the rest, addresses."""
    at = len(V2)
    if len(data) < at + _START.size:
        return None
    command, family, length = _START.unpack_from(data, at)
    at += _START.size
    if command >> 4 != 2:
        raise ValueError(f"its version is {command >> 4}, not 2")
    if command & 15 > 1:
        raise ValueError(f"there is no command {command & 15}")
    if length > LONGEST_BLOCK:
        raise ValueError(f"its addresses and extensions have more than {LONGEST_BLOCK} bytes")
    if command & 15 == 0:  # LOCAL: the proxy itself
        return ProxyHeader(at + length, None) if len(data) >= at + length else None
    if family not in _FAMILIES:
        raise ValueError(f"its protocol {family:#04x} is not TCP")
    size = _FAMILIES[family]
    if size and length < 2 * size + 4:
        raise ValueError(f"its addresses have {length} bytes, not {2 * size + 4}")
    if len(data) < at + length:
        return None
    if not size:
        return ProxyHeader(at + length, None)
    address = socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, data[at : at + size])
    (port,) = struct.unpack_from("!H", data, at + 2 * size)
    return ProxyHeader(at + length, (address, port))
