"""What the master is given to run: the worker and the keeper of zygotes, which live on floors above."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.config.finished import Finished
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.modules.md.domains import Domains
    from mpserver.supervisor.worker_start import WorkerStart
    from mpserver.system.account import Account


class ZygoteKeeper(Protocol):
    """What the master asks of the keeper of a generation's process interpreters."""

    def request(self, data: bytes, fds: list[int]) -> tuple[Any, ...] | None:
        """Take a worker's message, with the descriptors that came with it (the keeper's to close).

        :returns: what all workers of the generation should know, a command of `mpserver.routing.worker_commands`;
            or None.
        """

    def reaped(self, pid: int, status: int) -> bool:
        """Take note that a child of the master ended. :returns: whether it was one of the keeper's."""

    def renew(self, name: str | None) -> None:
        """Take interpreters of a name (None: all) from new zygotes from now on; the former zygotes wait."""

    def settle(self, name: str | None, worked: bool) -> None:
        """Let go of the former zygotes; or of the new ones, where these did not work."""

    def reopen(self, files: Mapping[int, int]) -> None:
        """Let the logs of all zygotes be other files: new descriptors by those that they are for, open meanwhile."""

    def close(self) -> None:
        """End all zygotes: the generation is over."""


#: Gives descriptors for a process, by those whose places they take there (`mpserver.system.log_files.Logs.apart`).
Apart = Callable[[], dict[int, int]]
#: Tells of a domain: its name, how many errors there were in a row, when it is tried again (seconds since the epoch),
#: and why.
Tell = Callable[[str, int, float, str], None]
#: The life of the process that gets certificates: of which domains, its log, whether a person has (re)started it.
Renew = Callable[["Domains", "ErrorLog", bool, Tell], None]


class Engine(NamedTuple):
    """What the processes run: `mpserver.worker` and `mpserver.interpreters.zygote_keeper`, or a test's stand-ins.

    ``serve`` is the worker's life. ``keeper`` makes the keeper of a generation, whose number comes last but one; before
    it forks a zygote, it asks for the descriptors that shall be that one's own.
    ``keeper_process`` forks a process that keeps the zygotes of a one-process server, and returns its control socket.
    """

    serve: Callable[[WorkerStart], None]
    keeper: Callable[[Finished, dict[str, int], Scoreboard, Account | None, int, Apart], ZygoteKeeper]
    keeper_process: Callable[[Finished, dict[str, int], Scoreboard, Account | None, Apart], socket.socket]
    #: `mpserver.certificates.process`; None: there is none.
    renew: Renew | None = None
