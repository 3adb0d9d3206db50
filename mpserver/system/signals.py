"""The signals of a process, in the order in which they came."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable


class SignalQueue:
    """Signals as bytes on a socket pair: handlers do nothing, the wake-up descriptor queues their numbers."""

    __slots__ = ("_numbers", "_reader", "_writer")

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._numbers: list[int] = []

    def install(self, numbers: Iterable[int]) -> None:
        """Queue these signals from now on; in the main thread of the main interpreter only."""
        self._numbers += numbers
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, lambda *_: None)  # the byte on the socket is the message

    def fileno(self) -> int:
        """Readable while signals are queued."""
        return self._reader.fileno()

    def read(self) -> list[int]:
        """The queued signals in their order, each once: what is asked twice is done once."""
        try:
            return list(dict.fromkeys(self._reader.recv(4096)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Queue none any more: the signals do again what they do by default. For a child after its fork."""
        signal.set_wakeup_fd(-1)
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()
