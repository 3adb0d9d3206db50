"""A worker: one process with a router and the interpreters that it needs."""

from __future__ import annotations

import marshal
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

from mpserver.api import error_log as levels
from mpserver.interpreters.awaited import Awaited
from mpserver.ipc import descriptor_marks, messages
from mpserver.ipc.scoreboard import FINISHING, IDLE, end_group
from mpserver.ipc.worker_messages import READY
from mpserver.modules import core, mpm, python
from mpserver.phases import facts
from mpserver.phases.plan import InterpreterId
from mpserver.phases.plan_compiler import identify
from mpserver.routing.router import Router
from mpserver.routing.worker_commands import WorkerCommands
from mpserver.system import heaps, subinterpreters
from mpserver.system.listeners import turn_away
from mpserver.system.signals import STACKS, SignalQueue
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.supervisor.worker_start import WorkerStart

#: How long interpreters may take to end once the worker was told to stop, in seconds.
STOP_DEADLINE = 3.0


class Worker:
    """The signals and the control socket around a router."""

    def __init__(self, start: WorkerStart) -> None:
        self.start = start
        self.router = Router(start)
        self._commands = WorkerCommands(self.router, start)
        self._scoreboard_entry = start.scoreboard.entry(start.number, 0)
        self._signals = SignalQueue()
        self._actions: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self.stop,
            signal.SIGUSR1: self._leave,  # another one has its place
            signal.SIGUSR2: partial(self._leave, last=True),
        }
        if start.one_process:
            self._actions[signal.SIGTERM] = self._announce
            self._actions |= {signal.SIGINT: self.stop, signal.SIGWINCH: self._announce_graceful}
        #: It takes connections, or did.
        self._serves = False
        #: The end was announced (ShutdownDelay).
        self._announced = False
        self.deadline = float("inf")
        self.router.on_drain = self._on_drain
        self.router.on_end = self._take_last

    def run(self) -> None:
        """Serve until told otherwise."""
        sys.argv = ["mod_python"]
        subinterpreters.prepare()
        size = self.start.configuration.main.conf[core.THREAD_STACK_SIZE]
        if size:
            threading.stack_size(size)
        if self.start.configuration.main.conf[mpm.WORKER_TIMEOUT]:
            import faulthandler  # (in C, for a worker that hangs runs no Python)

            faulthandler.register(STACKS, self.router.log.fd)
        self._signals.install(self._actions)
        self.router.loop.add(self._signals.fileno(), self._on_signal)
        loop, start = self.router.loop, self.start
        start.control.setblocking(False)
        descriptor_marks.write(start.marks, start.control.fileno(), descriptor_marks.INBOX)
        loop.add(start.control.fileno(), self._on_control)
        if start.renewal is not None:
            loop.watch(start.renewal)
        if start.orders:
            loop.soon(lambda: self._commands.prepare(marshal.loads(start.orders), self._prepared))  # noqa: S302 - the master says it
        else:
            self._serve()
        loop.run()

    def _prepared(self, why: str) -> None:
        """What another worker had is here as well, or not: then that one stays."""
        if why:
            self._commands.refuse(why)
            self.stop()
        elif not self.router.stopping:
            self._serve()

    def _serve(self) -> None:
        """Start what PythonImport names, and serve: at once, or where others do, when that is loaded."""
        pool = self.router.pool
        wanted = [identify(name, kind, pool.environments.get(name, ())) for name, kind in self._imports()]
        Awaited(pool, self.router.loop, wanted, self.start.patience, self._loaded)

    def _loaded(self, late: list[str]) -> None:
        """What was to be loaded is there, but for the interpreters of these names."""
        if self.router.stopping:
            return
        if late and self.start.patience:
            text = f"not loaded within {self.start.patience:g} seconds (PythonImport): {', '.join(late)}"
            self.router.log.log(levels.WARN, f"{text}; this worker serves, and their requests wait", module="python")
        for its in facts.started(self.start.configuration):
            self.router.pool.use(InterpreterId(*its))
        self._serves = True
        self.router.loop.watch(heaps.GivingBack(os.environ))
        self.router.accepting.listen()
        self._scoreboard_entry.state(IDLE)
        try:
            self.start.control.send(READY)
        except OSError:
            self.router.loop.stop()

    def _imports(self) -> list[tuple[str, str]]:
        """The interpreters that PythonImport wants from the start."""
        main = self.start.configuration.main
        backend = main.base[python.INTERP_BACKEND]
        return [(interpreter, backend) for _name, interpreter in main.conf[python.PYTHON_IMPORTS]]

    # ---- what it is told

    def _on_signal(self, _event: int) -> None:
        for number in self._signals.read():
            action = self._actions.get(number)
            if action is not None:
                action()

    def _on_control(self, _event: int) -> None:
        try:
            message = messages.receive(self.start.control)
        except BlockingIOError:
            return
        except OSError:
            message = None
        if message is not None:
            if message.kind == messages.Kind.ASK:
                self._commands.take(message)
            else:
                self.router.take(message)
            return
        self.router.loop.remove(self.start.control.fileno())
        if not self.start.one_process:
            self.stop()

    def _announce(self) -> None:
        """Without a master it is for us to serve on for ShutdownDelay; told again, end at once."""
        if not self._begin_delay():
            self.stop()

    def _announce_graceful(self) -> None:
        """The same; told again, end gracefully."""
        if not self.router.draining and not self._begin_delay():
            self.graceful_stop()

    def _begin_delay(self) -> bool:
        """Announce the end. :returns: False: it was announced before, or there is no ShutdownDelay."""
        delay = self.start.configuration.main.conf[mpm.SHUTDOWN_DELAY]
        if not delay or self._announced or self.router.draining:
            return False
        self._announced = True
        self.router.log.log(levels.NOTICE, f"shutting down gracefully in {delay:g} seconds (ShutdownDelay)")
        self.deadline = time.monotonic() + delay
        self.router.loop.watch(self)
        return True

    def _leave(self, last: bool = False) -> None:
        """Finish what is here and end; at once, if that has not begun."""
        if self._serves:
            self.router.drain(last)
        else:
            self.stop()

    def graceful_stop(self) -> None:
        """Let nobody in, serve what is here, end."""
        turn_away(self.start.listeners)
        self.router.drain(last=True)

    def _on_drain(self) -> None:
        """Siblings see it; what is here may end by itself, for GracefulShutdownTimeout."""
        self._scoreboard_entry.state(FINISHING)
        patience = self.start.configuration.main.conf[mpm.GRACEFUL_SHUTDOWN_TIMEOUT]
        self.deadline = time.monotonic() + patience if patience else float("inf")
        self.router.loop.watch(self)

    def _take_last(self) -> None:
        """Nothing is left here: let siblings send no more connections, and take those that they have sent."""
        control, loop = self.start.control, self.router.loop
        if self.start.one_process:
            return
        try:
            control.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the master is gone
        loop.change(control.fileno(), 0)  # (its end shows all the same)
        while (message := messages.receive(control)) is not None:
            if message.kind in (messages.Kind.CONNECTION, messages.Kind.SPARE, messages.Kind.UNSERVED):
                self.router.take(message)

    def stop(self) -> None:
        """End at once; interpreters that don't end in time are left to the end of the process."""
        if self.router.stopping:
            return
        self.router.stop()
        for group in self.start.scoreboard.programs(self.start.number):
            end_group(group, signal.SIGTERM)
        self.deadline = time.monotonic() + STOP_DEADLINE
        self.router.loop.watch(self)

    def expire(self, _now: float) -> None:
        """The time of ShutdownDelay is over, or the interpreters did not end in time."""
        router = self.router
        if self._announced and not router.draining:
            self.graceful_stop()
            return
        if not router.stopping:
            router.log.log(levels.WARN, "GracefulShutdownTimeout is over: what still runs is ended")
            self.stop()
            return
        for group in self.start.scoreboard.programs(self.start.number):
            end_group(group)
        left = router.pool.all()
        names = ", ".join(interp.name for interp in left)
        router.log.log(levels.WARN, f"interpreters still in a request at the end: {names}")
        for interp in left:
            router.pool.kill(interp)
        router.loop.stop()


def serve(start: WorkerStart) -> None:
    """Be a worker; returns when it has drained or was stopped. The caller ends the process with os._exit."""
    Worker(start).run()
