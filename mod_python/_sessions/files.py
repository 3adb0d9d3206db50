"""Sessions as files, one each: ``<directory>/<first two digits of the id>/<id>`` (api 3.5 3.3)."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator

from mod_python._sessions import beside, records, slots
from mod_python._sessions.once import Once
from mod_python._sessions.private import make_directory
from mpserver.typing import NamedTuple

_is_sid = re.compile(r"[0-9a-f]{32}").fullmatch

#: The first word of the file that tells where a clean-up stopped.
_STATUS_VERSION = "MPFS_3.2"
_FOLDERS = 256
#: How old a file that was never finished must be to be thrown away, in seconds.
_ABANDONED = 300

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class CleanupRules(NamedTuple):
    """What a clean-up deletes, and for how long it may look (manual 4.8.1)."""

    #: The time-out that files are judged by, and what is added to every time-out; in seconds.
    timeout: float
    grace: float
    #: Look only at files that were not written for that time; look into the file before it is deleted.
    fast: bool
    verify: bool
    #: Seconds; 0 is no limit.
    limit: float


class Opened:
    """A session's file, open from when it was read until it is saved, by who has the session's lock.

    What is written then goes where it was seen to belong, unless somebody without the lock came between.
    """

    __slots__ = ("_fd", "_found", "_written")

    def __init__(self, fd: int, found: slots.Found, written: int) -> None:
        """``fd`` is closed with this; ``written``: when the file was written, as stat tells it (``st_mtime_ns``)."""
        self._fd = fd
        self._found = found
        self._written = written

    def save(self, data: bytes) -> bool:
        """Store the session. :returns: False if it needs another file; :raises OSError: it can't be written."""
        place = slots.place(self._found, len(data))
        if place is None:
            return False
        state = os.fstat(self._fd)
        if not state.st_nlink or state.st_mtime_ns != self._written:
            return False
        _write(self._fd, place, data)
        return True

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


class FileStore:
    """The sessions of one folder. Whoever reads, and whoever is killed: there is the old session or the new one."""

    __slots__ = ("_after", "_owner", "directory")

    def __init__(self, directory: str) -> None:
        """:raises OSError: the folder can't be made or can't be trusted."""
        self.directory = make_directory(directory)
        self._owner = os.geteuid()
        self._after = ""

    def _path(self, sid: str) -> str:
        return f"{self.directory}/{sid[:2]}/{sid}"

    def load(self, sid: str) -> bytes | None:
        """What is stored of a session; None if there is nothing. :raises OSError: it can't be read."""
        try:
            fd = os.open(self._path(sid), _READ)
        except FileNotFoundError:
            return None
        try:
            return self._read(fd)[0].data
        finally:
            os.close(fd)

    def open(self, sid: str) -> tuple[bytes | None, Opened | None]:
        """The same for who has the session's lock, with the file where there is one, for `save`; it is to be closed.

        :raises OSError: it can't be read.
        """
        try:
            fd = os.open(self._path(sid), _WRITE)
        except FileNotFoundError:
            return None, None
        try:
            found, written = self._read(fd)
        except BaseException:
            os.close(fd)
            raise
        return found.data, Opened(fd, found, written)

    def _read(self, fd: int) -> tuple[slots.Found, int]:
        """What is in a file, and when it was written (``st_mtime_ns``)."""
        state = os.fstat(fd)
        if state.st_uid != self._owner:
            raise PermissionError(1, "a session's file belongs to somebody else", self.directory)
        size = state.st_size
        data = os.read(fd, size + 1)
        while len(data) < size and (more := os.read(fd, size)):
            data += more
        return slots.find(data), state.st_mtime_ns

    def save(self, sid: str, data: bytes, opened: Opened | None = None) -> None:
        """Store a session. :raises OSError: it can't be written; what was stored is as it was.

        :param opened: its file as `open` gave it.
        """
        if opened is not None and opened.save(data):
            return
        path = self._path(sid)
        try:
            fd = os.open(path, _WRITE)
        except FileNotFoundError:
            self._replace(path, data)
            return
        try:
            place = slots.place(self._read(fd)[0], len(data))
            if place is not None:
                _write(fd, place, data)
                return
        finally:
            os.close(fd)
        self._replace(path, data)

    def _replace(self, path: str, data: bytes) -> None:
        """Write a session to a new file, and put that into the place of the old one."""
        draft = f"{path}.{os.urandom(6).hex()}"
        try:
            fd = os.open(draft, _CREATE, 0o600)
        except FileNotFoundError:
            make_directory(self.directory)
            make_directory(os.path.dirname(path))
            fd = os.open(draft, _CREATE, 0o600)
        content = slots.file(data)
        try:
            try:
                written = os.write(fd, content)
                while written < len(content):
                    written += os.write(fd, content[written:])
            finally:
                os.close(fd)
            os.rename(draft, path)
        except BaseException:
            os.unlink(draft)
            raise

    def delete(self, sid: str) -> None:
        """Forget a session, if there is one. :raises OSError: its file can't be removed."""
        try:
            os.unlink(self._path(sid))
        except FileNotFoundError:
            pass

    # ---- clean-up

    def clean(self, rules: CleanupRules, log: Callable[[str], None]) -> None:
        """Delete expired sessions, as `steps` does, without a pause."""
        for _ in self.steps(rules, log):
            pass

    def steps(self, rules: CleanupRules, log: Callable[[str], None]) -> Iterator[None]:
        """Delete expired sessions, going on where the last clean-up stopped; a step at a time.

        One process at a time does that; in another it is over at once.
        """
        log(f"FileSession cleanup: (fast={rules.fast}, verify={rules.verify}) ...")
        # the lock goes with its holder, so it can't be left over
        fd = os.open(f"{self.directory}/.mp_sess.lck", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("FileSession cleanup: another process is already running.")
            return
        else:
            yield from self._clean(rules, log)
        finally:
            os.close(fd)

    def is_due(self) -> bool:
        """Whether it is time for another clean-up: all processes together spend a small part of their time on them."""
        status = self._status()
        try:
            return beside.may_come(os.stat(self._status_file).st_mtime, float(status[4]))
        except (IndexError, ValueError, FileNotFoundError):
            return True

    def _clean(self, rules: CleanupRules, log: Callable[[str], None]) -> Iterator[None]:
        watch = beside.Watch()
        first = self._next()
        limit = rules.limit or float("inf")
        deleted = total = 0
        following = first
        folders = set(os.listdir(self.directory))
        for folder in (*range(first, _FOLDERS), *range(first)):
            following = folder
            names = self._names(folder) if f"{folder:02x}" in folders else ()
            for name in names:
                if watch.worked() > limit:
                    break
                if watch.is_over():
                    watch.stop()
                    yield
                    watch.go_on()
                total += 1
                deleted += self._judge(f"{self.directory}/{folder:02x}/{name}", name, rules, log)
                self._after = name
            else:
                self._after = ""
                continue
            log(f"FileSession cleanup incomplete: next cleanup will start at index {following} ({following:02x})")
            break
        else:
            following = 0
        took = watch.worked()
        log(f"FileSession cleanup: deleted {deleted} of {total} in {took:.4f} seconds")
        self._remember(f"{_STATUS_VERSION} {following} {deleted} {total} {took:.4f}\n")

    def _names(self, folder: int) -> list[str]:
        """The files of a folder that are still to be looked at."""
        try:
            return sorted(name for name in os.listdir(f"{self.directory}/{folder:02x}") if name > self._after)
        except FileNotFoundError:
            return []

    def _judge(self, path: str, name: str, rules: CleanupRules, log: Callable[[str], None]) -> bool:
        """Delete a file if its session expired. :returns: whether it did."""
        now = time.time()
        try:
            found = os.lstat(path)
            if not _is_sid(name):
                # of a process that was killed while it wrote
                expired = "." in name and found.st_mtime < now - _ABANDONED
            else:
                old = found.st_mtime + rules.timeout + rules.grace < now
                expired = old if rules.fast else True
                if expired and (rules.verify or not rules.fast):
                    expired = self._expired(name, rules, old, log)
            if not expired or os.lstat(path).st_mtime_ns != found.st_mtime_ns:
                return False
            os.unlink(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            log(f"FileSession cleanup error: {error}")
            return False
        return True

    def _expired(self, sid: str, rules: CleanupRules, old: bool, log: Callable[[str], None]) -> bool:
        """Whether a session expired by its own time-out; what is no session is judged by its file's age."""
        data = self.load(sid)
        if data is None:
            return False
        try:
            return records.ended(data) + rules.grace < time.time()
        except ValueError as error:
            log(f"FileSession cleanup error: {self._path(sid)}: {error}")
            return old

    def _next(self) -> int:
        """The folder that the next clean-up begins with."""
        words = self._status()
        return int(words[1]) % _FOLDERS if len(words) > 1 and words[1].isdecimal() else 0

    @property
    def _status_file(self) -> str:
        return f"{self.directory}/fs_status.txt"

    def _status(self) -> list[str]:
        """What the last clean-up has left: the format, the next folder, what it deleted and looked at, its seconds."""
        try:
            with open(self._status_file, encoding="ascii", errors="replace") as file:
                words = file.read(200).split()
        except FileNotFoundError:
            return []
        return words if words[:1] == [_STATUS_VERSION] else []

    def _remember(self, status: str) -> None:
        draft = f"{self.directory}/fs_status.{os.urandom(6).hex()}"
        with open(os.open(draft, _CREATE, 0o600), "w", encoding="ascii") as file:
            file.write(status)
        os.rename(draft, self._status_file)


def _write(fd: int, place: slots.SlotPlace, data: bytes) -> None:
    """Write a session into its slot of a file. :raises OSError: it can't be written."""
    entry = slots.slot(place.number, data)
    if os.pwrite(fd, entry, place.offset) != len(entry):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@Once
def file_store(directory: str) -> FileStore:
    """The store of a folder, which is made or looked at once. :raises OSError: it can't be trusted."""
    return FileStore(directory)
