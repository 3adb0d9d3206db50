"""Which siblings of a worker are free, as the scoreboard has it."""

from __future__ import annotations

from mpserver.ipc.scoreboard import Scoreboard

#: How many connections a sibling gets at a time that is in no long request.
PILE = 16


def room(board: Scoreboard, slot: int, place: str) -> int:
    """How many connections of a worker's interpreter its siblings can take right now; see `Router._sibling`."""
    brisk = board.brisk_siblings(slot, place)
    return PILE * len(brisk) if brisk else len(board.idle_siblings(slot, place))
