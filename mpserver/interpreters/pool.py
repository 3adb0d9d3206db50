"""The interpreters of a worker.

In the place of an interpreter id there is one at most, started when it is first wanted. Beside those that have a place
are the successors that start, and the interpreters that end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from mpserver.api import error_log as levels
from mpserver.api.loader import LoadedModule
from mpserver.interpreters.handle import CROWDED, Events, InterpreterHandle, InterpreterState
from mpserver.interpreters.kinds import AUTO, KINDS
from mpserver.interpreters.lifetime_settings import lifetime
from mpserver.interpreters.stuck import StuckInterpreters
from mpserver.ipc import plain_data
from mpserver.ipc.interpreter_stats import InterpreterStats
from mpserver.ipc.messages import Message
from mpserver.ipc.scoreboard import IDLE, WORKING, end_group
from mpserver.ipc.scoreboard_layout import BUSY, INTERPRETERS, PAGE, THREADS, End
from mpserver.ipc.worker_messages import REFUSAL
from mpserver.modules import mpm, python
from mpserver.modules.python.environment import Environment
from mpserver.phases.plan import InterpreterId
from mpserver.serving.boot import Boot
from mpserver.system import descriptors
from mpserver.system.descriptors import Seldom
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.ipc.queues import Taken
    from mpserver.supervisor.worker_start import WorkerStart

#: An application that may be started.
NOW = (0.0, "")


class Traffic(Protocol):
    """What a pool asks of the router, which has the connections (`Events` says more of the first five)."""

    def returned(self, message: Message) -> None:
        """A connection came back: its request belongs elsewhere."""

    def go_on(self, message: Message) -> None:
        """A request goes on in another interpreter, after its early phases."""

    def lost(self, interp: InterpreterHandle, message: Message) -> None:
        """An interpreter crashed in a request."""

    def crowded(self, interp: InterpreterHandle, message: Message) -> None:
        """There was no room for a descriptor on the way to an interpreter or from it."""

    def forget(self, message: Message) -> None:
        """A connection is closed already."""

    def lease_over(self, number: int) -> None:
        """A lease of the listeners is over: the last connection's number."""

    def pass_told(self, number: int, told: bytes) -> None:
        """What became of a request of ``mpserver --trace``."""

    def unserved(self, interp: InterpreterHandle, waiting: list[Message], why: str, again: float) -> None:
        """An interpreter could not start: answer those who waited for it.

        ``again``: it is not to be tried for so many seconds, 0: the next request tries again.
        """

    def relieve(self) -> None:
        """Descriptors run out: have idle connections closed."""

    def leave(self) -> None:
        """The worker can't go on: take nothing new, and ask to be replaced."""

    def gone(self, interp: InterpreterHandle) -> None:
        """An interpreter is gone; it may have been the last."""


class Succession(Protocol):
    """Who replaces interpreters, and is told what becomes of them: `mpserver.interpreters.replacement`."""

    def adopt(self, interpreter_id: InterpreterId) -> InterpreterHandle | None:
        """A place is free and wanted: give it to the successor that starts. :returns: it; None: there is none."""

    def started(self, interp: InterpreterHandle) -> None:
        """An interpreter has got a place, and starts."""

    def serving(self, interp: InterpreterHandle) -> None:
        """An interpreter serves from now on."""

    def worn(self, interp: InterpreterHandle, message: Message) -> None:
        """An interpreter wants a successor."""

    def failed(self, interp: InterpreterHandle, why: str) -> bool:
        """An interpreter could not start. :returns: whether it was a successor."""

    def refused(self, interp: InterpreterHandle) -> bool:
        """An application can't run in a subinterpreter. :returns: whether it was a successor, which was seen to."""

    def successor(self, interpreter_id: InterpreterId) -> InterpreterHandle | None:
        """The successor that starts for a place."""

    def ended(self, interp: InterpreterHandle) -> None:
        """An interpreter is gone."""


class Pool:
    """A worker's interpreters."""

    #: How interpreters are heard of; there once somebody follows.
    _events: Events
    _succession: Succession

    def __init__(
        self, start: WorkerStart, loop: Loop, log: ErrorLog, traffic: Traffic, environments: Mapping[str, Environment],
    ) -> None:  # fmt: skip
        """Make an empty one; somebody has to `follow` it before it is used.

        ``environments``: what interpreters have of their own, by their names.
        """
        self._start, self._loop, self._log, self._traffic = start, loop, log, traffic
        self.environments = environments
        #: Those that get connections.
        self.interpreters: dict[InterpreterId, InterpreterHandle] = {}
        #: Successors that start, and those that end: they have no place.
        self.beside: set[InterpreterHandle] = set()
        #: The worker ends: nothing is replaced any more, and nothing of it asks to leave.
        self.closing = False
        #: Until when (monotonic) applications are not started, and why.
        self.held_back: dict[InterpreterId, tuple[float, str]] = {}
        #: Applications that a subinterpreter refused.
        self._refusals: set[InterpreterId] = set()
        self._free = list(range(1, INTERPRETERS))[::-1]
        self._seldom = Seldom()
        self._stuck_ones = StuckInterpreters(loop, self._running, self._given_up)
        #: PythonInterpQueue.
        self.queue: int = start.configuration.main.conf[python.INTERP_QUEUE]

    def follow(self, succession: Succession) -> None:
        """Tell what becomes of the interpreters."""
        self._succession = succession
        traffic = self._traffic
        self._events = Events(
            traffic.returned, traffic.go_on, self._refused, self._failed, traffic.lost, self._stuck,
            succession.serving, succession.worn, traffic.lease_over, self._ended, traffic.crowded,
            traffic.forget, self._noticed, traffic.pass_told,
        )  # fmt: skip

    # ---- what there is

    def all(self) -> list[InterpreterHandle]:
        """Those that have a place, and those beside."""
        return [*self.interpreters.values(), *self.beside]

    def use(self, interpreter_id: InterpreterId) -> InterpreterHandle:
        """The interpreter of a place, started when first asked for."""
        interp = self.interpreters.get(interpreter_id)
        if interp is None or interp.state is InterpreterState.ENDED:
            interp = self._succession.adopt(interpreter_id) or self.create(interpreter_id)
            self.interpreters[interpreter_id] = interp
            self._succession.started(interp)
        return interp

    def busy(self, interpreter_id: InterpreterId) -> InterpreterHandle | None:
        """The interpreter of a place where that can take no request now: it is in one."""
        interp = self.interpreters.get(interpreter_id)
        return interp if interp is not None and self.state(interp) == WORKING else None

    def state(self, interp: InterpreterHandle) -> int:
        """What an interpreter is doing, as on the scoreboard."""
        return self._start.scoreboard.interpreter_state(self._start.number, interp.boot.scoreboard_index)

    def _running(self, interp: InterpreterHandle) -> int:
        """How many threads of an interpreter are in a request, under the worker MPM."""
        index = min(interp.boot.scoreboard_index, INTERPRETERS - 1)
        at = self._start.number * PAGE + THREADS + index * BUSY.size
        return int(BUSY.unpack_from(self._start.scoreboard.memory, at)[0])

    def stats(self, interp: InterpreterHandle) -> InterpreterStats | None:
        """The figures of an interpreter; None: it has not begun yet."""
        return self._start.scoreboard.stats(self._start.number, interp.boot.scoreboard_index)

    def may_be(self, interpreter_id: InterpreterId) -> bool:
        """Whether the configuration can mean such an interpreter: one of this kind and environment."""
        kind, name, environment = interpreter_id
        return (kind in KINDS or kind == "auto") and self.environments.get(name, ()) == environment

    def is_idle(self, interp: InterpreterHandle) -> bool:
        """Whether an interpreter serves, and has nothing to do."""
        return interp.state is InterpreterState.SERVING and self.state(interp) == IDLE

    def wait(self, interpreter_id: InterpreterId) -> float:
        """For how many seconds an application is not started."""
        wait = self.held_back.get(interpreter_id, NOW)[0] - time.monotonic()
        if wait <= 0:
            self.held_back.pop(interpreter_id, None)
        return wait

    # ---- beginning

    def create(self, interpreter_id: InterpreterId, inherited: list[LoadedModule] | None = None) -> InterpreterHandle:
        """Start an interpreter for a place, which it does not have yet.

        ``inherited``: what a predecessor had loaded, where it is a successor.
        """
        start = self._start
        scoreboard_index = self._index()
        start.scoreboard.assign(start.number, scoreboard_index)
        boot = Boot(
            interpreter_id, self._kind(interpreter_id), scoreboard_index, start.number,
            start.generation, start.configuration, start.logs,
            start.scoreboard.fd, start.one_process, marks=start.marks,
            lifetime=lifetime(start.configuration, interpreter_id),
        )  # fmt: skip
        taken = self._taken(boot) if self.queue else None
        made = KINDS[boot.kind](boot, self._loop, self._events, start.control, inherited)
        made.taken = taken
        return made

    def _taken(self, boot: Boot) -> Taken | None:
        """What counts the connections that an interpreter takes, one at a time."""
        from mpserver.ipc.queues import Taken, has_number  # (few servers limit what waits)

        threaded = mpm.is_threaded(boot.configuration) or boot.interpreter_id.name in mpm.THREADED
        if threaded or not has_number(boot.scoreboard_index):
            return None
        taken = Taken(self._start.scoreboard, boot.slot, boot.scoreboard_index)
        taken.begin()
        return taken

    def is_full(self, interp: InterpreterHandle) -> bool:
        """Whether as many requests wait for an interpreter as may (PythonInterpQueue)."""
        return 0 < self.queue <= interp.waiting

    def _index(self) -> int:
        """An index on the scoreboard that is free, and whose counts are kept: the last one freed of these."""
        board, number, free = self._start.scoreboard, self._start.number, self._free
        for place in range(len(free) - 1, -1, -1):
            if board.is_free(number, free[place]):
                return free.pop(place)
        # (the master keeps them within a second; without a master nobody does)
        return free.pop() if free and self._start.one_process else INTERPRETERS - 1

    def _kind(self, interpreter_id: InterpreterId) -> str:
        """What an interpreter of a place will be."""
        if interpreter_id.kind != "auto":
            return interpreter_id.kind
        start = self._start
        if interpreter_id in self._refusals or start.scoreboard.has_moved(interpreter_id.key, start.generation):
            return "process"
        return AUTO

    def begin_beside(self, interpreter_id: InterpreterId, inherited: list[LoadedModule]) -> InterpreterHandle:
        """Start a successor, with what its predecessor had loaded."""
        successor = self.create(interpreter_id, inherited)
        self.beside.add(successor)
        return successor

    def place(self, successor: InterpreterHandle) -> None:
        """Give an interpreter that began beside its place; who had it retires."""
        former = self.interpreters.get(successor.interpreter_id)
        self.beside.discard(successor)
        self.interpreters[successor.interpreter_id] = successor
        if former is not None:
            self._will_end(former, End.RECYCLED)
            self.retire(former)

    def _failed(self, interp: InterpreterHandle, waiting: list[Message], why: str, again: float) -> None:
        """An interpreter could not start: its requests are answered with 500, the next one tries again.

        ``again``: it is not to be tried for so many seconds, in which requests are answered with 503 and why.
        """
        if self._succession.failed(interp, why) or interp in self.beside:
            for message in waiting:  # another one has its place, and serves them
                self._traffic.returned(message)
            return
        if again:
            self.held_back[interp.interpreter_id] = time.monotonic() + again, why
            if why == CROWDED:
                self._tell_crowded(interp)
        else:
            self._log.log(
                levels.ERROR, f"Can't get/create interpreter '{interp.name}' ({interp.boot.kind}): {why}",
                module="python",
            )  # fmt: skip
        self._traffic.unserved(interp, waiting, why, again)

    def _tell_crowded(self, interp: InterpreterHandle) -> None:
        if self._seldom("interpreters"):
            self._log.log(
                levels.ERROR,
                f"Can't get/create interpreter '{interp.name}' ({interp.boot.kind}), and maybe others: {CROWDED} "
                f"({descriptors.soft()} may be open). Raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit), "
                "or set PythonInterpMax or PythonInterpIdleTimeout, so that idle interpreters end",
                module="python",
            )
        self._traffic.relieve()

    # ---- applications that need processes

    def _refused(self, interp: InterpreterHandle, message: Message) -> None:
        """An application can't run in a subinterpreter: it gets a process, unless it does without what was refused."""
        interpreter_id = interp.interpreter_id
        told = plain_data.shaped(message.state, REFUSAL)
        stays = bool(told[2])
        if stays or interpreter_id not in self._refusals:
            try:
                self._start.control.send(plain_data.pack((interpreter_id, told)))
            except OSError:
                pass  # the log says it when the next worker meets it
        if stays:
            return
        self._refusals.add(interpreter_id)
        if self._succession.refused(interp):
            return
        if self.interpreters.get(interpreter_id) is interp:
            self.retire(interp)

    def is_refused(self, interpreter_id: InterpreterId) -> bool:
        """Whether an application can't run in a subinterpreter, as far as is known here."""
        return interpreter_id in self._refusals

    def moved(self, interpreter_id: InterpreterId) -> None:
        """Another worker has found that an application can't run in a subinterpreter: nobody has to find it here."""
        self._refusals.add(interpreter_id)
        for interp in (self._succession.successor(interpreter_id), self.interpreters.get(interpreter_id)):
            if interp is not None and interp.boot.kind == "own" and not self._succession.refused(interp):
                self.retire(interp)

    # ---- ending

    def _will_end(self, interp: InterpreterHandle, end: End) -> None:
        self._start.scoreboard.will_end(self._start.number, interp.boot.scoreboard_index, end)

    def retire(self, interp: InterpreterHandle) -> None:
        """End an interpreter; who needs its place gets another one."""
        if self.interpreters.get(interp.interpreter_id) is interp:
            del self.interpreters[interp.interpreter_id]
        self.beside.add(interp)
        self._start.scoreboard.retire(self._start.number, interp.boot.scoreboard_index)
        interp.retire()

    def kill(self, interp: InterpreterHandle) -> None:
        """End an interpreter that does not end by itself, if it has a process to itself."""
        stats = self.stats(interp)
        interp.kill(0 if stats is None else stats.pid)

    def shed(self, count: int) -> None:
        """Have the interpreters close up to ``count`` idle connections, those that are in no request."""
        able = [
            interp
            for interp in self.interpreters.values()
            if interp.state is InterpreterState.SERVING and self.state(interp) != WORKING
        ]
        for interp in able:
            interp.shed(max(count // len(able), 1))

    def drain(self, heirs: bool) -> None:
        """Let all serve what they have, and end. ``heirs``: other workers can have connections that wait."""
        for interp in list(self.interpreters.values()):  # (one that can't be told any more has ended, and leaves them)
            interp.drain(heirs)

    def stop(self) -> None:
        """End all after the request that they are in; the process follows.

        So they are not destroyed, which takes long and is done one by one: their cleanups and exit functions run, each
        interpreter's beside those of the others.
        """
        for interp in self.all():
            interp.stop(last=True)

    def _noticed(self, _interp: InterpreterHandle, text: str) -> None:
        self._log.log(levels.ERROR, text, module="python")

    def _stuck(self, interp: InterpreterHandle, over: int) -> None:
        """A request does not end, so its interpreter can't be ended either: another worker takes over from this one.

        ``over``: 1 where such a request has ended after all.
        """
        if over:
            self._stuck_ones.freed(interp)
            return
        self._will_end(interp, End.TIMED_OUT)
        self.retire(interp)
        self._stuck_ones.add(interp)
        if not self.closing:
            self._traffic.leave()

    def _given_up(self, interp: InterpreterHandle) -> None:
        """What merely waited in an interpreter that is stuck has gone elsewhere: the worker may end without it."""
        self.beside.discard(interp)
        self._traffic.gone(interp)

    def _ended(self, interp: InterpreterHandle) -> None:
        board, number, index = self._start.scoreboard, self._start.number, interp.boot.scoreboard_index
        for group in board.programs_of(number, index):
            end_group(group)
        if interp.crashed:
            board.will_end(number, index, End.CRASHED)
        board.clear(number, index)
        if index < INTERPRETERS - 1:
            self._free.append(index)
        self.beside.discard(interp)
        if self.interpreters.get(interp.interpreter_id) is interp:
            del self.interpreters[interp.interpreter_id]
        self._succession.ended(interp)
        self._traffic.gone(interp)
