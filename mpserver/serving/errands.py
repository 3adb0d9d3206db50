"""What an interpreter of the worker MPM does beside its requests: the ends of those whose clients left, or that moved.

These run an application's code (log handlers, cleanups), which may take long, so neither the loop nor the threads that
serve requests do them. They are done in the order in which they came, by a few threads that end with the last of them.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable

#: Something to be done; it raises nothing.
Errand = Callable[[], None]


class Errands:
    """Does errands in at most ``most`` threads at a time."""

    __slots__ = ("_gate", "_most", "_name", "_threads", "_waiting")

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._gate = allocate_lock()
        self._threads: set[threading.Thread] = set()
        self._waiting: deque[Errand] = deque()

    def do(self, errand: Errand) -> None:
        """Have something done; for any thread. It is done here and now where the system has no room for any thread."""
        with self._gate:
            self._waiting.append(errand)
            if len(self._threads) >= self._most:
                return
            thread = threading.Thread(target=self._run, name=self._name)
            self._threads.add(thread)
            try:
                thread.start()
                return
            except RuntimeError:
                self._threads.discard(thread)
            if self._threads:
                return  # those that there are have to do
        self._work()

    def _run(self) -> None:
        self._work(threading.current_thread())

    def _work(self, me: threading.Thread | None = None) -> None:
        while True:
            with self._gate:
                if not self._waiting:
                    if me is not None:
                        self._threads.discard(me)
                    return
                errand = self._waiting.popleft()
            errand()

    def join(self) -> None:
        """Wait until all is done."""
        while True:
            with self._gate:
                thread = next(iter(self._threads), None)
            if thread is None:
                return
            thread.join()
