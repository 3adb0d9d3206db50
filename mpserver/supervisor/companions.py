"""The processes beside the workers, all together."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from mpserver.supervisor.certificates import CertificateProcess
from mpserver.supervisor.companion import Companion
from mpserver.supervisor.engine import Renew
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.health_checks import HealthCheckProcess
from mpserver.supervisor.watched import Watched
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard


class Companions:
    """One of each kind, where the current generation needs it."""

    __slots__ = ("_certificates", "_checks", "_each")

    def __init__(self, renew: Renew | None, watched: Watched, board: Scoreboard) -> None:
        """``renew``: see `CertificateProcess`."""
        self._certificates = CertificateProcess(renew, watched)
        self._checks = HealthCheckProcess(watched, board)
        self._each: tuple[Companion, ...] = self._certificates, self._checks

    def facts(self, generation: Generation) -> dict[str, Any]:
        """What the status has of them."""
        return {"domains": self._certificates.failing(), "members": self._checks.members(generation)}

    def fork(self, generation: Generation) -> list[socket.socket]:
        """Fork those that a server of one process needs. :returns: sockets: when these are closed here, they end."""
        needed = [one for one in self._each if one.is_needed(generation)]
        return [one.fork(generation, fresh=True, detached=True)[1] for one in needed]

    def follow(self, generation: Generation) -> None:
        """See `Companion.follow`."""
        for one in self._each:
            one.follow(generation)

    def reopen(self, files: Mapping[int, int]) -> None:
        """See `Companion.reopen`."""
        for one in self._each:
            one.reopen(files)

    def deadline(self) -> float:
        """See `Companion.deadline`."""
        return min(one.deadline() for one in self._each)

    def due(self, now: float) -> None:
        """See `Companion.due`."""
        for one in self._each:
            one.due(now)

    def reaped(self, pid: int, status: int) -> bool:
        """See `Companion.reaped`."""
        return any(one.reaped(pid, status) for one in self._each)

    def end(self) -> None:
        """See `Companion.end`."""
        for one in self._each:
            one.end()
