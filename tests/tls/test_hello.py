"""The ClientHello, as clients say it and as nobody should."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.tls.hello import MOST_DATA, HelloReader, NotTls, read


def greeting(name: str | None, protocols: list[str] | None = None) -> bytes:
    """What the library says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols is not None:
        context.set_alpn_protocols(protocols)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def records(data: bytes, size: int) -> bytes:
    """The same message in records of some bytes each."""
    body = data[5:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def test_names_and_protocols() -> None:
    found = read(greeting("WWW.Example.org", ["h2", "http/1.1"]))
    assert found is not None
    assert (found.server_name, found.protocols) == ("www.example.org", (b"h2", b"http/1.1"))
    assert 0x0403 in found.signatures
    nameless = read(greeting(None))
    assert nameless is not None
    assert (nameless.server_name, nameless.protocols) == (None, ())


@pytest.mark.parametrize("size", [1, 4, 100, 16384])
def test_in_many_records(size: int) -> None:
    data = records(greeting("a.example"), size)
    found = read(data + b"what follows")
    assert found is not None
    assert found.server_name == "a.example"
    for end in range(0, len(data), 7):
        assert read(data[:end]) is None


def test_each_record_is_read_once() -> None:
    data, reader = records(greeting("a.example"), 1), HelloReader()
    half = len(data) // 12 * 6  # (after a record)
    assert reader.read(data[:half]) is None
    found = reader.read(bytes(half) + data[half:])
    assert found is not None
    assert found.server_name == "a.example"


def test_it_is_not_kept_without_end() -> None:
    data = records(b"\x16\x03\x01\x00\x00\x01\x00\xff\xff" + bytes(0xFFFF), 1)
    assert read(data[:MOST_DATA]) is None
    with pytest.raises(NotTls):
        read(data[: MOST_DATA + 6])


@pytest.mark.parametrize(
    ("data", "is_text"),
    [
        (b"GET / HTTP/1.1\r\n", True), (b"\r\nGET /", True), (b"\x00\x00", False), (b"\x80\x2e\x01\x03\x01", False),
        (b"\x16\x02\x00", False), (b"\x16\x03\x01\x00\x00", False), (b"\x16\x03\x01\xff\xff", False),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", False), (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", False),
        (b"\x16\x03\x01\x00\x01\x01GET", False),
    ],
)  # fmt: skip
def test_other_protocols(data: bytes, is_text: bool) -> None:
    with pytest.raises(NotTls) as caught:
        read(data)
    assert caught.value.looks_like_text is is_text


@given(st.binary(max_size=300))
def test_rubbish_within(data: bytes) -> None:
    body = b"\x01" + len(data).to_bytes(3, "big") + data
    found = read(b"\x16\x03\x03" + len(body).to_bytes(2, "big") + body)
    assert found is not None


@given(st.binary(max_size=100))
def test_rubbish(data: bytes) -> None:
    try:
        read(data)
    except NotTls:
        pass
