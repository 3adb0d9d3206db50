"""Users and passwords in databases (httpd's mod_authn_dbm)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules.databases import Database
from mpserver.modules.verified import Verified


class UserDatabase(Database):
    """A database of users, and the passwords that were found to be right."""

    __slots__ = ("verified",)

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.verified = Verified()


USER_DATABASE: Setting[UserDatabase | None] = Setting("AuthDBMUserFile", None)
