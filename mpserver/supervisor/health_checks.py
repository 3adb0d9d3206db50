"""The process that checks the members of balancers, as the master sees it."""

from __future__ import annotations

import socket
import time

from mpserver.ipc.member_health import MemberHealth
from mpserver.supervisor.companion import Companion
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.watched import Watched
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard

#: So many members are shown, those that have failed first, and so much of their names.
MOST, LONGEST = 50, 200


class HealthCheckProcess(Companion):
    """The process of the current generation, where a member of that has a health check."""

    __slots__ = ("_board", "_health")

    name, title, module = "health checks", "mpserver: health checks", "proxy_hcheck"

    def __init__(self, watched: Watched, board: Scoreboard) -> None:
        super().__init__(watched)
        self._board = board
        self._health = MemberHealth(board)

    def is_needed(self, generation: Generation) -> bool:
        """See `Companion.is_needed`."""
        return generation.checks is not None

    def descriptors(self) -> tuple[int, ...]:
        """See `Companion.descriptors`."""
        return (self._board.fd,)

    def live(self, generation: Generation, control: socket.socket, fresh: bool) -> None:
        """See `Companion.live`."""
        from mpserver.modules.proxy import checker  # (few servers need it, and no other process)

        assert generation.checks is not None
        checker.run(generation.checks, generation.error_log, self._board)

    def members(self, generation: Generation) -> list[dict[str, Any]]:
        """How the members of a generation stand, for the status."""
        if generation.checks is None:
            return []
        now, offset = time.time(), time.time() - time.monotonic()
        found: list[dict[str, Any]] = []
        for member in generation.checks.members:
            failed, since = self._health.of(member.check.number)
            found.append(
                {
                    "balancer": member.balancer[:LONGEST],
                    "url": member.url[:LONGEST],
                    "failed": failed,
                    "since": min(now, since + offset) if since else 0.0,
                }
            )
        found.sort(key=lambda one: not one["failed"])
        return found[:MOST]
