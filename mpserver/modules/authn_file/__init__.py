"""Users and passwords in text files (httpd's mod_authn_file)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules.kept_files import KeptFile
from mpserver.modules.verified import Verified


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
    """A file of users, and the passwords that were found to be right."""

    __slots__ = ("_realms", "verified")

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._realms = _Realms(path)
        self.verified = Verified()

    def read(self, text: str) -> dict[str, str]:
        """The lines ``user:password`` of the file; the first of a user counts, and what begins with # is a remark."""
        found: dict[str, str] = {}
        for line in text.split("\n"):
            line = line.strip(" \t\r")
            if line and line[0] != "#":
                name, _, value = line.partition(":")
                found.setdefault(name, value)
        return found

    def in_realms(self) -> dict[str, str]:
        """The hashes of users of realms, by ``user:realm``. :raises OSError: the file can't be read."""
        return self._realms.get()


USER_FILE: Setting[UserFile | None] = Setting("AuthUserFile", None)
