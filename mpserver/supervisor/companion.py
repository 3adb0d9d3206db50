"""Processes beside the workers, as the master sees them: one of a kind for the current generation, kept alive.

A kind is a subclass of `Companion`: it says what the process does, and for which generations there is one.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from functools import partial

from mpserver.api import error_log
from mpserver.errors import StartError
from mpserver.ipc.messages import MESSAGE
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.maintenance import LONGEST_DELAY, delay
from mpserver.supervisor.watched import Watched
from mpserver.system import process
from mpserver.system.account import assume
from mpserver.system.log_files import take_over
from mpserver.system.process import close_inherited, reset_signals, set_title
from mpserver.typing import NoReturn

#: Seconds after which one that ended counts as one that ran well.
RAN_WELL = 60.0


class Companion:
    """A process of the current generation, where that needs it."""

    __slots__ = ("_failures", "_generation", "_not_before", "_pid", "_socket", "_started", "_watched")

    #: What it is called, its title among the system's processes, and the module that it writes to the log for.
    name = title = module = ""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._generation: Generation | None = None
        self._pid = 0
        self._socket: socket.socket | None = None
        self._failures = 0
        self._started = 0.0
        self._not_before = float("inf")

    # ---- what kinds know

    def is_needed(self, generation: Generation) -> bool:
        """Whether a generation has such a process."""
        raise NotImplementedError

    def live(self, generation: Generation, control: socket.socket, fresh: bool) -> None:
        """Its life, in the process.

        :param control: a socket to the master, which may be told something.
        :param fresh: a person has (re)started it.
        """
        raise NotImplementedError

    def descriptors(self) -> tuple[int, ...]:
        """What it takes along beside its log and its socket."""
        return ()

    def heard(self, data: bytes) -> None:
        """A message that the process has sent; what it says need not be true."""

    # ---- what the master asks

    def follow(self, generation: Generation) -> None:
        """Another generation is the current one: what it needs counts, and its log."""
        self.end()
        self._generation = generation
        self._failures = 0
        self._start(fresh=True)

    def reopen(self, files: Mapping[int, int]) -> None:
        """Let its log be another file: new descriptors by those that they are for, which stay the caller's."""
        generation = self._generation
        if generation is None or self._socket is None:
            return
        number = generation.error_log.fd
        if number in files:
            try:
                socket.send_fds(self._socket, [str(number).encode()], [files[number]])
            except OSError:
                pass  # it has just ended; the next one has the new file

    def deadline(self) -> float:
        """When `due` wants to be called (``time.monotonic()``)."""
        return self._not_before

    def due(self, now: float) -> None:
        """Start it anew, if it has ended and it is time."""
        if self._not_before <= now:
            self._start(fresh=False)

    def reaped(self, pid: int, status: int) -> bool:
        """Take note that a child of the master ended. :returns: whether it was this one."""
        if pid != self._pid or self._generation is None:
            return False
        self._close()
        now = time.monotonic()
        self._failures = 1 if now - self._started > RAN_WELL else self._failures + 1
        wait = max(delay(self._failures), LONGEST_DELAY if self._failures > 1 else 0.0)
        self._not_before = now + wait
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        text = f"the process for {self.name} (pid {pid}) ended with {how}; it is started again in {wait:g} seconds"
        self._generation.error_log.log(error_log.ERROR, text, module=self.module)
        return True

    def end(self) -> None:
        """End it, for good or until the next generation."""
        self._generation = None
        self._not_before = float("inf")
        if self._pid:
            try:
                os.kill(self._pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        self._close()

    # ---- the process

    def fork(self, generation: Generation, *, fresh: bool, detached: bool = False) -> tuple[int, socket.socket]:
        """Fork it. :returns: its process number, and a socket: when that is closed here, it ends.

        :param detached: it is no child of ours: an application in a server of one process waits for its own only.
        :raises OSError: the system has no room for another process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            pid = process.fork(partial(self._run, generation, theirs, fresh, detached))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        if detached:
            os.waitpid(pid, 0)
        return pid, ours

    def _run(
        self, generation: Generation, control: socket.socket, fresh: bool, detached: bool, blocked: Iterable[int]
    ) -> NoReturn:
        """The child's life, from the fork to its end. Nothing of its parent's is run or cleaned up."""
        log = generation.error_log
        try:
            if detached and os.fork():
                os._exit(0)
            reset_signals(blocked)
            close_inherited([control.fileno(), log.fd, *self.descriptors()])
            set_title(self.title)
            if generation.conf.account is not None:
                assume(generation.conf.account)
            threading.Thread(target=_end_with_parent, args=(control,), daemon=True).start()
            self.live(generation, control, fresh)
        except StartError as error:
            log.log(error_log.CRIT, str(error), module=self.module)
        except BaseException:
            text = f"the process for {self.name} failed:\n" + traceback.format_exc()
            log.log(error_log.CRIT, text, module=self.module)
        finally:
            os._exit(1)

    def _close(self) -> None:
        self._pid = 0
        if self._socket is not None:
            self._watched.remove(self._socket)
            self._socket.close()
            self._socket = None

    def _start(self, *, fresh: bool) -> None:
        self._not_before = float("inf")
        generation = self._generation
        if generation is None or not self.is_needed(generation):
            return
        self._started = time.monotonic()
        try:
            self._pid, self._socket = self.fork(generation, fresh=fresh)
            self._watched.add(self._socket, self._listen)
        except OSError as error:
            self._failures += 1
            self._not_before = time.monotonic() + LONGEST_DELAY
            text = f"fork: Unable to fork the process for {self.name}"
            generation.error_log.log(error_log.ERROR, text, module=self.module, error=error)

    def _listen(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data = self._socket.recv(MESSAGE)
            except OSError:
                return
            if not data:
                self._watched.remove(self._socket)  # (it ends, which SIGCHLD will tell)
                self._socket.close()
                self._socket = None
                return
            self.heard(data)


def _end_with_parent(control: socket.socket) -> None:
    """Wait until the parent is gone, or wants us to end. What is written is written whole, so any moment will do.

    Meanwhile it may give us another file for the log.
    """
    try:
        while True:
            data, fds, *_ = socket.recv_fds(control, MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
            if not data:
                break
            for fd in fds:
                take_over(int(data), fd)
    except OSError:
        pass
    os._exit(0)
