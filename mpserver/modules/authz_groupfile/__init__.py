"""Groups of users in text files (httpd's mod_authz_groupfile)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.modules.kept_files import KeptFile


def _groups(text: str) -> dict[str, frozenset[str]]:
    """The lines ``group: user user`` of a file."""
    found: dict[str, frozenset[str]] = {}
    for line in text.split("\n"):
        name, colon, members = line.strip().partition(":")
        if colon and name[0:1] != "#":
            found[name] = found.get(name, frozenset()) | frozenset(members.split())
    return found


class GroupFile(KeptFile[dict[str, frozenset[str]]]):
    """A file of groups: their members by name."""

    __slots__ = ()

    def __init__(self, path: str) -> None:
        super().__init__(path, _groups)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GroupFile) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def to_plain(self) -> tuple[str]:
        """What `from_plain` makes the same of, see `mpserver.config.plain`."""
        return (self.path,)

    @classmethod
    def from_plain(cls, path: str) -> GroupFile:
        """The inverse of `to_plain`."""
        return cls(path)


GROUP_FILE: Setting[GroupFile | None] = Setting("AuthGroupFile", None)
