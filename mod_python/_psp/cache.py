"""Keeping compiled pages: in memory, or in a dbm file (manual 4.9)."""

from __future__ import annotations

import contextlib
import marshal
import os
import stat
import sys
from _thread import allocate_lock
from collections.abc import Callable, Hashable, Iterator, MutableMapping

from mod_python._psp.compiler import CompiledPage
from mod_python._psp.files import Mark, mark
from mpserver.typing import cast

#: So many pages are kept in memory (manual 4.9).
SIZE = 512
#: What a record of a dbm file begins with: the code of other Pythons, or in another form, is none.
FORMAT = f"psp3 {sys.implementation.cache_tag} {sys.hexversion:x}\n".encode()


class Kept:
    """A page with the state of its file when it was read (None: it is a string)."""

    __slots__ = ("mark", "page", "used")

    def __init__(self, page: CompiledPage, state: Mark | None) -> None:
        self.page = page
        self.mark = state
        self.used = False

    def is_of(self, current: Mark | None) -> bool:
        """Whether its file, in this state now, and those that it includes are still the same."""
        if self.mark != current:
            return False
        includes = self.page.includes
        # (most pages have none, and setting up the look at them takes longer than all else here)
        return not includes or all(mark(name) == state for name, state in includes)


class MemoryCache:
    """At most `SIZE` pages; those that nobody asked for since the last time that it was full go first."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._kept: dict[Hashable, Kept] = {}
        self._gate = allocate_lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, current: Mark | None) -> CompiledPage | None:
        """The page, unless a file of it changed."""
        kept = self._kept.get(key)
        if kept is None or not kept.is_of(current):
            return None
        kept.used = True
        return kept.page

    def store(self, key: Hashable, page: CompiledPage, state: Mark | None) -> None:
        """Keep a page."""
        pages = self._kept
        with self._gate:
            pages.pop(key, None)
            while len(pages) >= self._size:
                oldest = next(iter(pages))
                former = pages.pop(oldest)
                if former.used:
                    former.used = False
                    pages[oldest] = former
            pages[key] = Kept(page, state)


class FileCache:
    """Pages in a dbm file, which stays when the server ends.

    It holds code: a file that others may write to is not used. ``locked`` gives the lock that all
    interpreters and workers share, for dbm files don't lock themselves.
    """

    def __init__(self, file: str, locked: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._file = file
        self._locked = locked

    def get(self, name: str, current: Mark) -> CompiledPage | None:
        """The page of a file, unless it or what it includes changed.

        :raises OSError: the dbm file can't be used.
        """
        with self._opened() as database:
            try:
                record = database[_key(name)]
            except KeyError:
                return None
        if not record.startswith(FORMAT):
            return None
        try:
            state, data = marshal.loads(record[len(FORMAT) :])  # noqa: S302 - the file is our own account's, and writable for nobody else
            kept = Kept(CompiledPage.load(data), state)
        except (ValueError, EOFError, TypeError):
            return None  # half a record
        return kept.page if kept.is_of(current) else None

    def store(self, name: str, page: CompiledPage, state: Mark) -> None:
        """Keep a page. :raises OSError: the dbm file can't be used."""
        record = FORMAT + marshal.dumps((state, page.dump()))
        with self._opened() as database:
            database[_key(name)] = record

    @contextlib.contextmanager
    def _opened(self) -> Iterator[MutableMapping[bytes, bytes]]:
        import dbm

        with self._locked():
            self._check()
            try:
                with dbm.open(self._file, "c", 0o600) as database:
                    yield cast("MutableMapping[bytes, bytes]", database)
            except dbm.error as error:
                raise OSError(f"{self._file}: {error}") from error

    def _check(self) -> None:
        """:raises OSError: somebody else could have written the file, or put it there."""
        for ending in ("", ".db", ".dat", ".dir", ".pag"):
            name = self._file + ending
            try:
                found = os.lstat(name)
            except FileNotFoundError:
                continue
            if found.st_uid != os.geteuid() or found.st_mode & 0o022 or not stat.S_ISREG(found.st_mode):
                raise PermissionError(
                    f"{name} is not used: it must be a file of the server's user that nobody else can write to"
                )


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
