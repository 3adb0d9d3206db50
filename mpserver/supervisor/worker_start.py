"""What a worker gets from the master at its fork."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.finished import Finished
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.modules.ssl.renewal import Renewal


class WorkerStart(NamedTuple):
    """A worker's slot (``number``) and generation, and what it inherits from the master.

    ``control`` is its end of a SEQPACKET pair: it asks for process interpreters there, and the end of the
    other side means that the master is gone.
    """

    number: int
    generation: int
    configuration: Finished
    listeners: list[socket.socket]
    #: Descriptors by the keys of `mpserver.system.log_targets.log_key`.
    logs: dict[str, int]
    scoreboard: Scoreboard
    control: socket.socket
    one_process: bool
    #: What to start with, marshalled, to replace another worker; see `prepare` in `mpserver.routing.worker_commands`.
    orders: bytes = b""
    #: Seconds that it may take to load what PythonImport names, before it serves; 0: nobody serves meanwhile.
    patience: float = 0.0
    #: Watches the files of certificates where there is no master to do it.
    renewal: Renewal | None = None
    #: The descriptor of the marks by which its connections are found where it hangs; -1: nobody looks whether it does.
    marks: int = -1
    #: Descriptors that are its own, by those whose places they take (`mpserver.system.log_files.Logs.apart`).
    apart: Mapping[int, int] = {}
