"""The pool of global locks (``PythonOption mod_python.mutex_directory`` and ``mod_python.mutex_locks``).

N files in a directory, one lock each, shared by all interpreters of all workers: sessions lock by their
id, dbm files use the first. The kernel's ``flock`` on a file that each interpreter opened by itself
excludes processes, and interpreters and threads of one process alike; waiters are woken by the kernel,
and a lock is free again when its holder's process is gone, however it went.

This calls ``flock`` by itself instead of through the filelock library, whose locks it respects and
excludes (it is the same lock of the kernel): importing that takes 70 ms and 12 MB in every interpreter
(Python 3.14), and it waits by polling.

Who holds a lock is a thread, from ``acquire`` to ``release`` (`Lock`), or a request with all its threads, at
most to its end (`RequestLocks`).
"""

from __future__ import annotations

import fcntl
import os
import stat
import zlib
from _thread import RLock, allocate_lock, get_ident
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import compress
from operator import call

from mpserver.errors import StartError

#: What a session is told that wants a lock when nobody would give it back any more.
OVER = (
    "the request has ended, so that nothing would unlock its session: end the threads that use one before the "
    "handler returns, or make it with lock=0"
)

_call: Callable[[Callable[[], object]], object] = call


def _at_once(*functions: Callable[[], object]) -> None:
    """Call functions of C, one after the other, with nothing of Python between where a time-out could come."""
    deque(map(_call, functions), maxlen=0)


def slot(key: str | int | None, index: int, count: int) -> int:
    """The lock that is meant: ``index`` itself, or that of ``key`` where index is -1.

    The first lock (0) serves dbm files, keys share the others; crc32, since ``hash`` differs between processes.

    :raises ValueError: there is no such lock.
    """
    if not -1 <= index < count:
        raise ValueError("Lock index is out of range for number of global mutex locks")
    if index >= 0:
        return index
    if count < 2:
        return 0
    if isinstance(key, int):
        return abs(key) % (count - 1) + 1
    return zlib.crc32((key or "").encode("utf-8", "surrogatepass")) % (count - 1) + 1


def pool_directory(directory: str, owner: str) -> str:
    """Where a server's lock files are: a folder of its own, so that nobody else can hold or replace them.

    ``owner`` tells servers of the same account apart; the path of the pid file does.
    """
    return os.path.join(directory, f"mpserver-locks-{os.geteuid()}-{zlib.crc32(os.fsencode(owner)):08x}")


class LockPool:
    """The pool as one interpreter has it. Its files are opened when they are first used."""

    __slots__ = ("_domain", "_locks", "_pid", "count", "directory")

    def __init__(self, directory: str, count: int, owner: str = "") -> None:
        """``directory``: an existing folder; ``count``: at least 1."""
        self.directory = pool_directory(directory, owner)
        # (two at least: a session that is kept in a dbm file takes its own lock and the first)
        self.count = max(2, count)
        self._locks: dict[int, Lock] = {}
        self._pid = os.getpid()
        self._domain = ""

    def lock(self, key: str | int | None, index: int = -1) -> Lock:
        """The lock of a key, or that of this index.

        :raises ValueError: the index is out of range.
        """
        number = slot(key, index, self.count)
        if self._pid != os.getpid():
            # Forked: what the parent opened is the parent's lock.
            self._locks, self._pid = {}, os.getpid()
        lock = self._locks.get(number)
        if lock is None:
            # (setdefault is atomic: threads that come here together get the same lock)
            lock = self._locks.setdefault(number, Lock(self.directory, number))
        return lock

    def domain(self) -> str:
        """A name that only those have who share the pool: of the machine, its boot and the folder.

        :raises StartError: the folder can't be made or trusted.
        """
        if not self._domain:
            _make_directory(self.directory)
            found = os.stat(self.directory)
            try:
                with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                    boot = file.read().strip()
            except OSError:
                boot = ""  # not Linux: the machine's name must tell them apart
            self._domain = f"{os.uname().nodename}/{boot}/{found.st_dev:x}/{found.st_ino:x}"
        return self._domain

    def close(self) -> None:
        """Close the files; what is held is free then."""
        for lock in self._locks.values():
            lock.close()
        self._locks = {}


def _make_directory(path: str) -> None:
    """Make the pool's folder, or look whether the one that is there can be trusted."""
    try:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        found = os.lstat(path)
    except OSError as error:
        raise StartError(
            f"({error.errno}){error.strerror}: Failed to create global mutexes in {os.path.dirname(path)}. "
            "Name a folder where the workers may write: PythonOption mod_python.mutex_directory."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise StartError(
            f"{path} is not a folder of the workers' account that only it can write to. Remove it, or name "
            "another place: PythonOption mod_python.mutex_directory."
        )


class Lock:
    """One lock: a gate for those of this interpreter, and the file for everybody else.

    A thread may take a lock that it holds once more; each `acquire` needs its `release`, by the same thread. It
    is taken and given back by a ``with`` statement, too. Other owners use `take` and `give`.
    """

    __slots__ = ("_depth", "_owners", "directory", "fd", "gate", "path", "pid")

    def __init__(self, directory: str, number: int) -> None:
        """``directory``: the pool's, which is made when the lock is first taken."""
        self.pid = os.getpid()
        self.directory, self.path = directory, os.path.join(directory, f"lock.{number}")
        self.gate = allocate_lock()
        #: Who holds it, at most one: a thread's number, or what was given to `take`.
        self._owners: list[object] = []
        self._depth = 0  # how often the thread that holds it has taken it
        self.fd = -1

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Wait for the lock and take it. :raises StartError: its file can't be opened; the text says why."""
        me = get_ident()
        if me in self._owners:
            self._depth += 1
            return
        try:
            self.take(me)
            self._depth = 1
        except BaseException:
            if me in self._owners:
                self.give(me)
            raise

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it, not even this thread. :raises StartError: its file can't be opened.

        :returns: whether it was taken.
        """
        me = get_ident()
        if me in self._owners:
            return False
        free = False
        try:
            # (nothing of Python comes between the gate and the owner here, either)
            got = map(_call, (partial(self.gate.acquire, False),))
            deque(map(self._owners.append, compress((me,), got)), maxlen=0)
            free = me in self._owners and self._lock_file(fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            if not free and me in self._owners:
                self.give(me)
        return free

    def release(self) -> None:
        """Give the lock back. :raises RuntimeError: this thread does not hold it, or it is that of a process before."""
        me = get_ident()
        if me in self._owners and self._depth > 1:
            self._depth -= 1
        else:
            self.give(me)

    def take(self, owner: object) -> None:
        """Wait for the lock, for an owner that does not hold it. :raises StartError: as `acquire`."""
        try:
            _at_once(self.gate.acquire, partial(self._owners.append, owner))
            self._lock_file()
        except BaseException:
            # An interruption (a request's time-out) that came while this waited is raised when the lock is
            # ours already.
            if owner in self._owners:
                self.give(owner)
            raise

    def give(self, owner: object) -> None:
        """Give the lock back. :raises RuntimeError: it is not this owner's, or it is that of a process before."""
        if self.pid != os.getpid():
            raise RuntimeError("the global mutex lock is that of another process")
        unlock = (partial(fcntl.flock, self.fd, fcntl.LOCK_UN),) if self.fd >= 0 else ()
        try:
            _at_once(partial(self._owners.remove, owner), *unlock, self.gate.release)
        except ValueError:
            raise RuntimeError("the global mutex lock is not held by this thread or request") from None
        except OSError:
            self.fd = -1  # somebody has closed it: then it is free for others
            self.gate.release()

    def is_owned_by(self, owner: object) -> bool:
        """Whether an owner, as `take` has it, holds the lock."""
        return owner in self._owners

    def _lock_file(self, how: int = fcntl.LOCK_EX) -> bool:
        """Lock the file. :returns: False where others have it, and ``how`` says not to wait."""
        while True:
            if self.fd < 0:
                self.fd = self._open()
            try:
                fcntl.flock(self.fd, how)
            except BlockingIOError:
                return False
            if os.fstat(self.fd).st_nlink:
                return True
            # Somebody tidied the folder: the others will lock the new file of that name.
            self.close()

    def _open(self) -> int:
        _make_directory(self.directory)
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"({error.errno}){error.strerror}: Failed to open global mutex {self.path}") from error

    def close(self) -> None:
        """Close the file; if the lock is held, it is free then."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class RequestLocks:
    """The locks that a request holds, whichever of its threads took them."""

    __slots__ = ("_taken", "over")

    def __init__(self) -> None:
        self._taken: dict[Lock, RequestLock] = {}
        #: Whether the request has ended: then it gets no lock any more.
        self.over = False

    def lock(self, lock: Lock) -> RequestLock:
        """A lock of the pool, as this request takes it."""
        return self._taken.get(lock) or self._taken.setdefault(lock, RequestLock(self, lock))

    def check(self) -> None:
        """:raises RuntimeError: the request has ended."""
        if self.over:
            raise RuntimeError(OVER)

    def end(self) -> list[str]:
        """The request's end: what it still holds is free. :returns: the files of those locks."""
        self.over = True
        return [lock.path for lock, held in list(self._taken.items()) if held.free()]


class RequestLock:
    """A lock of the pool for one request: its threads share it, and each of them may give it back.

    Each `acquire` needs a `release` (two sessions can share a lock).
    """

    __slots__ = ("_depth", "_lock", "_locks", "_state", "_turn")

    def __init__(self, locks: RequestLocks, lock: Lock) -> None:
        self._locks, self._lock = locks, lock
        self._depth = 0
        #: Held by the thread that waits for the lock. (Reentrant ones: if an interruption keeps a thread from giving
        #: them back, it can take them at the end of its request all the same.)
        self._turn, self._state = RLock(), RLock()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Wait for the lock and take it.

        :raises StartError: its file can't be opened; the text says why.
        :raises RuntimeError: the request has ended.
        """
        with self._turn:
            self._locks.check()
            with self._state:
                if self._depth:
                    self._depth += 1
                    return
            self._lock.take(self)
            self._depth = 1
            try:
                self._locks.check()  # it may have ended while this waited, and not have seen that this has the lock
            except RuntimeError:
                self.free()
                raise

    def release(self) -> None:
        """Give the lock back, in whichever thread. :raises RuntimeError: the request does not hold it."""
        with self._state:
            if self._depth > 1:
                self._depth -= 1
                return
            self._depth = 0
        self._lock.give(self)

    def free(self) -> bool:
        """Give the lock back however often it was taken. :returns: whether it was held."""
        if not self._lock.is_owned_by(self):
            return False  # (which is the rule at the end of a request)
        try:
            self._lock.give(self)
        except RuntimeError:
            return False
        return True
