"""Percent-encoding (RFC 3986 section 2.1), without `urllib.parse`, whose import each interpreter would pay."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

_ENCODED = lazyre.compile(rb"%([0-9A-Fa-f]{2})")

#: Beside letters and digits, what a path may hold as it is (RFC 3986 3.3: pchar and "/").
_PATH = b"/:@!$&'()*+,;=~-._"

#: How each byte is written in a path.
_IN_PATH = tuple(
    chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in _PATH else f"%{byte:02X}" for byte in range(256)
)
#: What no header may hold that has a URI.
_UNSENDABLE = lazyre.compile(r"[\x00-\x1f\x7f-\U0010ffff]")
_plain_path = lazyre.now(r"[0-9A-Za-z/:@!$&'()*+,;=~._-]*").fullmatch


def decode(text: bytes) -> bytes:
    """The bytes that a text means; a ``%`` without two hexadecimal digits after it means itself."""
    return _ENCODED.sub(_byte, text) if b"%" in text else text


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode("ascii"))


def encode_path(path: str) -> str:
    """A file's or resource's path as it is written in a URI."""
    if _plain_path(path):
        return path
    return "".join([_IN_PATH[byte] for byte in path.encode("utf-8", "surrogateescape")])


def sendable(uri: str) -> str:
    """A URI as a header can have it, whatever was put into it: without control characters, and ASCII."""
    return _UNSENDABLE.sub(_written, uri)


def _written(match: re.Match[str]) -> str:
    return "".join([f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape")])
