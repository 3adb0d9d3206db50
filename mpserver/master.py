"""The master: binds, forks workers, replaces those that end, and does what signals say.

One thread and one event loop over the signal queue, the workers' control sockets and the control socket. Signal
handlers only queue. No application code and no interpreters are here, and nothing waits: a restart is a state ("the
next generation is coming up"), not a blocking call.

Its parts are in `mpserver.supervisor`: the workers, the generations that restarts make, the connections that workers
pass on, what the control socket asks for, and the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable

from mpserver.api import error_log
from mpserver.ipc import control_path, messages, plain_data
from mpserver.ipc.messages import Message
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.worker_messages import CHANGED
from mpserver.supervisor import descriptor_limit, places
from mpserver.supervisor.commands import ChangedFiles, commands
from mpserver.supervisor.companions import Companions
from mpserver.supervisor.control_socket import ControlSocket
from mpserver.supervisor.engine import Engine, ZygoteKeeper
from mpserver.supervisor.fd_store import FdStore
from mpserver.supervisor.generation import Generation, open_generation, restart_loggers
from mpserver.supervisor.health import OPEN, Health, queues
from mpserver.supervisor.jobs import Jobs
from mpserver.supervisor.late_imports import LateImports, why_unready
from mpserver.supervisor.management import Management
from mpserver.supervisor.pulse import Pulse
from mpserver.supervisor.relay import Relay
from mpserver.supervisor.reload import Reload, Told
from mpserver.supervisor.reopening import Reopening
from mpserver.supervisor.settings import ProcessSettings
from mpserver.supervisor.shutdown import Shutdown
from mpserver.supervisor.upgrades import Parts, Upgrades
from mpserver.supervisor.watched import Watched
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.supervisor.workers import WorkerEvents, Workers
from mpserver.system import descriptors, pidfile
from mpserver.system.inherited import Inherited, kept_name
from mpserver.system.listeners import Listeners
from mpserver.system.process import ended_children, reap_all, set_title
from mpserver.system.signals import Held, SignalQueue
from mpserver.system.systemd import Notifier
from mpserver.typing import TYPE_CHECKING, Any
from mpserver.version import VERSION

if TYPE_CHECKING:
    from mpserver.supervisor.reading import Reading
    from mpserver.supervisor.succession import Succession

#: Seconds between two looks at how many workers are idle (httpd's).
TICK = 1.0


class Master:
    """The supervisor: `open_master` makes one, and it runs until a signal ends it."""

    def __init__(
        self, first: Generation, scoreboard: Scoreboard, engine: Engine, notifier: Notifier, *,
        read: Callable[[], Reading], succession: Succession | None, folder: str, replace_output: bool,
    ) -> None:  # fmt: skip
        """``first`` is the generation to start with; for the other parameters see `open_master`."""
        self.scoreboard = scoreboard
        self._engine, self._notifier, self._replace_output = engine, notifier, replace_output
        self._watched, self._store = Watched(), FdStore(notifier)
        self._signals = SignalQueue()
        self._workers = Workers(
            engine.serve,
            scoreboard,
            self._watched,
            WorkerEvents(self._on_ready, self._on_gone, self._on_news, self._on_passed, self._on_order),
            succession is not None,
        )
        self._reload = Reload(
            first,
            self._workers,
            scoreboard,
            notifier,
            read=read,
            adopt=self._adopt,
            switching=self._take_places,
            switched=self._on_switched,
        )
        self._shutdown = Shutdown(self._workers, self._reload, notifier, self._release)
        self._relay = Relay(self._workers)
        self._companions = Companions(engine.renew, self._watched, scoreboard)
        self._jobs, self._late = Jobs(), LateImports()
        self._changed_files = ChangedFiles(self, self._jobs)
        words = commands(self)
        self._control = ControlSocket(words, self._jobs, self._watched, self.tell)
        self._pulse = Pulse(self._jobs, self.serving, notifier.alive, notifier.watchdog)
        self._management = Management(Health(self).pages(), self._watched, OPEN)
        parts = Parts(
            self._watched, self._workers, self._reload, self._shutdown, self._control, self._management,
            self._companions, notifier,
        )  # fmt: skip
        self._upgrades = Upgrades(parts, succession, folder, scoreboard.descriptors)
        words["reopen"] = Reopening(parts, lambda: self._upgrades.under_way or self._upgrades.succeeded).command()
        self._restarts = 0
        self._started = time.time()
        self._tick_at = 0.0
        self._dispatch: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._on_term,
            signal.SIGINT: self._on_int,
            signal.SIGHUP: self._on_hup,
            signal.SIGUSR1: self.restart,
            signal.SIGWINCH: self._on_winch,
            signal.SIGCHLD: self._on_chld,
        }

    # ---- start

    def begin(self) -> None:
        """Open the control socket, and take signals from now on.

        :raises StartError: the control socket can't be made.
        """
        if not self._upgrades.succeeds:
            self._management.open(self._conf.management)
            # (last, for who finds this one takes the server for begun)
            self._control.open(control_path.path(self._conf.pid_file))
        self._signals.install(self._dispatch)
        self._watched.add(self._signals, self._on_signals)
        self._reload.begin()
        self._pulse.limit = self._conf.worker_timeout

    def run(self, command_line: str) -> None:
        """Fork the workers and supervise them until a signal ends the server. ``command_line`` is for the log."""
        self._greet()
        self._log(error_log.NOTICE, f"Command line: '{command_line}'", 94)
        if not self._upgrades.succeeds:
            self._companions.follow(self._reload.current)
        while self._workers or not self._shutdown.begun:
            self._due()
            self._watched.wait(self._timeout())
        self._finish()

    def _adopt(self, generation: Generation) -> None:
        """Make ready what a new generation needs beside what it opened itself."""
        generation.keep(self._engine, self.scoreboard)
        if self._replace_output:
            for fd in (1, 2):
                os.dup2(generation.error_log.fd, fd)
        for level, text in generation.conf.notices:
            generation.error_log.log(level, text)
        if short := descriptor_limit.raise_limit(generation.configuration):
            generation.error_log.log(error_log.WARN, short)

    def _greet(self) -> None:
        python = ".".join(map(str, sys.version_info[:3]))
        text = f"mpserver/{VERSION} Python/{python} configured -- resuming normal operations"
        self._log(error_log.NOTICE, text, 163)

    def _log(self, level: int, text: str, number: int | None = None) -> None:
        self._reload.current.error_log.log(level, text, number=number)

    @property
    def _conf(self) -> ProcessSettings:
        return self._reload.current.conf

    # ---- the loop

    def _timeout(self) -> float:
        """Seconds until something is due."""
        parts = (
            self._jobs, self._relay, self._workers, self._management, self._pulse, self._companions, self._shutdown,
        )  # fmt: skip
        moments = [self._tick_at, *(part.deadline() for part in parts)]
        moments += [self._workers.retry_at(generation) for generation in self._growing()]
        return max(0.0, min(moments) - time.monotonic())

    def _due(self) -> None:
        """Do what the time has come for, and fork the workers that are missing."""
        now = time.monotonic()
        for worker in self._workers.due(now):
            text = f"worker {worker.slot} (pid {worker.pid}) did not end in time, sending a SIGKILL"
            self._log(error_log.ERROR, text, 46)
        self._shutdown.due(now)
        for generation in self._growing():
            self._workers.fill(generation)
        for part in () if self._shutdown.begun else (self._reload, self._upgrades):
            part.due(now)
        self._jobs.due(now)
        self._relay.due(now)
        self._management.due(now)
        for worker in self._pulse.due(now):
            worker.give_up(self._conf.worker_timeout)
        self._companions.due(now)
        if self._tick_at <= now:
            self._tick_at = now + TICK
            self._signals.look(now)
            for worker in self._workers:
                self._workers.history.settle(worker.slot)
            self.tell_facts()
            self._late.look(self.scoreboard, self._workers, self._conf.imports, self._reload.current.error_log)
            for generation in self._reload:
                if generation.renewal is not None:
                    generation.renewal.due(now)
            if not self._shutdown.begun and self._reload.next is None:
                self._reload.report(self._workers.maintain(self._reload.current))
                if not self._upgrades.succeeds:
                    self._store.follow(self._reload.current.listeners)

    def _growing(self) -> list[Generation]:
        """The generations that should have workers."""
        return [] if self._shutdown.begun else self._reload.growing()

    # ---- what workers do and say

    def _on_ready(self, worker: WorkerHandle) -> None:
        self._jobs.ready(worker)
        self._reload.ready(worker)
        self._upgrades.ready()

    def _on_gone(self, worker: WorkerHandle) -> None:
        self._jobs.gone(worker)
        self._reload.gone(worker)
        self._upgrades.gone()

    def _on_news(self, worker: WorkerHandle, message: Message) -> None:
        if message.kind == messages.Kind.CHANGED:
            try:
                self._changed_files.told(*plain_data.shaped(message.state, CHANGED))
            except ValueError as error:  # (a worker runs applications: what it says need not be true)
                worker.generation.error_log.log(error_log.ERROR, f"worker {worker.slot} told of no changes: {error}")
        else:
            self._jobs.answer(worker, message)

    def _on_passed(self, giver: WorkerHandle, data: bytes, fds: list[int]) -> None:
        self._relay.pass_on(giver, data, fds)

    def _on_order(self, worker: WorkerHandle, data: bytes, fds: list[int]) -> None:
        """A worker wants something of its generation's keeper; what all should know goes to the others."""
        keeper = worker.generation.keeper
        if keeper is None:
            for fd in fds:
                os.close(fd)
            return
        news = keeper.request(data, fds)
        if news is not None:
            for other in self._workers.of(worker.generation):
                if other is not worker:
                    other.ask(news)

    def _on_chld(self) -> None:
        """Children ended: tell them apart (the loop replaces workers that we did not end)."""
        for pid, status in ended_children():
            if self._workers.reaped(pid, status) or self._companions.reaped(pid, status):
                continue
            if not any(
                generation.keeper is not None and generation.keeper.reaped(pid, status) for generation in self._reload
            ):
                for level, text, number in restart_loggers(self._reload, pid):
                    self._log(level, text, number)

    # ---- what the control socket's commands ask for (`mpserver.supervisor.commands.Supervisor`)

    def serving(self) -> list[WorkerHandle]:
        """The current generation's workers that take requests."""
        return [worker for worker in self._workers.of(self._reload.current) if worker.ready]

    def keeper(self) -> ZygoteKeeper | None:
        """The keeper of the current generation."""
        return self._reload.current.keeper

    def succeed(self, worker: WorkerHandle, orders: bytes) -> WorkerHandle | None:
        """Fork a worker beside another one, to replace it; None where there is no room."""
        return self._workers.succeed(worker, orders)

    def restart(self, *told: Told) -> None:
        """Restart gracefully; ``told`` are called with why that failed, "" when the new generation serves."""
        if self._shutdown.announced or self._upgrades.under_way:
            for call in told:
                call("the server ends" if self._shutdown.announced else "an upgrade is under way")
            return
        self._log(error_log.NOTICE, "Graceful restart requested, doing restart", 171)
        self._reload.gracefully(*told)

    def upgrade(self, python: str, told: Told) -> None:
        """Let another master take over; ``told`` is called with why that failed, "" when the new one serves."""
        self._upgrades.begin(python, told)

    def tell(self, level: int, text: str) -> None:
        """Write to the error log."""
        self._reload.current.error_log.log(level, text, module="python")

    def tell_facts(self) -> None:
        """Publish what workers' status pages show beside the scoreboard."""
        facts = {
            **self.about(),
            "restarts": self._restarts,
            "starts": self._workers.started,
            "crashes": self._workers.crashes,
            "listeners": queues(self._reload.current.listeners),
            "unready": self.unready(),
        }
        self._workers.history.tell(json.dumps(facts).encode())

    def unready(self) -> str:
        """Why clients should not be sent here; "": they should."""
        if self._shutdown.announced:
            return "the server ends"
        return why_unready(self.scoreboard, self.serving(), self._workers, self._conf.imports)

    @property
    def threads(self) -> int:
        """How many requests an interpreter serves at a time."""
        return self._conf.rules.threads

    def about(self) -> dict[str, Any]:
        """Facts about the server, for the status."""
        renewal = self._reload.current.renewal
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "generation": self._reload.current.number,
            "started": self._started,
            "certificates": [] if renewal is None else renewal.ends(),
            **self._companions.facts(self._reload.current),
        }

    # ---- signals

    def _on_signals(self) -> None:
        for number in self._signals.read():
            self._dispatch[number]()

    def _on_hup(self) -> None:
        if not self._shutdown.announced and not self._upgrades.under_way:
            self._log(error_log.NOTICE, "SIGHUP received.  Attempting to restart", 173)
            self._reload.at_once()

    def _on_winch(self) -> None:
        if not self._shutdown.begun and not self._announce("SIGWINCH"):
            self._log(error_log.NOTICE, "caught SIGWINCH, shutting down gracefully", 170)
            self._shutdown.gracefully()

    def _on_term(self) -> None:
        if not self._announce("SIGTERM"):
            self._on_int()

    def _announce(self, caught: str) -> bool:
        """Announce the end that a signal wants. :returns: False: it is announced already, or there is no delay."""
        delay = self._conf.shutdown_delay
        if not delay or self._shutdown.announced or self._upgrades.succeeds:
            return False
        self._log(error_log.NOTICE, f"caught {caught}, shutting down gracefully in {delay:g} seconds (ShutdownDelay)")
        self._shutdown.announce(delay)
        return True

    def _on_int(self) -> None:
        self._log(error_log.NOTICE, "caught SIGTERM, shutting down", 169)
        self._shutdown.at_once()

    # ---- restarts and the end

    def _take_places(self, old: Generation, new: Generation) -> None:
        """Another generation is about to be the current one. :raises StartError: what it wants can't be had."""
        places.take(old.conf, new.conf, self._control, self._management)

    def _on_switched(self, new: Generation) -> None:
        """Another generation is the current one."""
        self._pulse.limit = new.conf.worker_timeout
        self._restarts += 1
        self.tell_facts()
        set_title(f"{pidfile.MASTER_TITLE} [{new.conf.file}]")
        self._greet()
        self._companions.follow(new)

    def _release(self) -> float:
        """Let another server start while this one drains. :returns: GracefulShutdownTimeout, in seconds."""
        pidfile.remove(self._conf.pid_file)
        self._control.close()
        self._management.close()
        self._companions.end()
        return self._conf.graceful_timeout

    def _finish(self) -> None:
        """End what else we started, and let go of everything: the workers are gone."""
        self._control.close()
        self._management.end()
        self._companions.end()
        self._relay.close()
        pidfile.remove(self._conf.pid_file)
        for generation in self._reload:
            generation.close()
        reap_all()
        self._watched.close()


def open_master(
    reading: Reading,
    engine: Engine,
    notifier: Notifier,
    *,
    read: Callable[[], Reading],
    inherited: Inherited | None = None,
    succession: Succession | None = None,
    folder: str = "/",
    replace_output: bool = False,
) -> Master:
    """Open logs and ports, write the pid file, take signals from now on. The terminal is still ours.

    :param read: reads and finishes the configuration again; raises ConfigErrors or ConfigError where it is faulty.
    :param inherited: listening sockets that were passed to the server.
    :param succession: whose place it takes, once its workers serve; None: nobody's.
    :param folder: where the command was given: one that is to take its place is started there.
    :param replace_output: stdout and stderr become the error log (a daemon has no terminal).
    :raises StartError: the server can't start; the text is for the terminal.
    """
    with Held():
        soft = descriptors.original()
        if inherited is not None:
            # (of a configuration before this one: at another address they would be in the way of those that are new)
            inherited.close_kept({kept_name(str(address)) for address in reading.conf.addresses})
            if inherited.stale:
                for name in inherited.stale:
                    notifier.forget(name)
                notifier.settle()
        first = open_generation(1, reading, Listeners(inherited=inherited), soft)
        try:
            # Twice the limit: while a restart drains, two generations have their workers.
            scoreboard = Scoreboard.create(2 * first.conf.server_limit, soft)
            # (before the pid file is there: who finds us by that asks the title whose server this is)
            set_title(f"{pidfile.MASTER_TITLE} [{first.conf.file}]")
            left = pidfile.Found(None, False) if succession is not None else pidfile.claim(first.conf.pid_file)
            if left.pid is not None and not left.running:
                text = (
                    f"pid file {first.conf.pid_file} overwritten -- the server that wrote it (pid {left.pid}) "
                    "ended without removing it"
                )
                first.error_log.log(error_log.WARN, text, number=98)
            master = Master(
                first, scoreboard, engine, notifier, read=read, succession=succession, folder=folder,
                replace_output=replace_output,
            )  # fmt: skip
            master.begin()
        except BaseException:
            pidfile.remove(first.conf.pid_file)
            first.close()
            raise
    return master
