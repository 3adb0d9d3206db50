"""An event loop that several threads share."""

from __future__ import annotations

import os
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable

from mpserver.system.loop import READ, Loop


class SharedLoop(Loop):
    """A loop that other threads can ask for something; it belongs to the thread that makes it, or takes it over."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = get_ident()
        #: Held where a thread puts a connection back to wait, and where those that wait are told to end.
        self.gate = allocate_lock()
        self._away: set[int] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._rung = False
        self.add(self._bell, self._answer)

    def belong(self) -> None:
        """The calling thread has it from now on."""
        self._thread = get_ident()

    def is_ours(self) -> bool:
        """Whether the calling thread is the loop's."""
        return get_ident() == self._thread

    def call(self, function: Callable[[], None]) -> None:
        """Call it in the loop's thread."""
        self._calls.append(function)
        if not self._rung:
            self._rung = True
            os.eventfd_write(self._bell, 1)

    def _answer(self, _event: int = 0) -> None:
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            pass
        self._rung = False
        self.answer()

    def answer(self) -> None:
        """Do what was asked for so far."""
        while self._calls:
            self._calls.popleft()()

    def send_away(self, fd: int) -> None:
        """Don't look at a descriptor until it comes `back`."""
        self._away.add(fd)
        self._poll.unregister(fd)

    def back(self, fd: int) -> None:
        """Look at it again, for reading; for any thread."""
        self._away.discard(fd)
        self._poll.register(fd, READ)

    def remove(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""
        if fd in self._away:
            self._away.discard(fd)
            self._callbacks.pop(fd, None)
        else:
            super().remove(fd)

    def close(self) -> None:
        """Release the descriptors."""
        super().close()
        os.close(self._bell)
