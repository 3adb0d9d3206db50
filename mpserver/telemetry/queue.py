"""What waits to be exported: bounded, and what has no room, or never came, is counted."""

from __future__ import annotations

import threading
from collections import deque

from mpserver.ipc import span_records

#: So many bytes of messages may wait, and are taken together at most (beside one message): whoever writes says himself
#: how many records they are.
MOST_BYTES, TOGETHER_BYTES = 16 << 20, 1 << 20


class Lost:
    """Counts the records that were lost before they came: each writer numbers its own.

    Messages of one writer may come in another order than they were numbered in.
    """

    #: So many writers are kept in mind: those of interpreters that ended are not asked for any more.
    MOST = 10_000

    def __init__(self) -> None:
        #: By writer: the numbers of the first one and of the next one, how many have come, and how many of the missing
        #: ones were counted.
        self._writers: dict[int, tuple[int, int, int, int]] = {}

    def note(self, told: span_records.Header) -> int:
        """A message has come. :returns: how many were lost, as far as it shows and was not counted before."""
        if told.writer not in self._writers and len(self._writers) >= self.MOST:
            self._writers.pop(next(iter(self._writers)))
        first, following, came, counted = self._writers.get(told.writer, (told.before, told.before, 0, 0))
        first, following, came = (
            min(first, told.before), max(following, told.before + told.records), came + told.records
        )  # fmt: skip
        missing = max(following - first - came - counted, 0)
        self._writers[told.writer] = first, following, came, counted + missing
        return missing


class Waiting:
    """Messages that wait for their export; one thread adds, another takes."""

    def __init__(self, most: int) -> None:
        """:param most: how many records may wait."""
        self._most = most
        self._changed = threading.Condition()
        self._messages: deque[tuple[bytes, int]] = deque()
        self._records = self._bytes = 0
        self._ended = False
        self._lost = Lost()
        self._missed = 0

    def add(self, message: bytes) -> None:
        """Take a message, or count what is in it as lost. :raises ValueError: it is none."""
        told = span_records.header(message)
        with self._changed:
            self._missed += self._lost.note(told)
            if self._records + told.records > self._most or self._bytes + len(message) > MOST_BYTES:
                self._missed += told.records
            else:
                self._records += told.records
                self._bytes += len(message)
                self._messages.append((message, told.records))
                self._changed.notify()

    def count_lost(self, records: int) -> None:
        """Some that were taken could not be exported."""
        with self._changed:
            self._missed += records

    def end(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def pause(self, seconds: float, enough: int) -> None:
        """Let some come: until there are enough records, nothing more will come, or so many seconds are over."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._records >= enough, seconds)

    @property
    def left(self) -> int:
        """How many records wait."""
        return self._records

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    def take(self, most: int, patience: float) -> list[bytes]:
        """The messages of about so many records; none after so many seconds, or once nothing more will come."""
        with self._changed:
            if not self._messages and not self._ended:
                self._changed.wait(patience)
            taken, records, size = [], 0, 0
            while self._messages and records < most and size < TOGETHER_BYTES:
                message, count = self._messages.popleft()
                taken.append(message)
                records += count
                size += len(message)
            self._records -= records
            self._bytes -= size
            return taken

    def take_lost(self) -> int:
        """How many records were lost since this was asked for last."""
        with self._changed:
            missed, self._missed = self._missed, 0
            return missed
