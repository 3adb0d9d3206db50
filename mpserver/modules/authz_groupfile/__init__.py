"""Groups of users in text files (httpd's mod_authz_groupfile)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules.kept_files import KeptFile


class GroupFile(KeptFile[dict[str, frozenset[str]]]):
    """A file of groups: their members by name."""

    __slots__ = ()

    def read(self, text: str) -> dict[str, frozenset[str]]:
        """The lines ``group: user user`` of the file."""
        found: dict[str, frozenset[str]] = {}
        for line in text.split("\n"):
            name, colon, members = line.strip().partition(":")
            if colon and name[0:1] != "#":
                found[name] = found.get(name, frozenset()) | frozenset(members.split())
        return found


GROUP_FILE: Setting[GroupFile | None] = Setting("AuthGroupFile", None)
