"""Signals as messages: handlers do nothing, a pipe queues the numbers, and an event loop acts on them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

from mpserver.system import terminals

#: The most signals that are read at a time.
_READ = 4096

#: Seconds in which a window whose size has changed is taken to change it further: who draws at it says so many times,
#: and some of it is read only when the next size is there.
RESIZING = 1.0

#: Has a worker write the stacks of its main interpreter to the error log, where WorkerTimeout is set.
STACKS = signal.SIGRTMIN

#: What people and programs say to a server.
_TOLD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH)


class Held:
    """Keep what the server is told until a `SignalQueue` takes it; at the end signals are as they were before.

    Around a start: a server that is told to stop when its port is open, but its handlers are not there yet, would
    end on the spot, and leave its pid file, and the processes that it had begun with. Not to be used around itself: the
    inner end would hold what a queue has begun to take.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD)

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


class SignalQueue:
    """The caught signals of this process, in the order in which they came (`signal.set_wakeup_fd`).

    A SIGWINCH by which a terminal tells that its window has another size is not among them: to us it is an order to
    end, and whoever makes the window larger gives none. Neither is the SIGHUP by which a terminal tells that it is
    closed, which to us is an order to restart: it becomes a SIGTERM, or nothing where SIGHUP was ignored at the start.
    """

    __slots__ = ("_caught", "_reader", "_resized", "_stays", "_terminal", "_window", "_writer")

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._caught: tuple[int, ...] = ()
        #: The size of our terminal's window when it was looked at last.
        self._window: bytes | None = None
        #: When its size had changed last (`time.monotonic`): a window that is drawn larger tells that many times.
        self._resized = -RESIZING
        self._terminal = terminals.Terminal()
        #: Whether we are to stay when it is closed.
        self._stays = False

    def install(self, numbers: Iterable[int]) -> None:
        """Queue these signals from now on, with those of them that were `Held`; the others act as they did."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._caught = tuple(numbers)
        if signal.SIGWINCH in self._caught and terminals.window() is not None:
            signal.signal(signal.SIGWINCH, signal.SIG_IGN)  # (which forgets one that was held: it may be the window's)
            self._window = terminals.window()
        self._stays = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        for number in self._caught:
            signal.signal(number, lambda _number, _frame: None)  # the byte in the pipe is the message
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*self._caught, *_TOLD})

    def fileno(self) -> int:
        """Readable while signals are queued."""
        return self._reader

    def read(self) -> list[int]:
        """The queued signals in their order, each once: what is asked twice is done once."""
        try:
            found = list(dict.fromkeys(os.read(self._reader, _READ)))
        except BlockingIOError:
            return []
        if signal.SIGWINCH in found and self._is_resized():
            found.remove(signal.SIGWINCH)
        if signal.SIGHUP in found and self._terminal.is_closing(time.monotonic()):
            found.remove(signal.SIGHUP)
            if not self._stays:
                found.append(signal.SIGTERM)
        return found

    def look(self, now: float) -> None:
        """Take note of what becomes of our terminal; to be called every second or so."""
        self._terminal.look(now)

    def _is_resized(self) -> bool:
        """Whether our terminal's window has another size than before."""
        before, now = self._window, terminals.window()
        if now is None:
            return False
        if now != before:
            self._window, self._resized = now, time.monotonic()
            return True
        return time.monotonic() - self._resized < RESIZING

    def close(self) -> None:
        """Catch these signals no more: they have their default actions again, as in a child that was just forked."""
        signal.set_wakeup_fd(-1)
        for number in self._caught:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)
