"""Questions to interpreters that are in a request, and read no messages: their helpers see them on the scoreboard."""

from __future__ import annotations

from mpserver.ipc.scoreboard_layout import COUNT, INTERPRETERS, PAGE, QUESTIONS
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard


def ask(board: Scoreboard, slot: int, index: int, number: int) -> None:
    """Ask an interpreter for its stacks (written by its router)."""
    if index < INTERPRETERS - 1:
        COUNT.pack_into(board.memory, slot * PAGE + QUESTIONS + index * COUNT.size, number)


def asked(board: Scoreboard, slot: int, index: int) -> int:
    """The number of the question that an interpreter was asked last; 0: of none."""
    at = slot * PAGE + QUESTIONS + min(index, INTERPRETERS - 1) * COUNT.size
    return int(COUNT.unpack_from(board.memory, at)[0])
