"""A worker as its master sees it, and the fork that makes one.

The child's side of the fork is `become_worker`: it lets go of everything of the master's (signals,
descriptors, rights) before any engine or application code runs.
"""

from __future__ import annotations

import os
import signal
import socket
import time

from mpserver.api import error_log as error_log_module
from mpserver.api.error_log import ErrorLog
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

#: The longest message on ``control``, and the most descriptors with it.
MESSAGE = 64 * 1024

#: Seconds that a worker has to end after TERM before it is killed.
KILL_AFTER = 5.0


class WorkerHandle:
    """One worker: where it is, how far it has come, and what it was told."""

    __slots__ = (
        "control",
        "deadline",
        "generation",
        "leaving",
        "pid",
        "ready",
        "slot",
        "started",
        "told",
        "trial",
    )

    def __init__(self, pid: int, slot: int, generation: int, control: socket.socket, started: float) -> None:
        self.pid, self.slot, self.generation, self.control = pid, slot, generation, control
        #: ``time.monotonic()`` of its fork.
        self.started = started
        #: It serves.
        self.ready = False
        #: It takes nothing new, by its own will or ours.
        self.leaving = False
        #: It is to replace another one, if it can start.
        self.trial = False
        #: The last signal that we sent to end it.
        self.told: signal.Signals | None = None
        #: ``time.monotonic()`` after which it is killed; None: it has all the time it needs.
        self.deadline: float | None = None

    def drain(self, last: bool = False) -> None:
        """Let it finish what it has and go; one that does not serve yet has nothing, and goes now.

        ``last``: the whole server ends, so it takes those along who wait at the listeners.
        """
        if not self.ready:
            self.end()
        elif self.told is None:
            self.leaving = True
            self._tell(signal.SIGUSR2 if last else signal.SIGUSR1)

    def end(self) -> None:
        """Make it go now; it is killed when it is still there after `KILL_AFTER`."""
        self.leaving = True
        if self.told not in (signal.SIGTERM, signal.SIGKILL):
            self._tell(signal.SIGTERM)
            self.deadline = time.monotonic() + KILL_AFTER

    def kill(self) -> None:
        """End it without its doing."""
        self.leaving = True
        self.deadline = None
        self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        self.told = number
        # (It is our child and not reaped yet: the number can't be another process's.)
        os.kill(self.pid, number)


def tell_end(error_log: ErrorLog, child: WorkerHandle, status: int) -> None:
    """Log how a worker ended, by its wait status, unless it was told to end so."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != child.told:
            name = signal.strsignal(number) or "?"
            error_log.log(error_log_module.NOTICE, f"child pid {child.pid} exit signal {name} ({number})", number=52)
    elif os.WEXITSTATUS(status) != 0:
        text = f"worker {child.slot} (pid {child.pid}) ended with status {os.WEXITSTATUS(status)}"
        error_log.log(error_log_module.ERROR, text if child.ready else f"{text} before it served")
