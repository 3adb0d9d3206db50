"""Users and passwords in text files (httpd's mod_authn_file)."""

from __future__ import annotations

import hashlib
import os

from mpserver.config.settings import Setting
from mpserver.modules import passwords
from mpserver.modules.kept_files import KeptFile

#: How many verified passwords are remembered of a file before all are forgotten.
REMEMBERED = 1000


class _Realms(KeptFile[dict[str, str]]):
    """The lines ``user:realm:hash`` of a file, by user and realm."""

    __slots__ = ()

    def read(self, text: str) -> dict[str, str]:
        """See `KeptFile.read`."""
        found: dict[str, str] = {}
        for line in text.split("\n"):
            key, colon, value = line.strip(" \t\r").rpartition(":")
            if colon and key[0:1] != "#":
                found.setdefault(key, value)
        return found


class UserFile(KeptFile[dict[str, str]]):
    """A file of users, with the passwords that were found to be right: comparing one takes long on purpose.

    Of these it keeps no password but a keyed hash of the user's name, the encrypted password and the plain one.
    """

    __slots__ = ("_key", "_realms", "_verified")

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._realms = _Realms(path)
        self._key = b""
        self._verified: dict[bytes, None] = {}

    def read(self, text: str) -> dict[str, str]:
        """The lines ``user:password`` of the file; the first of a user counts, and what begins with # is a remark."""
        found: dict[str, str] = {}
        for line in text.split("\n"):
            line = line.strip(" \t\r")
            if line and line[0] != "#":
                name, _, value = line.partition(":")
                found.setdefault(name, value)
        return found

    def matches(self, user: str, stored: str, password: bytes) -> bool:
        """Whether a password is a user's. :raises passwords.Unsupported: nobody can tell here."""
        if not passwords.is_slow(stored):
            return passwords.matches(password, stored)
        if not self._key:
            self._key = os.urandom(32)
        text = b"\0".join((user.encode("latin-1"), stored.encode("latin-1"), password))
        mark = hashlib.blake2b(text, key=self._key).digest()
        if mark in self._verified:
            return True
        if not passwords.matches(password, stored):
            return False
        if len(self._verified) >= REMEMBERED:
            self._verified = {}
        self._verified[mark] = None
        return True

    def in_realms(self) -> dict[str, str]:
        """The hashes of users of realms, by ``user:realm``. :raises OSError: the file can't be read."""
        return self._realms.get()


USER_FILE: Setting[UserFile | None] = Setting("AuthUserFile", None)
