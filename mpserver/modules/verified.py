"""Passwords that were found to be right: comparing one takes long on purpose."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from mpserver.modules import passwords
from mpserver.modules.authn_core.providers import Outcome

#: How many verified passwords are remembered of a file before all are forgotten.
REMEMBERED = 1000


class Verified:
    """Remembers them: no password, but a keyed hash of the user's name, the encrypted password and the plain one."""

    __slots__ = ("_key", "_marks")

    def __init__(self) -> None:
        self._key = b""
        self._marks: dict[bytes, None] = {}

    def outcome(self, user: str, stored: str, password: bytes, complain: Callable[[str], None]) -> Outcome:
        """What a provider says of a user whose encrypted password it has; ``complain`` is told why nobody can tell."""
        try:
            return Outcome.GRANTED if self.matches(user, stored, password) else Outcome.DENIED
        except passwords.Unsupported as error:
            complain(str(error))
            return Outcome.FAILED

    def matches(self, user: str, stored: str, password: bytes) -> bool:
        """Whether a password is a user's. :raises passwords.Unsupported: nobody can tell here."""
        if not passwords.is_slow(stored):
            return passwords.matches(password, stored)
        if not self._key:
            self._key = os.urandom(32)
        text = b"\0".join((user.encode("latin-1"), stored.encode("latin-1"), password))
        mark = hashlib.blake2b(text, key=self._key).digest()
        if mark in self._marks:
            return True
        if not passwords.matches(password, stored):
            return False
        if len(self._marks) >= REMEMBERED:
            self._marks = {}
        self._marks[mark] = None
        return True
