"""The signals of the master, in the order in which they came."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable


class SignalQueue:
    """Signals as bytes on a socket pair: handlers do nothing, the wake-up descriptor queues their numbers."""

    __slots__ = ("_reader", "_writer")

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def install(self, numbers: Iterable[int]) -> None:
        """Queue these signals from now on."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        """Readable while signals are queued."""
        return self._reader.fileno()

    def read(self) -> list[int]:
        """The queued signals in their order, each once: what is asked twice is done once."""
        try:
            return list(dict.fromkeys(self._reader.recv(4096)))
        except BlockingIOError:
            return []
