"""Files of users and groups, read once as long as they stay the same."""

from __future__ import annotations

import os
from collections.abc import Callable

from mpserver.typing import Generic, TypeVar

T = TypeVar("T")


class KeptFile(Generic[T]):
    """What a function makes of a file's text (its bytes as latin-1, as users' names are); made anew when it changes."""

    __slots__ = ("path", "_kept", "_read")

    def __init__(self, path: str, read: Callable[[str], T]) -> None:
        self.path = path
        self._read = read
        self._kept: tuple[tuple[int, int, int], T] | None = None

    def get(self) -> T:
        """It. :raises OSError: the file can't be read."""
        found = os.stat(self.path)
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        kept = self._kept
        if kept is None or kept[0] != stamp:
            with open(self.path, encoding="latin-1", newline="\n") as file:
                kept = self._kept = stamp, self._read(file.read())
        return kept[1]


def entries(text: str) -> dict[str, str]:
    """The lines ``name:value`` of a file; the first of a name counts, and what begins with # is a remark."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        line = line.strip(" \t\r")
        if line and line[0] != "#":
            name, _, value = line.partition(":")
            found.setdefault(name, value)
    return found
