"""The ClientHello, read before anybody answers it: the name of the host that the client wants (SNI).

What serves a connection follows from that name, and TLS is spoken there (RFC 8446 4.1.2, RFC 6066 3). A hello may
come in several records, and in any pieces.
"""

from __future__ import annotations

from mpserver.typing import NamedTuple

#: The types of the first record and message, and the extensions that are looked at.
HANDSHAKE = 22
CLIENT_HELLO = 1
SERVER_NAME, SIGNATURES, ALPN = 0, 13, 16
HOST_NAME = 0

#: The most bytes of a hello: no client's is nearly as long, and nobody shall have us keep more.
LONGEST = 1 << 16
#: A record's head: type, version, length; the most that a record without encryption may hold (RFC 8446 5.1).
RECORD_HEAD = 5
LONGEST_RECORD = 1 << 14
#: The most that is kept of it, with the heads of its records.
MOST_DATA = 2 * LONGEST


class Hello(NamedTuple):
    """What the client says first.

    The host's name in lower case (None: it names none), its protocols by ALPN, and the numbers of the ways of signing
    that it takes, the dearest first (RFC 8446 4.2.3).
    """

    server_name: str | None = None
    protocols: tuple[bytes, ...] = ()
    signatures: tuple[int, ...] = ()


class NotTls(Exception):
    """The client speaks something else. ``looks_like_text``: probably HTTP without TLS."""

    def __init__(self, looks_like_text: bool) -> None:
        super().__init__("the client does not speak TLS")
        self.looks_like_text = looks_like_text


def read(data: bytes) -> Hello | None:
    """What a connection began with, see `HelloReader.read`."""
    return HelloReader().read(data)


class HelloReader:
    """Reads a hello that comes in pieces: each record once, so that tiny ones cost no more than others."""

    __slots__ = ("_at", "_body")

    def __init__(self) -> None:
        #: The first handshake message, as far as it has come; and where the next record of it begins.
        self._body = bytearray()
        self._at = 0

    def read(self, data: bytes) -> Hello | None:
        """Look at what has come.

        :param data: all of it, from the connection's first byte on.
        :returns: None where the hello is not complete yet.
        :raises NotTls: it can't become one.
        """
        message = self._message(data)
        if message is None:
            return None
        try:
            return _hello(message)
        except IndexError:  # OpenSSL answers it with an alert
            return Hello()

    def _message(self, data: bytes) -> bytes | None:
        """The body of the first handshake message, out of its records."""
        body = self._body
        while True:
            at = self._at
            head = data[at : at + RECORD_HEAD]
            if head[:1] and (head[0] != HANDSHAKE or head[1:2] not in (b"", b"\x03")):
                raise NotTls(at == 0 and (head[0] in b"\r\n" or 0x20 <= head[0] < 0x7F))
            if len(head) < RECORD_HEAD:
                break
            length = head[3] << 8 | head[4]
            if not 0 < length <= LONGEST_RECORD:
                raise NotTls(False)
            end = at + RECORD_HEAD + length
            if at == 0 and len(data) > RECORD_HEAD and data[RECORD_HEAD] != CLIENT_HELLO:
                raise NotTls(False)
            if len(data) < end:
                break
            body += data[at + RECORD_HEAD : end]
            self._at = end
            if len(body) >= 4:
                whole = int.from_bytes(body[1:4], "big")
                if whole > LONGEST:
                    raise NotTls(False)
                if len(body) >= 4 + whole:
                    return bytes(body[4 : 4 + whole])
        if len(data) > MOST_DATA:
            raise NotTls(False)
        return None


class _Reader:
    """Takes vectors out of bytes. :raises IndexError: they end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """So many bytes."""
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise IndexError(size)
        self._at += size
        return found

    def number(self, size: int) -> int:
        """A number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """What follows a length of so many bytes."""
        return self.take(self.number(size))


def _hello(message: bytes) -> Hello:
    reader = _Reader(message)
    reader.take(2 + 32)  # version, random
    reader.vector(1)  # session
    reader.vector(2)  # cipher suites
    reader.vector(1)  # compression
    name: str | None = None
    protocols: list[bytes] = []
    signatures: list[int] = []
    if not reader:
        return Hello()
    extensions = _Reader(reader.vector(2))
    while extensions:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == SERVER_NAME and content:
            name = _server_name(_Reader(_Reader(content).vector(2)))
        elif kind == ALPN:
            listed = _Reader(_Reader(content).vector(2))
            while listed:
                protocols.append(listed.vector(1))
        elif kind == SIGNATURES:
            listed = _Reader(_Reader(content).vector(2))
            while listed:
                signatures.append(listed.number(2))
    return Hello(name, tuple(protocols), tuple(signatures))


def _server_name(names: _Reader) -> str | None:
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == HOST_NAME:
            return name.decode("latin-1").lower()
    return None
