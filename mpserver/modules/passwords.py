"""Encrypted passwords, as httpd's files of users have them ("Password Formats").

bcrypt, and all else that crypt(3) knows, is left to the libcrypt of the system: it is kept well, lets other threads run
meanwhile, and loads in every kind of interpreter, as no package for bcrypt does. MD5 in httpd's own form (apr1) and
SHA-1 are here.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Callable
from importlib import import_module

from mpserver.typing import Any

#: The signs of crypt(3)'s base 64.
_SIGNS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: Those of bcrypt's.
_BCRYPT_SIGNS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#: The order in which the bytes of an apr1 digest are written, three at a time.
_APR1_ORDER = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
_APR1_ROUNDS = 1000
#: The largest struct crypt_data that a libcrypt has.
_CRYPT_DATA = 131_232
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)

APR1, SHA1 = "$apr1$", "{SHA}"


class Unsupported(Exception):
    """The system has no crypt(3)."""


def matches(password: bytes, stored: str) -> bool:
    """Whether a password is the one that was encrypted.

    :raises Unsupported: nobody can tell here.
    """
    if not stored or b"\0" in password:
        return False
    return hmac.compare_digest(_encrypted(password, stored).encode("latin-1"), stored.encode("latin-1"))


def is_slow(stored: str) -> bool:
    """Whether it takes long to compare a password with this one."""
    return not stored.startswith(SHA1)


def _encrypted(password: bytes, setting: str) -> str:
    if setting.startswith(SHA1):
        return sha1(password)
    if setting.startswith(APR1):
        return apr1(password, setting[len(APR1) :].partition("$")[0])
    return crypt(password, setting)


def sha1(password: bytes) -> str:
    """Without salt, as LDAP servers have it."""
    return SHA1 + b64encode(hashlib.sha1(password, usedforsecurity=False).digest()).decode()


def apr1(password: bytes, salt: str) -> str:
    """A thousand rounds of MD5 (the algorithm of FreeBSD's crypt, with httpd's mark)."""
    salt = salt[:8]
    salted = salt.encode("latin-1")

    def md5(*parts: bytes) -> bytes:
        return hashlib.md5(b"".join(parts), usedforsecurity=False).digest()

    inner = md5(password, salted, password)
    start = [password, APR1.encode(), salted, (inner * (len(password) // 16 + 1))[: len(password)]]
    length = len(password)
    while length:
        start.append(b"\0" if length & 1 else password[:1])
        length >>= 1
    digest = md5(*start)
    for number in range(_APR1_ROUNDS):
        odd = number & 1
        digest = md5(
            password if odd else digest,
            salted if number % 3 else b"",
            password if number % 7 else b"",
            digest if odd else password,
        )
    words = [(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _APR1_ORDER]
    words.append((digest[11], 2))
    return f"{APR1}{salt}$" + "".join(_SIGNS[word >> 6 * place & 63] for word, size in words for place in range(size))


def crypt(password: bytes, setting: str) -> str:
    """What the system makes of a password; "" where it knows no such setting. :raises Unsupported: there is none."""
    result = _find()(password, setting.encode("latin-1"))
    return "" if result.startswith("*") else result


def bcrypt_setting(cost: int) -> str:
    """What bcrypt begins with: its cost (4 to 17), and a new salt."""
    salt = "".join(_BCRYPT_SIGNS[byte & 63] for byte in os.urandom(21))
    return f"$2y${cost:02}${salt}" + _BCRYPT_SIGNS[os.urandom(1)[0] & 0x30]


def salt(length: int) -> str:
    """A new salt for the others."""
    return "".join(_SIGNS[byte & 63] for byte in os.urandom(length))


def _find() -> Callable[[bytes, bytes], str]:
    """The crypt of the system. Python 3.12 has it itself, and can't load ctypes in own interpreters."""
    try:
        own: Callable[[str, str], str | None] = import_module("_crypt").crypt
    except ImportError:
        return _by_ctypes

    def call(password: bytes, setting: bytes) -> str:
        try:
            # (it takes texts and gives their UTF-8: other bytes are the business of ctypes)
            return own(password.decode(), setting.decode()) or ""
        except UnicodeDecodeError:
            return _by_ctypes(password, setting)
        except OSError:
            return ""

    return call


def _by_ctypes(password: bytes, setting: bytes) -> str:
    try:
        import ctypes
    except ImportError as error:
        raise Unsupported(f"this Python can't call crypt(3): {error}") from error
    for name in _LIBRARIES:
        try:
            function: Any = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p
        found: bytes | None = function(password, setting, ctypes.create_string_buffer(_CRYPT_DATA))
        return "" if found is None else found.decode("latin-1")
    raise Unsupported("the system has no libcrypt (Debian: apt install libcrypt1)")
