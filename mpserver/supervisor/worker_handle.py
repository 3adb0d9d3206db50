"""A worker as its master sees it."""

from __future__ import annotations

import marshal
import os
import signal
import socket
import time
from collections.abc import Iterator

from mpserver.api import error_log
from mpserver.ipc import messages
from mpserver.ipc.messages import Message
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.rescue import Found, collect, left
from mpserver.system.signals import STACKS
from mpserver.typing import Any

#: Seconds that a worker has to end after TERM before it is killed.
KILL_AFTER = 5.0
#: Seconds that one that hangs has to write down where it is, before it is killed.
TELL_WITHIN = 1.0


class WorkerHandle:
    """One worker: where it is, how far it has come, and what it was told."""

    __slots__ = (
        "control",
        "deadline",
        "failed",
        "found",
        "generation",
        "hung",
        "leaving",
        "marks",
        "pid",
        "ready",
        "ready_at",
        "slot",
        "told",
        "trial",
    )

    def __init__(self, pid: int, slot: int, generation: Generation, control: socket.socket, marks: int = -1) -> None:
        """``control`` is the master's end of the control socket between them.

        :param marks: the descriptor of the marks of its descriptors (`mpserver.supervisor.rescue`), which is ours to
            close; -1: there are none.
        """
        self.pid, self.slot, self.generation, self.control, self.marks = pid, slot, generation, control, marks
        #: Copies of the descriptors of one that hung.
        self.found: list[Found] = []
        #: It serves, since then (monotonic; 0: not yet).
        self.ready = False
        self.ready_at = 0.0
        #: It takes nothing new, by its own will or ours.
        self.leaving = False
        #: It is to replace another one, if it can start.
        self.trial = False
        #: It was given up; and it was because it did not come to serve.
        self.hung = self.failed = False
        #: The last signal that we sent to end it.
        self.told: signal.Signals | None = None
        #: ``time.monotonic()`` after which it is killed; None: it has all the time it needs.
        self.deadline: float | None = None

    def drain(self, last: bool = False) -> None:
        """Let it finish what it has and go; one that does not serve yet has nothing, and goes now.

        Which of them it is only the worker knows: it may have clients before we hear that it serves.

        ``last``: the whole server ends, so it takes along those who wait at the listeners.
        """
        if self.told is None:
            self.leaving = True
            self._tell(signal.SIGUSR2 if last else signal.SIGUSR1)
            if not self.ready:
                self.deadline = time.monotonic() + KILL_AFTER

    def serves(self) -> None:
        """It says that it serves; told to go meanwhile, it has all the time that it needs for that."""
        self.ready, self.ready_at = True, time.monotonic()
        if self.told not in (signal.SIGTERM, signal.SIGKILL) and not self.hung:
            self.deadline = None

    def expect(self, seconds: float) -> None:
        """Have it serve within so many seconds, or have no more (`due`)."""
        self.deadline = time.monotonic() + seconds

    def due(self) -> bool:
        """Its deadline is over: kill it. :returns: whether it was told to end before, or given up."""
        expected = self.told is None and not self.hung
        if expected:
            self.failed = True
            text = f"worker {self.slot} (pid {self.pid}) does not begin to serve, and is killed: a module that"
            self.generation.error_log.log(error_log.ERROR, f"{text} PythonImport names may keep the GIL while it loads")
        self.kill()
        return not expected

    def end(self) -> None:
        """Make it go now; it is killed when it is still there after `KILL_AFTER`."""
        self.leaving = True
        if self.told not in (signal.SIGTERM, signal.SIGKILL):
            self._tell(signal.SIGTERM)
            self.deadline = time.monotonic() + KILL_AFTER

    def give_up(self, silence: float) -> None:
        """It has not answered for so many seconds: have it write down where it hangs, and kill it a moment later."""
        if self.hung:
            return
        self.hung = self.leaving = True
        text = f"worker {self.slot} (pid {self.pid}) has not answered for {silence:g} seconds (WorkerTimeout)"
        self.generation.error_log.log(error_log.ERROR, f"{text}: it is replaced. This is where it hangs:")
        os.kill(self.pid, STACKS)
        self.deadline = time.monotonic() + TELL_WITHIN

    def kill(self) -> None:
        """End it without its doing; of one that hangs the connections are kept for others."""
        self.leaving = True
        self.deadline = None
        if self.hung and self.marks >= 0 and not self.found:
            self._find()
        self._tell(signal.SIGKILL)

    def _find(self) -> None:
        try:
            self.found = collect(self.pid, self.marks)
        except (OSError, ImportError) as error:  # (a Python may lack ctypes)
            text = (
                f"the connections of worker {self.slot} can't be taken over, and end with it: that takes root with "
                "CAP_SYS_PTRACE, or workers of the master's user, and no filter of system calls"
            )
            self.generation.error_log.log(error_log.WARN, text, error=error if isinstance(error, OSError) else None)

    def left(self) -> Iterator[Message]:
        """What it left of its connections, for other workers; called once it is dead."""
        found, self.found = self.found, []
        if found:
            yield from left(found, self.marks)
        if self.marks >= 0:
            os.close(self.marks)
            self.marks = -1

    def log_end(self, status: int) -> None:
        """Log how it ended, by its wait status, unless it was told to end so."""
        log = self.generation.error_log
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number != self.told:
                name = signal.strsignal(number) or "?"
                log.log(error_log.NOTICE, f"child pid {self.pid} exit signal {name} ({number})", number=52)
        elif os.WEXITSTATUS(status) != 0:
            text = f"worker {self.slot} (pid {self.pid}) ended with status {os.WEXITSTATUS(status)}"
            log.log(error_log.ERROR, text if self.ready else f"{text} before it served")

    def ask(self, what: Any, number: int = 0, fd: int = -1) -> bool:
        """Send it a command of `mpserver.routing.worker_commands`, as plain data.

        :param number: of the question, for its answer; 0: it answers nothing.
        :param fd: a descriptor that goes along; -1: none does.
        :returns: whether it was sent: one that ends, or has more to read than there is room for, gets nothing.
        """
        message = messages.Message(messages.Kind.ASK, fd, number=number, state=marshal.dumps(what))
        try:
            messages.send(self.control, message, wait=False)
        except OSError:
            return False
        return True

    def _tell(self, number: signal.Signals) -> None:
        self.told = number
        # (It is our child and not reaped yet: the number can't be another process's.)
        os.kill(self.pid, number)
