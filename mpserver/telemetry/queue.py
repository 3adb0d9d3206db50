"""What waits to be exported: bounded, and what has no room, or never came, is counted."""

from __future__ import annotations

import threading
from collections import deque

from mpserver.ipc import span_records
from mpserver.typing import Any

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


class _Source:
    """What waits of those who write to the same socket."""

    def __init__(self) -> None:
        self.messages: deque[tuple[bytes, int]] = deque()
        self.records = self.bytes = 0
        self.lost = Lost()
        #: It will tell no more.
        self.is_over = False

    def take(self, message: tuple[bytes, int]) -> None:
        """It is to wait."""
        self.messages.append(message)
        self.records += message[1]
        self.bytes += len(message[0])

    def give(self, *, last: bool = False) -> tuple[bytes, int]:
        """The first message, or the last one, which waits no more."""
        message = self.messages.pop() if last else self.messages.popleft()
        self.records -= message[1]
        self.bytes -= len(message[0])
        return message


class Waiting:
    """Messages that wait for their export; one thread adds, another takes.

    Sources are independent: who tells more than there is room for takes none from those who tell less.
    """

    def __init__(self, most: int) -> None:
        """:param most: how many records may wait."""
        self._most = most
        self._changed = threading.Condition()
        self._sources: dict[Any, _Source] = {}
        self._records = self._bytes = 0
        self._ended = False
        self._missed = 0

    def add(self, message: bytes, source: Any = None) -> None:
        """Take a message of a source, or count what is in it as lost. :raises ValueError: it is none."""
        told = span_records.header(message)
        if not told.records or len(message) < told.records * span_records.FIXED * span_records.NUMBER:
            raise ValueError("a message has not as many records as it says")
        with self._changed:
            its = self._sources.get(source)
            if its is None:
                its = self._sources[source] = _Source()
            self._missed += its.lost.note(told)
            if not self._has_room(its, told.records, len(message)):
                self._missed += told.records
                return
            its.take((message, told.records))
            self._records += told.records
            self._bytes += len(message)
            self._changed.notify()

    def _has_room(self, its: _Source, records: int, size: int) -> bool:
        """Whether so much more may wait of a source: who has more than his share gives way."""
        while self._records + records > self._most or self._bytes + size > MOST_BYTES:
            # (by what there is too much of)
            by_bytes = self._bytes + size > MOST_BYTES
            source, greatest = max(self._sources.items(), key=lambda one: one[1].bytes if by_bytes else one[1].records)
            if by_bytes:
                is_more = its.bytes + size >= greatest.bytes
            else:
                is_more = its.records + records >= greatest.records
            if is_more or not greatest.messages:
                return False
            message, lost = greatest.give(last=True)
            self._let_go(source, greatest)
            self._records -= lost
            self._bytes -= len(message)
            self._missed += lost
        return True

    def forget(self, source: Any) -> None:
        """A source will tell no more; what it has told may wait."""
        with self._changed:
            its = self._sources.get(source)
            if its is not None:
                its.is_over = True
                self._let_go(source, its)

    def _let_go(self, source: Any, its: _Source) -> None:
        if its.is_over and not its.messages:
            del self._sources[source]

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
            if not self._records and not self._ended:
                self._changed.wait(patience)
            taken: list[bytes] = []
            records = size = 0
            # (one of each source, and again: none waits for another one that tells more)
            while records < most and size < TOGETHER_BYTES:
                some = [one for one in self._sources.items() if one[1].messages]
                if not some:
                    break
                for source, its in some:
                    self._sources[source] = self._sources.pop(source)  # (the others come first then)
                    message, count = its.give()
                    self._let_go(source, its)
                    taken.append(message)
                    records += count
                    size += len(message)
                    if records >= most or size >= TOGETHER_BYTES:
                        break
            self._records -= records
            self._bytes -= size
            return taken

    def take_lost(self) -> int:
        """How many records were lost since this was asked for last."""
        with self._changed:
            missed, self._missed = self._missed, 0
            return missed
