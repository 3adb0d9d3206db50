"""How many of the connections that an interpreter was given it has taken, for PythonInterpQueue.

Its router knows how many it gave; the others wait.
"""

from __future__ import annotations

from mpserver.ipc.scoreboard_layout import COUNT, INTERPRETERS, PAGE, TAKEN
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard


class Taken:
    """The number of one interpreter, which writes it; its router reads it, and begins it anew for another one."""

    __slots__ = ("_at", "_board")

    def __init__(self, board: Scoreboard, slot: int, index: int) -> None:
        self._board = board
        self._at = slot * PAGE + TAKEN + min(index, INTERPRETERS - 1) * COUNT.size

    def begin(self) -> None:
        """Another interpreter has the place."""
        COUNT.pack_into(self._board.memory, self._at, 0)

    def one_more(self) -> None:
        """One was taken."""
        COUNT.pack_into(self._board.memory, self._at, self.count + 1)

    def one_less(self) -> None:
        """One that will be taken again."""
        COUNT.pack_into(self._board.memory, self._at, max(self.count - 1, 0))

    @property
    def count(self) -> int:
        """How many were."""
        return int(COUNT.unpack_from(self._board.memory, self._at)[0])


def has_number(index: int) -> bool:
    """Whether an interpreter has a number of its own: those past `INTERPRETERS` share a place on the scoreboard."""
    return index < INTERPRETERS - 1
