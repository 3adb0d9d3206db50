"""The courier of an interpreter: sends what responses have written while their handlers still run.

It is a thread that begins when a client is slower than a handler, and ends soon after there are none any more. A
complete response needs it no more: the rest of that leaves from the event loop.
"""

from __future__ import annotations

import os
import select
import threading
import time

from mpserver.typing import Protocol

#: How often it looks for clients that take nothing any more, and how long it stays for nobody, in seconds.
TICK = 0.25


class Load(Protocol):
    """What is to be sent on one connection: `mpserver.serving.backlog.Backlog`."""

    #: The connection's descriptor.
    fd: int

    def go_on(self) -> None:
        """Its client may take more."""

    def expire(self, now: float) -> None:
        """See whether its client still takes anything; ``now``: ``time.monotonic()``."""

    def broken(self, why: str) -> None:
        """It can't be sent."""


class Courier:
    """One interpreter's; for any thread."""

    __slots__ = ("_bell", "_ends", "_gate", "_lagging", "_name", "_poll", "_thread")

    def __init__(self, name: str) -> None:
        self._name = name
        self._gate = threading.Lock()
        #: While it runs: the thread, what it sleeps on, and what wakes it.
        self._thread: threading.Thread | None = None
        self._poll: select.epoll
        self._bell: int
        #: Those that have something to be sent, by their descriptors.
        self._lagging: dict[int, Load] = {}
        self._ends = False

    def add(self, load: Load) -> bool:
        """Send a load, for who has its gate. :returns: whether there is room for a thread that does."""
        with self._gate:
            if load.fd in self._lagging:
                return True
            if self._thread is None and not self._start():
                return False
            self._poll.register(load.fd, select.EPOLLOUT)
            self._lagging[load.fd] = load
            return True

    def remove(self, load: Load) -> None:
        """Send nothing more for it, for who has its gate."""
        if self._lagging.get(load.fd) is load:
            with self._gate:
                del self._lagging[load.fd]
                self._poll.unregister(load.fd)

    def stop(self) -> None:
        """The interpreter ends: so does the thread, if there is one."""
        with self._gate:
            self._ends = True
            thread = self._thread
            if thread is not None:
                os.eventfd_write(self._bell, 1)
        if thread is not None:
            thread.join()

    def _start(self) -> bool:
        if self._ends:
            return False
        try:
            self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            return False  # there is no descriptor left
        try:
            self._poll = select.epoll()
        except OSError:
            os.close(self._bell)
            return False
        self._poll.register(self._bell, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name=f"courier of {self._name}")
        try:
            self._thread.start()
        except RuntimeError:  # there is no room for a thread
            self._close()
        return self._thread is not None

    def _close(self) -> None:
        self._thread = None
        self._poll.close()
        os.close(self._bell)

    def _run(self) -> None:
        looked = time.monotonic()
        while True:
            events = self._poll.poll(TICK)
            with self._gate:
                if self._ends or not (events or self._lagging):
                    self._close()
                    return
            for fd, _event in events:
                load = self._lagging.get(fd)
                if load is not None:
                    self._send(load)
            now = time.monotonic()
            if now - looked >= TICK:
                looked = now
                for load in list(self._lagging.values()):
                    load.expire(now)

    def _send(self, load: Load) -> None:
        try:
            load.go_on()
        except Exception as error:  # whatever it is, it must not end the thread
            load.broken(f"the response could not be sent: {error}")
