"""Headers of the PROXY protocol: what is read, what is waited for, and what is refused."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.serving.proxy_header import LONGEST_BLOCK, LONGEST_LINE, V2, ProxyHeader, read

ports = st.integers(0, 65535)
pairs = st.one_of(
    st.tuples(st.just(4), st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.just(6), st.ip_addresses(v=6), st.ip_addresses(v=6)),
)
Pair = tuple[int, ipaddress.IPv4Address | ipaddress.IPv6Address, ipaddress.IPv4Address | ipaddress.IPv6Address]


def line(pair: Pair, port: int) -> bytes:
    version, client, server = pair
    return f"PROXY TCP{version} {client} {server} {port} 443\r\n".encode()


def block(pair: Pair, port: int, more: bytes) -> bytes:
    version, client, server = pair
    addresses = client.packed + server.packed + struct.pack("!HH", port, 443)
    kind = 0x11 if version == 4 else 0x21
    return V2 + struct.pack("!BBH", 0x21, kind, len(addresses) + len(more)) + addresses + more


headers = st.one_of(st.builds(line, pairs, ports), st.builds(block, pairs, ports, st.binary(max_size=300)))


@given(pairs, ports, st.binary(max_size=40))
def test_both_versions_tell_the_client(pair: Pair, port: int, rest: bytes) -> None:
    for header in (line(pair, port), block(pair, port, b""), block(pair, port, b"\x04\0\x02ab")):
        found = read(header + rest)
        assert found is not None
        assert found.size == len(header)
        assert found.client is not None
        assert (ipaddress.ip_address(found.client[0]), found.client[1]) == (pair[1], port)


@given(headers)
def test_every_beginning_is_waited_for(header: bytes) -> None:
    assert [read(header[:size]) for size in range(len(header))] == [None] * len(header)


@given(st.binary(max_size=LONGEST_BLOCK))
def test_whatever_comes_is_refused_or_understood(data: bytes) -> None:
    try:
        found = read(data)
    except ValueError as error:
        assert str(error)
        return
    assert found is None or 0 < found.size <= len(data)


@given(headers, st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_changed_headers_never_give_what_is_no_address(header: bytes, at: int, put: bytes) -> None:
    changed = header[:at] + put + header[at + len(put) :]
    try:
        found = read(changed)
    except ValueError:
        return
    if found is not None and found.client is not None:
        ipaddress.ip_address(found.client[0])
        assert 0 <= found.client[1] <= 65535


ADDRESSES = socket.inet_aton("192.0.2.77") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 99, 80)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"PROXY UNKNOWN\r\n", ProxyHeader(15, None)),
        (b"PROXY UNKNOWN a b c d\r\nGET", ProxyHeader(23, None)),
        (V2 + b"\x20\0\0\0", ProxyHeader(16, None)),
        (V2 + b"\x20\x11\0\x0c" + ADDRESSES, ProxyHeader(28, None)),
        (V2 + b"\x21\0\0\x02ab", ProxyHeader(18, None)),
        (V2 + b"\x21\x31\0\xd8" + b"a" * 216, ProxyHeader(232, None)),
        (V2 + b"\x21\x11\0\x0c" + ADDRESSES, ProxyHeader(28, ("192.0.2.77", 99))),
    ],
)
def test_headers(data: bytes, expected: ProxyHeader) -> None:
    assert read(data) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "does not begin with"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "two addresses and two ports"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", "two addresses and two ports"),
        (b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "TCP4 or TCP6"),
        (b"PROXY TCP4 ::1 ::2 1 2\r\n", "'::1' is no address of TCP4"),
        (b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "'1.2.3.4' is no address of TCP6"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", "'65536' is no port"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "'01' is no port"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", "'-1' is no port"),
        (b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", "two addresses and two ports"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "does not end in CRLF"),
        (b"PROXY UNKNOWN \n\r\n", "does not end in CRLF"),
        (b"PROXY " + b"x" * LONGEST_LINE, "longer than"),
        (V2 + b"\x11\x11\0\x0c" + ADDRESSES, "its version is 1"),
        (V2 + b"\x22\x11\0\x0c" + ADDRESSES, "there is no command 2"),
        (V2 + b"\x21\x12\0\x0c" + ADDRESSES, "0x12 is not TCP"),
        (V2 + b"\x21\x11\0\x04abcd", "have 4 bytes, not 12"),
        (V2 + b"\x21\x21\0\x0c" + ADDRESSES, "have 12 bytes, not 36"),
        (V2 + b"\x21\x11\xff\xff", "more than 4096 bytes"),
    ],
)
def test_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(data)
