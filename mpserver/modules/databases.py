"""Databases of keys and values: SQLite files, as Python's ``dbm.sqlite3`` and ``mpserver htdbm`` make them.

They are read through `sqlite3`, which all Pythons have and every kind of interpreter loads.
"""

from __future__ import annotations

import os

from mpserver.modules.kept_files import NamedFile

#: What tells whether a file was changed: when it was, its size and its number.
Stamp = tuple[int, int, int]

#: What lies beside a database while somebody writes to it.
COMPANIONS = ("-wal", "-journal")
#: How often a file is read that is changed each time meanwhile.
_ATTEMPTS = 20
#: Seconds to wait for somebody who writes.
_PATIENCE = 10.0

#: What the one kind of files may be called, and what httpd calls those that can't be read here.
TYPES = ("default", "sqlite")
FOREIGN_TYPES = ("sdbm", "gdbm", "ndbm", "db", "lmdb")
REMEDY = "make it with mpserver htdbm or mpserver httxt2dbm, or with Python's dbm.sqlite3"


class Database(NamedFile):
    """A file that is read for each key: whoever writes it may do so at any time, and nobody has it in memory."""

    __slots__ = ()

    def get(self, *keys: bytes) -> bytes | None:
        """What the file has for the first of the keys that it has; None: for none of them.

        :raises OSError: the file can't be read.
        """
        import sqlite3  # (few configurations have such files)

        try:
            for _ in range(_ATTEMPTS):
                before = self._stamps()
                # Whoever only reads a file with a write-ahead log has SQLite make files beside it, and fails where it
                # may not. A file that nobody writes to needs none, nor locks: but that has to hold until the end.
                at_rest = before[1:] == (None,) * len(COMPANIONS)
                try:
                    found = _look_up(uri(self.path, "immutable=1" if at_rest else "mode=ro"), keys)
                except sqlite3.Error:
                    if self._stamps() != before:
                        continue
                    raise
                if not at_rest or self._stamps() == before:
                    return found
        except sqlite3.Error as error:
            raise OSError(22, f"it can't be read as an SQLite database ({error}): {REMEDY}", self.path) from error
        raise OSError(11, "it is changed all the time", self.path)

    def _stamps(self) -> tuple[Stamp | None, ...]:
        """Those of the file, and of what lies beside it and is not empty. :raises OSError: there is no file."""
        os.stat(self.path)
        return _stamp(self.path), *(_stamp(self.path + ending) for ending in COMPANIONS)


def uri(path: str, query: str) -> str:
    """The address of a file, as SQLite takes it."""
    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file://{name}?{query}"


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found.st_size else None


def _look_up(address: str, keys: tuple[bytes, ...]) -> bytes | None:
    import sqlite3

    connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)
    try:
        for key in keys:
            row = connection.execute("SELECT CAST(value AS BLOB) FROM Dict WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return bytes(row[0])
    finally:
        connection.close()
    return None
