"""The functions of httpd's expressions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Mapping

from mpserver import lazyre
from mpserver.http1.percent import encode_path
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re

#: As much of a file is read (httpd: up to its end; a condition on a large one is a mistake).
LONGEST_FILE = 1 << 20

_ESCAPED = lazyre.compile(rb"%(?:([0-9A-Fa-f]{2})|)")
#: What has to be escaped in a filter of LDAP (RFC 4515 3).
_LDAP = lazyre.compile(r"[\\*()\0]")


def to_bytes(text: str) -> bytes:
    """The bytes that a text stands for."""
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """The inverse of `to_bytes`."""
    return data.decode("utf-8", "surrogateescape")


def lower(text: str) -> str:
    """In lower case as C has it, in which letters beyond ASCII stay (the sign for Kelvin is no k)."""
    return text.lower() if text.isascii() else to_text(to_bytes(text).lower())


def upper(text: str) -> str:
    """In capital letters, as `lower`."""
    return text.upper() if text.isascii() else to_text(to_bytes(text).upper())


def unescape(text: str) -> str:
    """Without %-encoding; a slash's stays as it is, and a text with a broken one is none, as in httpd."""
    broken = False

    def put(match: re.Match[bytes]) -> bytes:
        nonlocal broken
        digits = match[1]
        if digits is None or digits == b"00":
            broken = True
            return b""
        return match[0] if digits.lower() == b"2f" else bytes.fromhex(digits.decode())

    found = _ESCAPED.sub(put, to_bytes(text))
    return "" if broken else to_text(found)


def _unbase64(text: str) -> str:
    try:
        return to_text(base64.b64decode(text))
    except (binascii.Error, ValueError):
        return ""


def _file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return to_text(file.read(LONGEST_FILE))
    except (OSError, ValueError):
        return ""


def _of_file(member: str) -> Callable[[Any, str], str]:
    """A number that stat says of a file; "0" where there is none."""

    def find(_facts: Any, path: str) -> str:
        try:
            return str(int(getattr(os.stat(path), member)))
        except (OSError, ValueError):
            return "0"

    return find


def _env(facts: Any, name: str) -> str:
    """The first that has it: the request's notes, its variables, the server's environment."""
    return facts.note(name) or facts.environment(name) or os.environ.get(name, "")


def _digest(name: str) -> Callable[[Any, str], str]:
    return lambda _facts, text: hashlib.new(name, to_bytes(text), usedforsecurity=False).hexdigest()


FUNCTIONS: Mapping[str, Callable[[Any, str], str]] = {
    "v": lambda facts, name: facts.variable(name),
    "env": _env,
    "reqenv": lambda facts, name: facts.environment(name),
    "osenv": lambda _facts, name: os.environ.get(name, ""),
    "note": lambda facts, name: facts.note(name),
    "req": lambda facts, name: facts.header(name),
    "req_novary": lambda facts, name: facts.header_unsaid(name),
    "resp": lambda facts, name: facts.response(name),
    "hc": lambda facts, name: facts.variable(f"HC_{name.upper()}"),
    "tolower": lambda _facts, text: lower(text),
    "toupper": lambda _facts, text: upper(text),
    "escape": lambda _facts, text: encode_path(text),
    "unescape": lambda _facts, text: unescape(text),
    "base64": lambda _facts, text: base64.b64encode(to_bytes(text)).decode(),
    "unbase64": lambda _facts, text: _unbase64(text),
    "md5": _digest("md5"),
    "sha1": _digest("sha1"),
    "file": lambda _facts, path: _file(path),
    "filesize": _of_file("st_size"),
    "filemod": _of_file("st_mtime"),
    "ldap": lambda _facts, text: _LDAP.sub(lambda match: f"\\{ord(match[0]):02x}", text),
}


def within(network: str) -> Callable[[str], bool]:
    """Whether an address, in words, is in a network."""
    import ipaddress  # (few configurations ask)

    wanted = ipaddress.ip_network(network)

    def test(text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address in wanted

    return test
