"""What a client answers to a challenge (RFC 7616 3.4), and nonces."""

from __future__ import annotations

import hashlib
import hmac
import time

from mpserver import lazyre

#: A parameter of a header: a name, and a word or a quoted text.
_PARAMETER = lazyre.compile(r'[ \t,]*([A-Za-z*-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^",\s]*))[ \t]*(?=,|\Z)')
_ESCAPED = lazyre.compile(r"\\(.)")
#: What an answer has in any case.
_NEEDED = ("username", "realm", "nonce", "uri", "response", "qop", "cnonce", "nc")
#: How many digits of a nonce are its time, and how many prove that it is ours.
_TIME, _PROOF = 16, 40


def md5(*parts: str) -> str:
    """The hash of some texts with colons between them, in hexadecimal digits."""
    return hashlib.md5(":".join(parts).encode("latin-1"), usedforsecurity=False).hexdigest()


def parse(text: str) -> dict[str, str] | None:
    """The parameters of an answer by their names in lower case; None if it is none."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip(" \t,")):
        match = _PARAMETER.match(text, at)
        if match is None:
            return None
        word = match[3] if match[2] is None else _ESCAPED.sub(r"\1", match[2])
        if found.setdefault(match[1].lower(), word) != word:
            return None
        at = match.end()
    return found if all(name in found for name in _NEEDED) else None


def expected(secret: str, method: str, answer: dict[str, str]) -> str:
    """The response that the owner of a password gives; ``method`` is "" for the server's own."""
    request = md5(method, answer["uri"])
    return md5(secret, answer["nonce"], answer["nc"], answer["cnonce"], answer["qop"], request)


def make_nonce(key: bytes, realm: str) -> str:
    """A nonce of now."""
    when = f"{time.time_ns() // 1000:0{_TIME}x}"
    return when + _proof(key, realm, when)


def is_ours(nonce: str, key: bytes, realm: str) -> bool:
    """Whether a nonce was made by this server."""
    proof = _proof(key, realm, nonce[:_TIME])
    return hmac.compare_digest(nonce[_TIME:].encode("latin-1"), proof.encode())


def age(nonce: str) -> float:
    """How many seconds ago one of ours was made."""
    return time.time() - int(nonce[:_TIME], 16) / 1e6


def _proof(key: bytes, realm: str, when: str) -> str:
    text = f"{when}:{realm}".encode("utf-8", "surrogateescape")
    return hmac.new(key, text, "sha256").hexdigest()[:_PROOF]
