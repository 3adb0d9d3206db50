"""The master: binds, forks workers, replaces those that end, and does what signals say.

One thread and one event loop over the signal queue and the workers' control sockets. Signal handlers
only queue. No application code and no interpreters are here, and nothing waits: a restart is a state
("the next generation is coming up"), not a blocking call.

A graceful restart brings the next generation up beside the current one; only when its workers serve
does the current one drain. If they can't start, the current one stays.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable

from mpserver.api import error_log
from mpserver.errors import ConfigError, ConfigErrors, StartError
from mpserver.ipc import control_path, messages
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.worker_messages import LEAVING, MESSAGE_FDS, NEWS, PASS, READY
from mpserver.supervisor import descriptor_limit, maintenance
from mpserver.supervisor.control_socket import Control
from mpserver.supervisor.fork import Engine, KeeperLike, fork_worker
from mpserver.supervisor.generation import Generation, open_generation
from mpserver.supervisor.maintenance import Seen
from mpserver.supervisor.relay import Relay
from mpserver.supervisor.shutdown import Ending
from mpserver.supervisor.worker_handle import MESSAGE, WorkerHandle, tell_end
from mpserver.supervisor.worker_start import Post
from mpserver.supervisor.workers import GIVE_UP_AFTER
from mpserver.system import descriptors, pidfile
from mpserver.system.listeners import Listeners
from mpserver.system.process import ended_children, reap_all, set_title
from mpserver.system.signals import SignalQueue
from mpserver.system.systemd import Notifier
from mpserver.typing import TYPE_CHECKING, Any
from mpserver.version import VERSION

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration

#: Seconds between two looks at how many workers are idle (httpd's).
TICK = 1.0


class Master:
    """The supervisor: `open`, then `run` until a signal ends it."""

    def __init__(
        self,
        configuration: Configuration,
        reload: Callable[[], Configuration],
        engine: Engine,
        notifier: Notifier,
        *,
        replace_output: bool = False,
        command_line: str = "",
    ) -> None:
        """``reload`` reads the configuration again (ConfigErrors or ConfigError where it is faulty).

        ``replace_output``: stdout and stderr become the error log (a daemon has no terminal).
        """
        self._configuration = configuration
        self._reload, self._engine, self._notifier = reload, engine, notifier
        self._replace_output, self._command_line = replace_output, command_line
        self._selector = selectors.DefaultSelector()
        self._signals = SignalQueue()
        self._children: dict[int, WorkerHandle] = {}
        self._generations: dict[int, Generation] = {}
        self._number = 0
        self._current: Generation
        self.board: Scoreboard
        self._next: Generation | None = None
        self._control = Control(self)
        self._relay = Relay(self._children, self._generations)
        self._again = False  # another graceful restart was asked for while one is under way
        self._ready_told = False
        self._started = time.time()
        self._ending = Ending(self._children, self._generations, notifier, self._release)
        self._tick_at = 0.0
        self._dispatch: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._on_term,
            signal.SIGINT: self._on_term,
            signal.SIGHUP: self._on_hup,
            signal.SIGUSR1: self._on_usr1,
            signal.SIGWINCH: self._on_winch,
            signal.SIGCHLD: self._on_chld,
        }

    # ---- start

    def open(self) -> None:
        """Open logs and ports, write the pid file, take signals from now on. The terminal is still ours.

        :raises StartError: the server can't start; the text is for the terminal.
        """
        soft = descriptors.original()
        generation = open_generation(1, self._configuration, Listeners(), soft)
        try:
            # Twice the limit: while a restart drains, two generations have their workers.
            self.board = Scoreboard.create(2 * generation.conf.server_limit, soft)
            left = pidfile.look(generation.conf.pid_file)
            if left.pid is not None and not left.running:
                generation.error_log.log(
                    error_log.WARN,
                    f"pid file {generation.conf.pid_file} overwritten -- the server that wrote it (pid {left.pid}) "
                    "ended without removing it",
                    number=98,
                )
            pidfile.write(generation.conf.pid_file)
            self._control.open(control_path.path(generation.conf.pid_file))
        except BaseException:
            generation.close()
            raise
        self._signals.install(self._dispatch)
        self._selector.register(self._signals, selectors.EVENT_READ, self._on_signals)
        self._current = generation
        self._adopt(generation)
        set_title(f"{pidfile.MASTER_TITLE} [{generation.conf.file}]")

    def run(self) -> None:
        """Fork the workers and supervise them until a signal ends the server."""
        self._greet()
        if self._command_line:
            self._log(error_log.NOTICE, f"Command line: '{self._command_line}'", 94)
        self._fill(self._current)
        while self._children or not self._ending.begun:
            for key, _ in self._selector.select(self._timeout()):
                key.data()
            self._due()
        self._finish()

    def _adopt(self, generation: Generation) -> None:
        self._number = generation.number
        self._generations[generation.number] = generation
        generation.keep(self._engine, self.board)
        if self._replace_output:
            for fd in (1, 2):
                os.dup2(generation.error_log.fd, fd)
        for level, text in generation.conf.notices:
            generation.error_log.log(level, text)
        if short := descriptor_limit.raise_limit(generation.configuration):
            generation.error_log.log(error_log.WARN, short)

    def _greet(self) -> None:
        python = ".".join(map(str, sys.version_info[:3]))
        self._log(
            error_log.NOTICE,
            f"mpserver/{VERSION} Python/{python} configured -- resuming normal operations",
            163,
        )

    def _log(self, level: int, text: str, number: int | None = None) -> None:
        self._current.error_log.log(level, text, number=number)

    # ---- the loop

    def _timeout(self) -> float:
        """Seconds until something is due."""
        moments = [self._tick_at, self._control.deadline(), self._relay.deadline()]
        moments += [child.deadline for child in self._children.values() if child.deadline is not None]
        moments += [g.not_before for g in self._growing() if g.failures and self._missing(g) > 0]
        moments.append(self._ending.deadline())
        return max(0.0, min(moments) - time.monotonic())

    def _due(self) -> None:
        """Do what its time has come for."""
        now = time.monotonic()
        for child in self._children.values():
            if child.deadline is not None and child.deadline <= now:
                text = f"worker {child.slot} (pid {child.pid}) did not end in time, sending a SIGKILL"
                self._log(error_log.ERROR, text, 46)
                child.kill()
        self._ending.due(now)
        for generation in self._growing():
            self._fill(generation)
        self._control.due()
        self._relay.due(now)
        if self._tick_at <= now:
            self._tick_at = now + TICK
            self._maintain()

    def _growing(self) -> list[Generation]:
        """The generations that should have workers."""
        if self._ending.begun:
            return []
        return [self._current] if self._next is None else [self._current, self._next]

    # ---- workers

    def _workers(self, generation: Generation) -> list[WorkerHandle]:
        """Those of its workers that take requests, or will."""
        number = generation.number
        return [child for child in self._children.values() if child.generation == number and not child.leaving]

    def _missing(self, generation: Generation) -> int:
        return generation.target - len(self._workers(generation))

    def _fill(self, generation: Generation) -> None:
        """Fork the workers that are missing, as far as there are slots and its failures allow."""
        now = time.monotonic()
        if generation.failures and now < generation.not_before:
            return
        # One that is being tried shows whether the others have a chance.
        missing = min(self._missing(generation), 1) if generation.failures else self._missing(generation)
        if missing <= 0:
            return
        taken = {child.slot for child in self._children.values()}
        free = (slot for slot in range(self.board.slots) if slot not in taken)
        for slot, _ in zip(free, range(missing), strict=False):
            if self._fork(generation, slot) is None:
                self._count_failure(generation)
                return

    def _fork(self, generation: Generation, slot: int, orders: bytes = b"") -> WorkerHandle | None:
        """Fork a worker; None where there is no room for a process, which the log says."""
        post = Post(
            slot, generation.number, generation.configuration, generation.listeners.sockets, generation.logs.fds,
            self.board, generation.conf.identity, generation.error_log, orders,
        )  # fmt: skip
        try:
            child = fork_worker(post, self._engine, time.monotonic())
        except OSError as error:
            generation.error_log.log(error_log.ERROR, "fork: Unable to fork new process", number=159, error=error)
            return None
        child.trial = bool(orders)
        self.board.enter(slot, child.pid, child.generation, time.time(), generation.oldest)
        self._children[child.pid] = child
        self._selector.register(child.control, selectors.EVENT_READ, lambda: self._on_control(child))
        return child

    def _count_failure(self, generation: Generation) -> None:
        generation.failures += 1
        generation.not_before = time.monotonic() + maintenance.delay(generation.failures)

    def _maintain(self) -> None:
        """One step of maintenance: the number of idle workers, and what systemd is told."""
        if self._ending.begun or self._next is not None:
            return
        generation = self._current
        workers = self._workers(generation)
        threads = generation.conf.rules.threads
        seen = [Seen(child.slot, self.board.busy(child.slot, threads) if child.ready else 0) for child in workers]
        if len(seen) == generation.target:
            step = maintenance.plan(seen, generation.conf.rules, generation.rate)
            generation.rate = step.rate
            generation.target += step.fork
            if step.end is not None:
                generation.target -= 1
                next(child for child in workers if child.slot == step.end).drain()
            if step.full and not generation.full_told:
                generation.full_told = True
                text = "server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting"
                self._log(error_log.ERROR, text, 161)
            self._fill(generation)
        requests = sum(self.board.row(child.slot).requests for child in workers)
        busy = sum(worker.busy > 0 for worker in seen)
        self._notifier.status(f"{len(seen)} workers, {busy} busy; {requests} requests served by them")

    def _on_control(self, child: WorkerHandle) -> None:
        """A worker said something."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(child.control, MESSAGE, MESSAGE_FDS, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data and not fds:
                # It closed its end: it is ending, and SIGCHLD will tell.
                self._close_control(child)
                return
            if data == READY:
                self._on_ready(child)
            elif data == LEAVING:
                self._on_leaving(child)
            elif data.startswith(NEWS):
                self._control.news(child, messages.decode(data[len(NEWS) :], list(fds)))
            elif data.startswith(PASS):
                self._relay.pass_on(child, data[len(PASS) :], list(fds))
            else:
                self._ask_keeper(child, data, fds)

    def _close_control(self, child: WorkerHandle) -> None:
        if child.control.fileno() >= 0:
            self._selector.unregister(child.control)
            child.control.close()

    def _ask_keeper(self, child: WorkerHandle, data: bytes, fds: list[int]) -> None:
        generation = self._generations.get(child.generation)
        if generation is not None and generation.keeper is not None:
            news = generation.keeper.request(data, fds)
            if news is not None:
                self._control.tell([other for other in self._workers(generation) if other is not child], news)
            return
        for fd in fds:
            os.close(fd)

    def _on_ready(self, child: WorkerHandle) -> None:
        child.ready = True
        self._control.ready(child)
        generation = self._generations[child.generation]
        generation.failures, generation.served = 0, True
        if child.told is not None:
            return
        if generation is self._next:
            if self._missing(generation) <= 0 and all(worker.ready for worker in self._workers(generation)):
                self._promote()
        elif generation is self._current and not self._ready_told:
            self._ready_told = True
            self._notifier.ready()

    def _on_leaving(self, child: WorkerHandle) -> None:
        """A worker has had its MaxConnectionsPerChild: its successor comes up while it drains."""
        child.leaving = True
        for generation in self._growing():
            self._fill(generation)

    def _on_chld(self) -> None:
        """Children ended: tell them apart, and replace workers that we did not end."""
        for pid, status in ended_children():
            child = self._children.get(pid)
            if child is not None:
                self._reap_worker(child, status)
            elif not any(g.keeper is not None and g.keeper.reaped(pid, status) for g in self._generations.values()):
                self._reap_logger(pid)

    def _reap_worker(self, child: WorkerHandle, status: int) -> None:
        if child.control.fileno() >= 0:
            self._on_control(child)  # what it said last: that it was ready, before it crashed
        self._close_control(child)
        del self._children[child.pid]
        generation = self._generations[child.generation]
        identity = generation.conf.identity
        self.board.end_programs(child.slot, os.geteuid() if identity is None else identity.uid)
        self.board.leave(child.slot)
        tell_end(generation.error_log, child, status)
        self._control.gone(child)
        if not child.ready and child.told is None and not child.trial:
            self._count_failure(generation)
            if generation is self._next and generation.failures >= GIVE_UP_AFTER:
                self._give_up()
        if generation not in (self._current, self._next):
            self._retire(generation)
        for growing in self._growing():
            self._fill(growing)

    def _reap_logger(self, pid: int) -> None:
        for generation in self._generations.values():
            if generation.logs.own(pid):
                try:
                    name = generation.logs.reaped(pid)
                    self._log(
                        error_log.NOTICE,
                        f"piped log program '{name}' failed unexpectedly, started again",
                        106,
                    )
                except StartError as error:
                    self._log(error_log.ERROR, str(error))

    # ---- what the control socket's commands ask for (`mpserver.supervisor.jobs.Supervisor`)

    def serving(self) -> list[WorkerHandle]:
        """The current generation's workers that take requests."""
        return [child for child in self._workers(self._current) if child.ready]

    def keeper(self) -> KeeperLike | None:
        """That of the current generation."""
        return self._current.keeper

    def succeed(self, child: WorkerHandle, orders: bytes) -> WorkerHandle | None:
        """Fork a worker beside another one, to replace it."""
        taken = {child.slot for child in self._children.values()}
        slot = next((slot for slot in range(self.board.slots) if slot not in taken), None)
        return None if slot is None else self._fork(self._generations[child.generation], slot, orders)

    def replace(self, child: WorkerHandle) -> None:
        """Its successor serves."""
        child.drain()

    def tell(self, level: int, text: str) -> None:
        """Write to the error log."""
        self._current.error_log.log(level, text, module="python")

    def listen(self, sock: socket.socket, callback: Callable[[], None], writing: bool = False) -> None:
        """Watch a socket of the control's."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        known = sock in self._selector.get_map()
        (self._selector.modify if known else self._selector.register)(sock, events, callback)

    def forget(self, sock: socket.socket) -> None:
        """Watch it no more."""
        self._selector.unregister(sock)

    def about(self) -> dict[str, Any]:
        """The server, for the status."""
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "generation": self._current.number,
            "started": self._started,
        }

    # ---- restarts

    def _read_again(self) -> Generation | None:
        """The next generation, opened; None where the configuration is faulty: the log says why."""
        self._notifier.reloading()
        open_ones = dict(self._current.listeners.by_address)
        if self._next is not None:
            open_ones.update(self._next.listeners.by_address)
        before = Listeners(open_ones)
        try:
            generation = open_generation(self._number + 1, self._reload(), before, self.board.descriptors)
        except ConfigErrors as errors:
            for error in errors.errors:
                self._log(error_log.ERROR, str(error))
        except (ConfigError, StartError) as error:
            self._log(error_log.ERROR, str(error))
        else:
            if 2 * generation.conf.server_limit > self.board.slots:
                self._log(error_log.WARN, "changing ServerLimit upwards takes a stop and a start", 165)
                limit = self.board.slots // 2
                rules = generation.conf.rules
                generation.conf = generation.conf._replace(
                    rules=rules._replace(start=min(rules.start, limit), max_workers=min(rules.max_workers, limit))
                )
                generation.target = generation.conf.rules.start
            generation.follow(self._current)
            self._adopt(generation)
            return generation
        self._log(error_log.ERROR, "The configuration is faulty: the restart is off, the old one stays in effect")
        self._notifier.ready()
        return None

    def _replace_current(self, generation: Generation) -> Generation:
        """Make it the current one. :returns: the one before."""
        old, self._current = self._current, generation
        old.listeners.close(but=generation.listeners)
        if old.conf.pid_file != generation.conf.pid_file:
            pidfile.remove(old.conf.pid_file)
            try:
                pidfile.write(generation.conf.pid_file)
                self._control.open(control_path.path(generation.conf.pid_file))
            except StartError as error:
                self._log(error_log.ERROR, str(error))
        set_title(f"{pidfile.MASTER_TITLE} [{generation.conf.file}]")
        self._greet()
        return old

    def _restart(self) -> None:
        """Restart at once: all workers end, new ones start; the ports stay open."""
        generation = self._read_again()
        if generation is None:
            return
        replaced = [g for g in (self._current, self._next) if g is not None]
        self._next, self._again = None, False
        self._ready_told = False
        for child in self._children.values():
            child.end()
        self._replace_current(generation)
        self._fill(generation)
        for old in replaced:
            self._retire(old)

    def _graceful(self) -> None:
        """Restart without a pause: the next generation first."""
        if self._next is not None:
            self._again = True
            return
        generation = self._read_again()
        if generation is not None:
            self._next = generation
            self._fill(generation)

    def _promote(self) -> None:
        """The next generation serves: the current one drains."""
        generation, self._next = self._next, None
        assert generation is not None
        old = self._replace_current(generation)
        for child in self._workers(old):
            child.drain()
        self._retire(old)
        self._notifier.ready()
        self._resume_graceful()

    def _give_up(self) -> None:
        """The next generation can't start: the current one goes on."""
        generation, self._next = self._next, None
        assert generation is not None
        self._log(error_log.ERROR, "The workers of the new configuration can't start: the old one stays in effect")
        for child in self._workers(generation):
            child.end()
        self._retire(generation)
        self._notifier.ready()
        self._resume_graceful()

    def _resume_graceful(self) -> None:
        if self._again:
            self._again = False
            self._graceful()

    def _retire(self, generation: Generation) -> None:
        """Close a former generation once its last worker is gone."""
        if any(child.generation == generation.number for child in self._children.values()):
            return
        if self._generations.pop(generation.number, None) is not None:
            generation.close(listeners_but=self._current.listeners)

    # ---- signals

    def _on_signals(self) -> None:
        for number in self._signals.read():
            self._dispatch[number]()

    def _on_hup(self) -> None:
        if not self._ending.begun:
            self._log(error_log.NOTICE, "SIGHUP received.  Attempting to restart", 173)
            self._restart()

    def _on_usr1(self) -> None:
        if not self._ending.begun:
            self._log(error_log.NOTICE, "Graceful restart requested, doing restart", 171)
            self._graceful()

    def _on_winch(self) -> None:
        if not self._ending.begun:
            self._log(error_log.NOTICE, "caught SIGWINCH, shutting down gracefully", 170)
            self._ending.gracefully()

    def _on_term(self) -> None:
        self._log(error_log.NOTICE, "caught SIGTERM, shutting down", 169)
        self._ending.at_once()

    # ---- the end

    def _release(self) -> float:
        """Let another server start while this one drains. :returns: GracefulShutdownTimeout, in seconds"""
        pidfile.remove(self._current.conf.pid_file)
        self._control.close()
        return self._current.conf.graceful_timeout

    def _finish(self) -> None:
        """The workers are gone: end what else we started, and let go of everything."""
        self._control.close()
        self._relay.close()
        pidfile.remove(self._current.conf.pid_file)
        for generation in self._generations.values():
            generation.close()
        reap_all()
        self._selector.close()
