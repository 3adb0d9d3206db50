"""Files of users and groups by their names, and such as are read once as long as they stay the same."""

from __future__ import annotations

import os

from mpserver.typing import Generic, Self, TypeVar

T = TypeVar("T")


class NamedFile:
    """A file that a directive names: one is as good as another of its kind for the same file."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def to_plain(self) -> tuple[str]:
        """What `from_plain` makes the same of, see `mpserver.config.plain`."""
        return (self.path,)

    @classmethod
    def from_plain(cls, path: str) -> Self:
        """The inverse of `to_plain`."""
        return cls(path)


class KeptFile(NamedFile, Generic[T]):
    """What `read` makes of a file's text (its bytes as latin-1, as users' names are); made anew when it changes."""

    __slots__ = ("_kept",)

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._kept: tuple[tuple[int, int, int], T] | None = None

    def read(self, text: str) -> T:
        """Make it of the text."""
        raise NotImplementedError

    def get(self) -> T:
        """It. :raises OSError: the file can't be read."""
        found = os.stat(self.path)
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        kept = self._kept
        if kept is None or kept[0] != stamp:
            with open(self.path, encoding="latin-1", newline="\n") as file:
                kept = self._kept = stamp, self.read(file.read())
        return kept[1]
