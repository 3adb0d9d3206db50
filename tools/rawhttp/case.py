"""What a case is, and the pieces that its bytes are written with."""

from __future__ import annotations

from typing import NamedTuple

#: The host that requests are for; a server under test has to answer for any.
HOST = b"Host: localhost\r\n"

#: A request with this path is answered 418: where one shows that nobody was to see, it was smuggled in.
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"

#: The same as the last one of a connection.
LAST_HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Case(NamedTuple):
    """Bytes that a client sends, and how a server may answer.

    An outcome names the statuses of all answers in their order, until the server closes. ``none``: it closed without
    an answer; ``waits``: it neither
    answered nor closed, ``kept`` at the end: it answered and did not close. ``0.9``: it answered without a head.
    """

    name: str
    section: str
    """Of RFC 9110 or RFC 9112, or of another one that is named."""
    sent: bytes
    accepted: tuple[str, ...]
    """Outcomes that the section allows, the one of this server first."""
    echo: bytes | None = None
    """What the application must have got as the last body, where that counts."""
    shows: bytes | None = None
    """A regular expression that what is received must have somewhere, where the outcome is the first of these."""
    ends: bool = False
    """The client says with the bytes that nothing more comes (a half-closed connection)."""
    bodiless: bool = False
    """Answers have no content, for the requests are HEAD."""
    files: bool = False
    """Asks for the file /file.txt, which servers of applications alone don't have."""
    argued: str = ""
    """Why this server refuses what the section allows or even asks for."""


def request(line: bytes, fields: bytes = b"", body: bytes = b"") -> bytes:
    """A whole request that is the last one of its connection; ``fields`` have their line ends."""
    return line + b"\r\n" + HOST + b"Connection: close\r\n" + fields + b"\r\n" + body


def get(fields: bytes = b"", target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    """A GET that is the last request of its connection."""
    return request(b"GET " + target + b" HTTP/" + version, fields)


def post(fields: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A POST that is the last request of its connection."""
    return request(b"POST / HTTP/" + version, fields, body)


def chunked(body: bytes) -> bytes:
    """A POST with a chunked body, the last request of its connection."""
    return post(b"Transfer-Encoding: chunked\r\n", body)


def shown(text: bytes) -> str:
    """Bytes as a name of a case: what can't be seen is escaped, what is long is cut."""
    said = ascii(text.decode("latin-1"))[1:-1]
    return said if len(said) <= 48 else f"{said[:40]}... ({len(text)} bytes)"
