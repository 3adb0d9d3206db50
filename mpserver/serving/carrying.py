"""The place on the scoreboard of an interpreter whose requests wait for other servers, in its loop or in threads.

Each of them counts as one that has a thread: to who looks at the status it makes no difference where it waits.
"""

from __future__ import annotations

from _thread import get_ident

from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.waiting_requests import WaitingRequests
from mpserver.serving.threaded_parts import SharedEntry
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.ipc.request_counts import HasLabel

#: The highest number that the scoreboard has room for.
HIGHEST = 65535


class CarryingEntry(SharedEntry):
    """Shows what runs: requests in threads of the pool, and those that stand in the loop."""

    __slots__ = ("_busy", "_loop", "_mine", "_most", "_standing", "_waiting")

    def __init__(self, board: Scoreboard, slot: int, index: int) -> None:
        """The calling thread is that of the loop."""
        super().__init__(board, slot, index)
        self._waiting = WaitingRequests(board.fd, slot, index)
        self._loop = get_ident()
        #: How many threads of the pool are in a request, and how many it may have; how many requests stand.
        self._busy, self._most, self._standing = 0, HIGHEST, 0
        #: The places of those that are in threads, by these.
        self._mine: dict[int, int] = {}

    # ---- in threads

    def working(self, now: float, head: bytes) -> None:
        """See `SharedEntry`; what begins in the loop is shown once it stands there."""
        super().working(now, head)
        thread = get_ident()
        if thread != self._loop:
            with self._gate:
                if thread not in self._mine:
                    self._mine[thread] = self._waiting.enter(now, head)

    def pause(self) -> None:
        """See `SharedEntry`."""
        with self._gate:
            self._leave()

    def done(self, now: float, began: float, size: int = 0, status: int = 0, host: HasLabel | None = None) -> None:
        """See `SharedEntry`."""
        super().done(now, began, size, status, host)
        if self._mine:
            self.pause()

    def _leave(self) -> None:
        at = self._mine.pop(get_ident(), None)
        if at is not None:
            self._waiting.leave(at)

    def threads(self, busy: int, most: int) -> None:
        """See `ScoreboardEntry.threads`."""
        with self._gate:
            self._busy, self._most = busy, most
            self._tell()

    def _tell(self) -> None:
        super().threads(min(self._busy + self._standing, HIGHEST), self._most)

    # ---- in the loop

    def stands(self, began: float, head: bytes) -> int:
        """A request that began at a time waits in the loop. :returns: what `goes` needs."""
        with self._gate:
            self._standing += 1
            self._tell()
            return self._waiting.enter(began, head)

    def goes(self, place: int) -> None:
        """It does not wait there any more."""
        with self._gate:
            self._standing -= 1
            self._tell()
            self._waiting.leave(place)
