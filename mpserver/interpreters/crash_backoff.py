"""How long an application whose processes crash again and again has to wait for its next start."""

from __future__ import annotations

#: A process that was older than this when it crashed is in no loop; and former crashes are forgotten once there was
#: none for so long. In seconds.
OLDEST_LOOP = 30.0
FORGOTTEN_AFTER = 60.0

#: So many crashes in a row change nothing. After each further one no interpreter is started for a time that grows from
#: the first of these to the last, in seconds.
FREE_CRASHES = 5
FIRST_DELAY = 1.0
LAST_DELAY = 8.0


class Crashes:
    """The crashes of one application, counted over all workers; one that keeps crashing is held back.

    A crash soon after the interpreter's start counts. The first ones in a row change nothing; after each
    further one no interpreter is started for a time that doubles.
    """

    __slots__ = ("_last", "_row", "_until")

    def __init__(self) -> None:
        self._row = 0
        self._last = self._until = float("-inf")

    def add(self, age: float, now: float) -> float:
        """An interpreter crashed at an age in seconds. :returns: how long the next has to wait, 0 for not at all."""
        if age > OLDEST_LOOP or now - self._last > FORGOTTEN_AFTER:
            self._row = 0
        self._last = now
        self._row += 1
        if self._row <= FREE_CRASHES or now < self._until:  # (those that crash meanwhile were there before)
            return 0.0
        delay = min(FIRST_DELAY * 2.0 ** (self._row - FREE_CRASHES - 1), LAST_DELAY)
        self._until = now + delay
        return delay

    def wait(self, now: float) -> float:
        """How long the next interpreter has to wait, in seconds."""
        return max(self._until - now, 0.0)
