"""The master's workers: how many there are, what they say, their births and deaths."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping

from mpserver.api import error_log
from mpserver.ipc import descriptor_marks, log_lines, messages
from mpserver.ipc.history import History
from mpserver.ipc.interpreter_stats import InterpreterStats
from mpserver.ipc.messages import MESSAGE, Message
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.worker_messages import ANYONE, LEAVING, MESSAGE_FDS, NEWS, PASS, READY
from mpserver.supervisor import maintenance
from mpserver.supervisor.fork import Serve, control_pair, fork_worker
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.maintenance import WorkerLoad
from mpserver.supervisor.watched import Watched
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.supervisor.worker_start import WorkerStart
from mpserver.system import descriptors
from mpserver.system.usage import resident
from mpserver.typing import NamedTuple

#: From this rate on it is told how many workers are started (httpd's).
BUSY_RATE = 8

#: Seconds that a worker has to load what PythonImport names, while others serve; after how many times that it is late:
#: it serves by itself before, but for a module that keeps the GIL.
LOAD_PATIENCE, LATE = 30.0, 2

#: A crash is soon in the first so many seconds; after so many in a row that is told.
YOUNG, SAID_AFTER = 1.0, 3


class WorkerEvents(NamedTuple):
    """Whom to call with what workers do and say; descriptors are the callee's to close."""

    #: It serves.
    ready: Callable[[WorkerHandle], None]
    #: It ended.
    gone: Callable[[WorkerHandle], None]
    #: An answer, or changed files.
    news: Callable[[WorkerHandle, Message], None]
    #: A connection for another worker: the bytes after `PASS`.
    passed: Callable[[WorkerHandle, bytes, list[int]], None]
    #: A message for the keeper of process interpreters.
    order: Callable[[WorkerHandle, bytes, list[int]], None]


class Workers:
    """All workers of all generations."""

    __slots__ = (
        "_events", "_scoreboard", "_seldom", "_serve", "_watched", "by_pid", "crashes", "history", "others_serve",
        "started",
    )  # fmt: skip

    def __init__(
        self, serve: Serve, scoreboard: Scoreboard, watched: Watched, events: WorkerEvents, others_serve: bool
    ) -> None:
        """``serve`` is what a worker does.

        :param others_serve: whether there is another server whose place this one takes.
        """
        self._serve, self._scoreboard, self._watched, self._events = serve, scoreboard, watched, events
        self.by_pid: dict[int, WorkerHandle] = {}
        self.others_serve = others_serve
        self._seldom = descriptors.Seldom()
        #: Keeps the counts of those that are gone, and of their interpreters.
        self.history = History(scoreboard)
        #: How many were forked, and how many of them ended by no will of ours.
        self.started = self.crashes = 0

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.by_pid)

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(self.by_pid.values())

    def stats(self, worker: WorkerHandle) -> Mapping[int, InterpreterStats]:
        """The figures of a worker's interpreters, by their place on the scoreboard."""
        return self._scoreboard.all_stats(worker.slot)

    # ---- those of a generation

    def of(self, generation: Generation) -> list[WorkerHandle]:
        """Those of its workers that take requests, or will."""
        return [worker for worker in self if worker.generation is generation and not worker.leaving]

    def missing(self, generation: Generation) -> int:
        """How many it has too few; below 0: too many."""
        return generation.target - len(self.of(generation))

    def all_serve(self, generation: Generation) -> bool:
        """Whether it has as many workers as it should have, and all of them serve."""
        return self.missing(generation) <= 0 and all(worker.ready for worker in self.of(generation))

    def has_any(self, generation: Generation) -> bool:
        """Whether a worker of it is left, be it one that leaves."""
        return any(worker.generation is generation for worker in self)

    def retry_at(self, generation: Generation) -> float:
        """When workers are to be forked that are missing since others failed (``time.monotonic()``)."""
        failed = generation.failures or generation.young
        return generation.not_before if failed and self.missing(generation) > 0 else float("inf")

    # ---- births

    def fill(self, generation: Generation) -> None:
        """Fork the workers that are missing, as far as there are slots and its failures allow."""
        now = time.monotonic()
        if (generation.failures or generation.young) and now < generation.not_before:
            return
        # One that is being tried shows whether the others have a chance.
        missing = min(self.missing(generation), 1) if generation.failures else self.missing(generation)
        for _ in range(missing):
            slot = self._free_slot()
            if slot is None:
                generation.trouble = "former workers that are still in requests have the places that ServerLimit allows"
                return
            if self._fork(generation, slot) is None:
                self._count_failure(generation, "no process could be forked, the error log says why")
                return

    def succeed(self, worker: WorkerHandle, orders: bytes) -> WorkerHandle | None:
        """Fork a worker beside another one, to replace it. :returns: None where there is no room for a process."""
        slot = self._free_slot()
        successor = None if slot is None else self._fork(worker.generation, slot, orders)
        if successor is not None:
            successor.trial = True
        return successor

    def _free_slot(self) -> int | None:
        taken = {worker.slot for worker in self}
        return next((slot for slot in range(self._scoreboard.slots) if slot not in taken), None)

    def _fork(self, generation: Generation, slot: int, orders: bytes = b"") -> WorkerHandle | None:
        """Fork a worker; None where there is no room for a process, which the log says."""
        try:
            ours, theirs = control_pair()
            marks, patience = -1, self._patience()
            apart: Mapping[int, int] = {}
            try:
                apart = generation.logs.apart()
                if generation.conf.worker_timeout:
                    marks = descriptor_marks.make()
                start = WorkerStart(
                    slot, generation.number, generation.configuration, generation.listeners.sockets,
                    generation.logs.fds, self._scoreboard, theirs, False, orders, patience, marks=marks,
                    apart=apart,
                )  # fmt: skip
                pid = fork_worker(start, self._serve, generation.conf.account, generation.error_log)
            except OSError:
                ours.close()
                if marks >= 0:
                    os.close(marks)
                raise
            finally:
                theirs.close()
                for fd in apart.values():
                    os.close(fd)
        except OSError as error:
            generation.error_log.log(error_log.ERROR, "fork: Unable to fork new process", number=159, error=error)
            return None
        worker = WorkerHandle(pid, slot, generation, ours, marks)
        if patience and not orders:  # (what it is to load by orders may take its time: others serve until it has)
            worker.expect(LATE * patience)
        self._scoreboard.enter(slot, pid, generation.number, time.time(), generation.oldest)
        self.by_pid[pid] = worker
        self.started += 1
        self._watched.add(ours, lambda: self._listen(worker))
        return worker

    def _patience(self) -> float:
        """How long a worker may load before it serves: where others take the requests meanwhile it has the time."""
        serve = self.others_serve or any(other.ready and not other.leaving for other in self)
        return LOAD_PATIENCE if serve else 0.0

    def _count_failure(self, generation: Generation, why: str) -> None:
        generation.failures += 1
        generation.trouble = why
        generation.not_before = time.monotonic() + maintenance.delay(generation.failures)

    def _count_young(self, generation: Generation) -> None:
        """A worker crashed soon after it began to serve: where that goes on, others are tried ever more rarely."""
        generation.young += 1
        generation.not_before = time.monotonic() + maintenance.delay(generation.young - 1)
        if generation.young == SAID_AFTER:
            text = f"{SAID_AFTER} workers in a row crashed less than {YOUNG:g} s after they began to serve: others are"
            generation.error_log.log(
                error_log.ERROR, f"{text} tried more rarely, every {maintenance.LONGEST_DELAY:g} s at last"
            )

    # ---- what they say

    def _listen(self, worker: WorkerHandle) -> None:
        """A worker said something."""
        while True:
            try:
                data, fds, flags, _ = socket.recv_fds(worker.control, MESSAGE, MESSAGE_FDS, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, fds, flags = b"", [], 0
            if not data and not fds:
                # It closed its end: it is ending, and SIGCHLD will tell.
                self._close_control(worker)
                return
            if flags & socket.MSG_CTRUNC and data.startswith(PASS):
                self._lost(worker, list(fds))
                continue
            self._heard(worker, data, list(fds))

    def _lost(self, worker: WorkerHandle, fds: list[int]) -> None:
        """A descriptor of a connection found no room here: it has ended, for nobody has it any more."""
        for fd in fds:
            os.close(fd)
        if self._seldom("passing on"):
            text = (
                f"a connection that worker {worker.slot} passed on was lost: the master has no descriptors left. "
                "Raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit)"
            )
            worker.generation.error_log.log(error_log.ERROR, text)

    def _heard(self, worker: WorkerHandle, data: bytes, fds: list[int]) -> None:
        if data in (READY, LEAVING):
            for fd in fds:  # (there are none with these)
                os.close(fd)
        if data == READY:
            worker.serves()
            worker.generation.failures = 0
            self._events.ready(worker)
        elif data == LEAVING:
            worker.leaving = True  # (it has had its MaxConnectionsPerChild: its successor comes up while it drains)
        elif data.startswith(NEWS):
            try:
                message = messages.decode(data[len(NEWS) :], fds)
                message.close()  # (there is none with news)
                self._events.news(worker, message._replace(fd=-1, rope=-1))
            except ValueError as error:  # (a worker runs applications: what it says need not be true)
                text = f"what worker {worker.slot} said can't be understood: {error}"
                worker.generation.error_log.log(error_log.ERROR, text)
        elif data.startswith(PASS):
            self._events.passed(worker, data[len(PASS) :], fds)
        else:
            self._events.order(worker, data, fds)

    def _close_control(self, worker: WorkerHandle) -> None:
        if worker.control.fileno() >= 0:
            self._watched.remove(worker.control)
            worker.control.close()

    # ---- deaths

    def reaped(self, pid: int, status: int) -> bool:
        """Take note that a child of the master ended, by its wait status. :returns: whether it was a worker."""
        worker = self.by_pid.get(pid)
        if worker is None:
            return False
        if worker.control.fileno() >= 0:
            self._listen(worker)  # what it said last: that it was ready, before it crashed
        self._close_control(worker)
        del self.by_pid[pid]
        generation = worker.generation
        log_lines.write_all_left(self._scoreboard.fd, worker.slot, generation.logs.fds.values())
        account = generation.conf.account
        self._scoreboard.end_programs(worker.slot, os.geteuid() if account is None else account.uid)
        cut = self._scoreboard.running(worker.slot) if worker.told is None or worker.hung else []
        told = os.WIFSIGNALED(status) and os.WTERMSIG(status) == worker.told
        crashed = worker.hung or worker.failed or (status != 0 and not told)
        self.crashes += crashed
        self.history.wipe(worker.slot, crashed)
        worker.log_end(status)
        for line, name in cut if status else ():  # (no access log has them: their virtual host is gone with the worker)
            generation.error_log.log(error_log.ERROR, f"with it ended the request in interpreter '{name}': {line}")
        if not worker.ready and (worker.told is None or worker.failed) and not worker.trial:
            self._count_failure(generation, "its workers ended before they served, the error log says how")
        elif crashed and time.monotonic() - worker.ready_at < YOUNG:
            self._count_young(generation)
        self._events.gone(worker)
        self._give_away(worker)
        return True

    def _give_away(self, worker: WorkerHandle) -> None:
        """Give others the connections of a worker that hung."""
        count = 0
        for message in worker.left():
            try:
                data, fds, _memfd = messages.encode(message)
            except OSError:
                message.close()
                continue
            self._events.passed(worker, ANYONE.to_bytes(4, "little") + data, fds)
            count += 1
        if count:
            text = f"{count} connections of worker {worker.slot}, which hung, go to other workers"
            worker.generation.error_log.log(error_log.NOTICE, text)

    def deadline(self) -> float:
        """When the first worker that was told to end is to be killed (``time.monotonic()``)."""
        return min((worker.deadline for worker in self if worker.deadline is not None), default=float("inf"))

    def due(self, now: float) -> list[WorkerHandle]:
        """Kill those that did not end in time, or come to serve. :returns: the former."""
        late = [worker for worker in self if worker.deadline is not None and worker.deadline <= now]
        return [worker for worker in late if worker.due()]

    # ---- maintenance

    def maintain(self, generation: Generation) -> str:
        """Do one step of maintenance (httpd's): bring the number of idle workers between the spare limits.

        :returns: a line about the workers, for the service manager.
        """
        self._relieve(generation)
        workers = self.of(generation)
        if generation.young and any(one.ready and time.monotonic() - one.ready_at >= YOUNG for one in workers):
            generation.young = 0
        rules = generation.conf.rules
        loads = [
            WorkerLoad(worker.slot, self._scoreboard.busy(worker.slot, rules.threads) if worker.ready else 0)
            for worker in workers
        ]
        if len(loads) == generation.target:
            step = maintenance.plan(loads, rules, generation.rate)
            if step.fork and generation.rate >= BUSY_RATE:
                idle = sum(max(0, rules.threads - load.busy) for load in loads)
                text = (
                    "server seems busy, (you may need to increase StartServers, or Min/MaxSpareServers), spawning "
                    f"{step.fork} children, there are {idle} idle, and {len(loads)} total children"
                )
                generation.error_log.log(error_log.INFO, text, number=162)
            generation.rate = step.rate
            generation.target += step.fork
            if step.end is not None:
                generation.target -= 1
                next(worker for worker in workers if worker.slot == step.end).drain()
            if step.full and not generation.full_told:
                generation.full_told = True
                text = "server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting"
                generation.error_log.log(error_log.ERROR, text, number=161)
            self.fill(generation)
        requests = self.history.served + sum(self._scoreboard.row(worker.slot).requests for worker in self)
        busy = sum(load.busy > 0 for load in loads)
        return f"{len(loads)} workers, {busy} busy; {requests} requests served"

    def _relieve(self, generation: Generation) -> None:
        """Let one worker go that has too much memory (MaxMemoryPerChild), where all that there should be serve."""
        limit = generation.conf.worker_memory
        if not limit or not self.all_serve(generation):
            return
        for worker in self.of(generation):
            size = resident(worker.pid)
            if size is not None and size > limit:
                text = f"worker {worker.slot} (pid {worker.pid}) has {size >> 20}M of memory (MaxMemoryPerChild)"
                generation.error_log.log(error_log.NOTICE, f"{text}: it is replaced")
                worker.drain()
                return
