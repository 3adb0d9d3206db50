"""Jobs of the control socket that take several steps, over workers and time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Mapping

from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.supervisor.fork import KeeperLike
    from mpserver.supervisor.worker_handle import WorkerHandle


#: Seconds that workers have to answer what they should know at once.
PATIENCE = 2.0


class Supervisor(Protocol):
    """What the commands ask of the master."""

    def serving(self) -> list[WorkerHandle]:
        """The workers that take requests now."""

    def keeper(self) -> KeeperLike | None:
        """The keeper of the current generation."""

    def succeed(self, child: WorkerHandle, orders: bytes) -> WorkerHandle | None:
        """Fork a worker that starts with orders, to replace another one; None: it can't be forked."""

    def replace(self, child: WorkerHandle) -> None:
        """A worker's successor serves: it drains."""

    def tell(self, level: int, text: str) -> None:
        """Write to the error log."""

    def listen(self, sock: socket.socket, callback: Callable[[], None], writing: bool = False) -> None:
        """Call back when a socket is ready (again, with other interests, where it is known)."""

    def forget(self, sock: socket.socket) -> None:
        """Call back no more; before it is closed."""

    def about(self) -> dict[str, Any]:
        """The server, for the status."""

    @property
    def board(self) -> Scoreboard:
        """The scoreboard."""


class Questions(NamedTuple):
    """What a job asks of workers; it goes on with their answers, None for those that ended."""

    asked: Mapping[WorkerHandle, Any]
    deadline: float = float("inf")


class Birth(NamedTuple):
    """A job waits until a worker serves, or ended; it goes on with why it ended, "" where it serves."""

    child: WorkerHandle


Steps = Generator[Questions | Birth, Any, None]


class Job:
    """A command under way."""

    __slots__ = ("answers", "birth", "deadline", "over", "steps", "waiting")

    def __init__(self, steps: Steps, over: Callable[[], None]) -> None:
        self.steps, self.over = steps, over
        self.waiting: dict[int, WorkerHandle] = {}
        self.answers: dict[WorkerHandle, Any] = {}
        self.birth: WorkerHandle | None = None
        self.deadline = float("inf")
