"""What a worker gets from the master at its fork."""

from __future__ import annotations

import socket

from mpserver.api.error_log import ErrorLog
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.modules.unixd import Identity


class Post(NamedTuple):
    """Where a worker is put: everything it gets from the master."""

    slot: int
    generation: int
    configuration: Configuration
    listeners: list[socket.socket]
    logs: dict[str, int]
    scoreboard: Scoreboard
    identity: Identity | None
    error_log: ErrorLog
    #: What it starts with to replace another worker, see `mpserver.routing.worker_commands.WorkerCommands.prepare`.
    orders: bytes = b""


class WorkerStart(NamedTuple):
    """A worker's orders: its slot and generation, and what it inherits from the master.

    ``control`` is its end of a SEQPACKET pair: it asks for process interpreters there, and the end of the
    other side means that the master is gone.
    """

    number: int
    generation: int
    configuration: Configuration
    listeners: list[socket.socket]
    logs: dict[str, int]
    scoreboard: Scoreboard
    control: socket.socket
    one_process: bool
    #: What to start with, marshalled, to replace another worker; see
    #: `mpserver.routing.worker_commands.WorkerCommands.prepare`.
    orders: bytes = b""
