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
        # (bytes as latin-1: without an argument, split and strip would take parts of UTF-8 for blanks)
        for line in text.replace("\t", " ").split("\n"):
            name, colon, members = line.strip(" \r").partition(":")
            if colon and name[0:1] != "#":
                found[name] = found.get(name, frozenset()) | frozenset(filter(None, members.split(" ")))
        return found


GROUP_FILE: Setting[GroupFile | None] = Setting("AuthGroupFile", None)
