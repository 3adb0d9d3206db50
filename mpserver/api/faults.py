"""Syntax errors, and whether anybody has touched the file since."""

from __future__ import annotations

import os


class Fault:
    """A syntax error, and the file with it as it was then: without a change of that, the error stands."""

    __slots__ = ("_file", "_mark", "error")

    def __init__(self, error: SyntaxError) -> None:
        self.error = error
        self._file = error.filename
        self._mark = mark(error.filename)

    @property
    def stands(self) -> bool:
        """Whether nobody has touched the file."""
        return self._mark is not None and mark(self._file) == self._mark


def mark(file: str | None) -> tuple[int, int] | None:
    """A file's modification time and size; None where there is no file."""
    if file is None:
        return None
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
