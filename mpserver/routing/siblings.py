"""Passing connections on to sibling workers, where an interpreter here is busy and one there is free."""

from __future__ import annotations

import time

from mpserver.interpreters.handle import InterpreterHandle, InterpreterState
from mpserver.ipc import messages, siblings
from mpserver.ipc.worker_messages import PASS
from mpserver.phases.plan import InterpreterId
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.supervisor.worker_start import WorkerStart

#: A sibling that was given a connection does not show it yet for so long, in seconds.
UNSEEN = 0.005


class Siblings:
    """The other workers, as the router of one sees them that has more to do than they."""

    __slots__ = ("_passed", "_start")

    def __init__(self, start: WorkerStart) -> None:
        self._start = start
        #: When each of them was given a connection last for an interpreter (the loop's time).
        self._passed: dict[tuple[InterpreterId, int], float] = {}

    def pass_on(self, interp: InterpreterHandle, message: messages.Message, now: float) -> bool:
        """Give a connection for an interpreter that is busy to a worker that is free for it; close its descriptor here.

        ``now``: the loop's time. :returns: False where there is none; then it is still ours.
        """
        slot = None if self._start.one_process else self._choose(interp, now)
        return slot is not None and self._give(interp.interpreter_id, slot, message, now)

    def pass_while_it_starts(self, interp: InterpreterHandle, message: messages.Message, now: float) -> bool:
        """The same for an interpreter that starts: to a worker that has it, and where it is free.

        (Where it is not, those who wait there would have all of them, and this one nobody once it serves.)
        """
        start, interpreter_id = self._start, interp.interpreter_id
        if start.one_process or interp.state is not InterpreterState.STARTING:
            return False
        free = [
            slot
            for slot in siblings.free(start.scoreboard, start.number, interpreter_id.key)
            if now - self._passed.get((interpreter_id, slot), 0.0) >= UNSEEN
        ]
        return bool(free) and self._give(interpreter_id, self._least_recent(interpreter_id, free), message, now)

    def _give(self, interpreter_id: InterpreterId, slot: int, message: messages.Message, now: float) -> bool:
        try:
            messages.send(self._start.control, message, wait=False, before=PASS + slot.to_bytes(4, "little"))
        except OSError:
            return False
        self._passed[interpreter_id, slot] = now
        message.close()
        return True

    def _choose(self, interp: InterpreterHandle, now: float) -> int | None:
        """The worker that a connection goes to; None: it is served here."""
        board, number, passed = self._start.scoreboard, self._start.number, self._passed
        interpreter_id = interp.interpreter_id
        if siblings.is_stuck(board, number, interp.boot.scoreboard_index, time.time()):
            # rather wait for one that is quick than for the end of a long request, or for one to start
            brisk = siblings.brisk(board, number, interpreter_id.key)
            if brisk:
                return self._least_recent(interpreter_id, brisk)
        for slot in siblings.idle(board, number, interpreter_id.key):
            if now - passed.get((interpreter_id, slot), 0.0) >= UNSEEN:
                return slot
        return None

    def _least_recent(self, interpreter_id: InterpreterId, slots: list[int]) -> int:
        """Of some workers the one that was given a connection the longest time ago."""
        return min(slots, key=lambda slot: self._passed.get((interpreter_id, slot), 0.0))
