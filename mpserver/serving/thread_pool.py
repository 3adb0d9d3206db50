"""The threads that serve an interpreter's requests under the worker MPM."""

from __future__ import annotations

import threading
import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable

from mpserver.http1.head import Head
from mpserver.serving.connection import Connection

#: A connection with a complete request.
Job = tuple[Connection, Head]


class _Thread:
    """A thread of the pool: when its bell rings, it serves its job, or ends where it has none."""

    __slots__ = ("bell", "job", "thread")

    def __init__(self) -> None:
        self.bell = allocate_lock()
        self.bell.acquire()
        self.job: Job | None = None
        self.thread: threading.Thread


class ThreadPool:
    """At most ``most`` threads, which serve requests by ``work``.

    Requests that have to wait for a thread are served in the order in which they came. ``busy`` is called whenever the
    number of threads in a request changes, with that number and ``most``.
    """

    def __init__(
        self, name: str, most: int, work: Callable[[Connection, Head], None], busy: Callable[[int, int], None]
    ) -> None:
        self._name, self._most, self._work, self._tell = name, most, work, busy
        self._gate = allocate_lock()
        self._threads: list[_Thread] = []
        #: The threads without a request; the one that was busy last is the first to get another request.
        self._idle: list[_Thread] = []
        self._waiting: deque[Job] = deque()
        self._ends = False

    def submit(self, connection: Connection, head: Head) -> bool:
        """Have a request served. :returns: whether a thread was free for it."""
        with self._gate:
            thread = self._idle.pop() if self._idle else self._start()
            if thread is None:
                self._waiting.append((connection, head))
                return False
            self._tell(len(self._threads) - len(self._idle), self._most)
        thread.job = (connection, head)
        thread.bell.release()
        return True

    def _start(self) -> _Thread | None:
        if len(self._threads) >= self._most:
            return None
        thread = _Thread()
        name = f"{self._name} {len(self._threads) + 1}"
        thread.thread = threading.Thread(target=self._run, args=(thread,), name=name)
        try:
            thread.thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            return None  # the system has no room for more: those that there are have to do
        self._threads.append(thread)
        return thread

    def __bool__(self) -> bool:
        """Whether requests wait for a thread."""
        return bool(self._waiting)

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return len(self._waiting)

    def take_back(self, most: int) -> list[Job]:
        """Up to ``most`` of those that wait longest, and may go elsewhere."""
        with self._gate:
            taken = [job for job in self._waiting if not job[0].is_pinned][:most]
            for job in taken:
                self._waiting.remove(job)
            return taken

    def _run(self, me: _Thread) -> None:
        while True:
            me.bell.acquire()
            job, me.job = me.job, None
            if job is None:
                return
            while job is not None:
                self._work(*job)
                job = self._next(me)

    def _next(self, me: _Thread) -> Job | None:
        """The next request; None: there is none, so the thread waits for its bell."""
        with self._gate:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(me)
            self._tell(len(self._threads) - len(self._idle), self._most)
            if self._ends:
                me.bell.release()
        return None

    def close(self, patience: float | None = None) -> bool:
        """End the threads, those in a request after that; what waits is not served any more.

        :param patience: how long to wait for them, in seconds; None: as long as it takes.
        :returns: whether they have ended.
        """
        with self._gate:
            self._ends = True
            self._waiting.clear()
            for thread in self._idle:
                thread.bell.release()
        deadline = None if patience is None else time.monotonic() + patience
        for thread in self._threads:
            thread.thread.join(None if deadline is None else max(deadline - time.monotonic(), 0.0))
        return not any(thread.thread.is_alive() for thread in self._threads)
