"""Sessions in one database file.

The file is an SQLite database as the standard library's ``dbm.sqlite3`` makes it (one table of keys and
values, write-ahead log), through the ``sqlite3`` module: that is there on all Pythons from 3.11 on, while
``dbm`` has, by the way Python was built, gnu, ndbm, sqlite3 (from 3.13 on), or nothing but the dumb one,
which loses everything when a process is killed at the wrong moment. Any other ``dbm`` module can be used
by naming it, and a file that one of them has made is found.
"""

from __future__ import annotations

import importlib
import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial

from mod_python._sessions import beside, records
from mod_python._sessions.once import Once
from mod_python._sessions.private import check_file, is_shared
from mpserver.api import runtime
from mpserver.typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: Gives what keeps all others from writing to databases, for as long as it is entered: the first of the server's locks.
Guard = Callable[[], AbstractContextManager[object]]

#: What dbm modules append to a name.
_ENDINGS = ("", ".db", ".dat", ".dir", ".pag", ".bak")

#: How many sessions a clean-up looks at between two glances at the clock.
_BATCH = 100
#: How long a clean-up counts as under way, should it never end; how far ahead the next one can be; in seconds. And the
#: largest number that a file takes for that.
_UNDER_WAY, _LONGEST, _LATEST = 60, 86400, 0x7FFFFFFF

#: How many of how many sessions a clean-up deleted, and whether it looked at all.
Cleaned = tuple[int, int, bool]


class Database(Protocol):
    """What keeps sessions under their ids."""

    def load(self, sid: str, guard: Guard) -> bytes | None:
        """What is stored of a session; None if there is nothing."""

    def save(self, sid: str, data: bytes, guard: Guard) -> None:
        """Store a session."""

    def delete(self, sid: str, guard: Guard) -> None:
        """Forget a session, if there is one."""

    def clean(self, limit: float, guard: Guard) -> Cleaned:
        """Delete expired sessions for at most ``limit`` seconds (0: no limit).

        :returns: how many of how many were deleted, and whether all were looked at.
        """

    def steps(self, limit: float, guard: Guard) -> Generator[None, None, Cleaned]:
        """The same, a step at a time where that is possible."""

    def is_due(self, guard: Guard) -> bool:
        """Whether it is time for a clean-up, and none is under way; who is told that it is has to do it."""


class Connections:
    """An interpreter's connections to an SQLite file: whoever works on it has one of them to itself meanwhile.

    A connection is one state for all who use it: of two threads that read by the same one at the same time, each
    could get the other's row. There are as many as threads have ever been at it at the same time, mostly one.
    """

    __slots__ = ("_closed", "_free", "identity", "path")

    def __init__(self, path: str, first: sqlite3.Connection, identity: tuple[int, int, int]) -> None:
        """``identity``: the process, and the file's device and inode, that they are of."""
        self.path, self.identity = path, identity
        self._free = [first]
        self._closed = False

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` makes of a connection that nobody else has.

        :raises OSError: the file can't be used.
        """
        try:
            connection = self._free.pop()
        except IndexError:
            connection = _open(self.path)
        try:
            done = work(connection)
        except BaseException:
            connection.close()  # a request that was interrupted leaves it in the middle of something
            raise
        self._free.append(connection)
        if self._closed:
            self.close()  # whoever closed them all did not see this one
        return done

    def close(self) -> None:
        """Close them; those that somebody works on after that."""
        self._closed = True
        while self._free:
            try:
                connection = self._free.pop()
            except IndexError:
                return  # another thread does the same
            connection.close()


class SqliteDatabase:
    """Sessions in an SQLite file. Each interpreter keeps its connections.

    Processes may be killed at any time; the last seconds before a power failure may be lost.
    """

    __slots__ = ("_after", "_connections", "_former", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._connections: Connections | None = None
        #: Those of the process that this one was forked from: SQLite forbids to close them here.
        self._former: list[Connections] = []
        self._after = b""

    def _connected(self, guard: Guard) -> Connections:
        """Connections to the file that is there now. :raises OSError: it can't be used."""
        connections = self._current()
        if connections is not None:
            return connections
        with guard():
            # (another thread may have been here meanwhile)
            connections = self._current()
            if connections is not None:
                return connections
            self.close()
            _prepare(self.path)
            first = _open(self.path)
            found = os.stat(self.path)
            self._connections = connections = Connections(self.path, first, (os.getpid(), found.st_dev, found.st_ino))
        return connections

    def _current(self) -> Connections | None:
        """The connections, if they are this process's and to the file that is there now."""
        connections = self._connections
        if connections is None:
            return None
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return connections if connections.identity == (os.getpid(), found.st_dev, found.st_ino) else None

    def close(self, _: object = None) -> None:
        """Close the connections, if there are any."""
        connections, self._connections = self._connections, None
        if connections is None:
            return
        if connections.identity[0] == os.getpid():
            connections.close()
        else:
            self._former.append(connections)

    def load(self, sid: str, guard: Guard) -> bytes | None:
        """What is stored of a session. Readers wait for nobody."""
        row = self._connected(guard).use(partial(_row, key=sid.encode()))
        return None if row is None else bytes(row[0])

    def save(self, sid: str, data: bytes, guard: Guard) -> None:
        """Store a session."""
        connections = self._connected(guard)
        with guard():
            connections.use(partial(_replace, key=sid.encode(), value=data))

    def delete(self, sid: str, guard: Guard) -> None:
        """Forget a session, if there is one."""
        connections = self._connected(guard)
        with guard():
            connections.use(partial(_forget, key=sid.encode()))

    def clean(self, limit: float, guard: Guard) -> Cleaned:
        """Delete expired sessions, as `steps` does, without a pause."""
        steps = self.steps(limit, guard)
        while True:
            try:
                next(steps)
            except StopIteration as last:
                cleaned: Cleaned = last.value
                return cleaned

    def is_due(self, guard: Guard) -> bool:
        """Whether it is time for a clean-up: the file tells all processes when the next may come."""
        connections = self._connected(guard)
        with guard():
            return connections.use(_claim)

    def steps(self, limit: float, guard: Guard) -> Generator[None, None, Cleaned]:
        """Delete expired sessions, a step at a time; what is saved meanwhile stays."""
        watch = beside.Watch()
        cleaned = yield from self._steps(watch, limit or float("inf"), guard)
        connections = self._connected(guard)
        with guard():
            connections.use(partial(_next, wait=beside.pause(watch.worked())))
        return cleaned

    def _steps(self, watch: beside.Watch, limit: float, guard: Guard) -> Generator[None, None, Cleaned]:
        connections = self._connected(guard)
        deleted = total = 0
        after = self._after
        while True:
            rows = connections.use(partial(_rows, after=after))
            if not rows:
                self._after = b""
                return deleted, total, True
            now = time.time()
            expired = [(key, value) for key, value in rows if _expired(value, now)]
            if expired:
                with guard():
                    deleted += connections.use(partial(_delete, rows=expired))
            total += len(rows)
            after = rows[-1][0]
            if watch.worked() > limit:
                self._after = after
                return deleted, total, False
            if watch.is_over():
                watch.stop()
                yield
                watch.go_on()
                connections = self._connected(guard)  # (the file may be another one by now)


# (no cursor leaves these: it would act on its connection when somebody else has that)


def _row(connection: sqlite3.Connection, key: bytes) -> tuple[bytes] | None:
    row: tuple[bytes] | None = connection.execute("SELECT value FROM Dict WHERE key = ?", (key,)).fetchone()
    return row


def _replace(connection: sqlite3.Connection, key: bytes, value: bytes) -> None:
    connection.execute("REPLACE INTO Dict (key, value) VALUES (?, ?)", (key, value))


def _forget(connection: sqlite3.Connection, key: bytes) -> None:
    connection.execute("DELETE FROM Dict WHERE key = ?", (key,))


def _rows(connection: sqlite3.Connection, after: bytes) -> list[tuple[bytes, bytes]]:
    """The next sessions of a clean-up, in the order of their keys."""
    return connection.execute(
        "SELECT key, value FROM Dict WHERE key > ? ORDER BY key LIMIT ?", (after, _BATCH)
    ).fetchall()


def _claim(connection: sqlite3.Connection) -> bool:
    """Whether a clean-up may begin now: then no other may, for as long as it can take."""
    now = int(time.time())
    following = connection.execute("PRAGMA user_version").fetchone()[0]
    if now < following <= now + _LONGEST:
        return False
    _next(connection, _UNDER_WAY)
    return True


def _next(connection: sqlite3.Connection, wait: float) -> None:
    """Note when the next clean-up may come, in seconds from now; in a place that SQLite leaves to whoever needs it."""
    following = int(time.time() + wait) if wait else 0
    connection.execute(f"PRAGMA user_version = {min(following, _LATEST)}")


def _delete(connection: sqlite3.Connection, rows: list[tuple[bytes, bytes]]) -> int:
    """Delete rows that are still the same, in one transaction. :returns: how many were."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        count = connection.executemany("DELETE FROM Dict WHERE key = ? AND value = ?", rows).rowcount
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return count


def _open(path: str) -> sqlite3.Connection:
    # (one thread at a time works on it, see Connections; it need not always be the same. SQLite itself would make a
    # missing file for everybody to read)
    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"file://{name}?mode=rw", uri=True, timeout=10, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = normal")
        connection.execute("CREATE TABLE IF NOT EXISTS Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise OSError(
            22, f"The sessions' database can't be used ({error}). If it was made by another dbm module, move it "
            "away (its sessions end), or give that module as DbmSession's dbmtype", path
        ) from error  # fmt: skip
    return connection


def _prepare(path: str) -> None:
    """Make a database's file, or see whether the one that is there can be trusted.

    A file that is there is not opened: to close it again would take SQLite's locks from the other
    interpreters of this process, since a process has only one lock of that kind on a file.
    """
    try:
        if is_shared(os.path.dirname(path)):
            raise PermissionError(
                1, "Others can write to the folder of the sessions' database: name a file in a folder of the "
                "server's account by PythonOption mod_python.dbm_session.database_filename", path
            )  # fmt: skip
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, "The folder of the sessions' database isn't there", path) from error
    except FileExistsError:
        pass
    found = check_file(path)
    if found.st_mode & 0o077:
        os.chmod(path, 0o600)


def _expired(value: bytes, now: float) -> bool:
    """Whether a stored session expired; what is no session belongs to somebody else."""
    try:
        return records.ended(value) < now
    except ValueError:
        return False


class ModuleDatabase:
    """Sessions through a module such as ``dbm.gnu``: the file is opened each time, by one process at a time."""

    __slots__ = ("_module", "path")

    def __init__(self, path: str, module: Any) -> None:
        self.path, self._module = path, module

    def _open(self) -> Any:
        if is_shared(os.path.dirname(self.path)):
            raise PermissionError(1, "Others can write to the folder of the sessions' database", self.path)
        return self._module.open(self.path, "c", 0o600)

    def load(self, sid: str, guard: Guard) -> bytes | None:
        """What is stored of a session."""
        with guard(), self._open() as database:
            try:
                return bytes(database[sid.encode()])
            except KeyError:
                return None

    def save(self, sid: str, data: bytes, guard: Guard) -> None:
        """Store a session."""
        with guard(), self._open() as database:
            database[sid.encode()] = data

    def delete(self, sid: str, guard: Guard) -> None:
        """Forget a session, if there is one."""
        with guard(), self._open() as database:
            try:
                del database[sid.encode()]
            except KeyError:
                pass

    def is_due(self, guard: Guard) -> bool:
        """Whether it is time for a clean-up: always."""
        return True

    def steps(self, limit: float, guard: Guard) -> Generator[None, None, Cleaned]:
        """Delete expired sessions: in one step, for nobody else can have the file open meanwhile."""
        yield
        return self.clean(limit, guard)

    def clean(self, limit: float, guard: Guard) -> Cleaned:
        """Delete expired sessions."""
        deadline = time.monotonic() + limit if limit else float("inf")
        deleted = total = 0
        with guard(), self._open() as database:
            for key in list(database.keys()):
                if time.monotonic() > deadline:
                    return deleted, total, False
                total += 1
                if _expired(database[key], time.time()):
                    del database[key]
                    deleted += 1
        return deleted, total, True


def _maker(path: str) -> Any:
    """The dbm module, other than that of SQLite, which made the files that are there.

    :raises PermissionError: somebody else could have written them.
    """
    import dbm

    name = dbm.whichdb(path)
    if not name or name == "dbm.sqlite3":
        return None
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None  # that the file can't be used is told when it is opened
    for ending in _ENDINGS:
        if os.path.lexists(path + ending):
            check_file(path + ending)
    return module


@Once
def database(path: str, module: Any = None) -> Database:
    """The database of a file, through a dbm module if one is given."""
    path = os.path.abspath(path)
    if module is None:
        module = _maker(path)
    if module is not None:
        return ModuleDatabase(path, module)
    made = SqliteDatabase(path)
    server = runtime.current()
    if server is not None:
        server.register_cleanup(made.close)
    return made
