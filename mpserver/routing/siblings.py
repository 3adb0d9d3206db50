"""Passing connections on to sibling workers, where an interpreter here is busy and one there is free."""

from __future__ import annotations

import time

from mpserver.interpreters.handle import InterpreterHandle
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
        start = self._start
        if start.one_process:
            return False
        slot = self._choose(interp, now)
        if slot is None:
            return False
        try:
            messages.send(start.control, message, wait=False, before=PASS + slot.to_bytes(4, "little"))
        except OSError:
            return False
        self._passed[interp.interpreter_id, slot] = now
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
                return min(brisk, key=lambda slot: passed.get((interpreter_id, slot), 0.0))
        for slot in siblings.idle(board, number, interpreter_id.key):
            if now - passed.get((interpreter_id, slot), 0.0) >= UNSEEN:
                return slot
        return None
