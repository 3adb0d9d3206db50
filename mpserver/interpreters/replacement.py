"""Interpreters that take the place of others in a worker: why, when and how; and eviction where there are too many.

A successor starts beside its predecessor and loads the modules that the predecessor had loaded. Once the successor
serves, the predecessor retires: it gives its connections back and ends after the request that it is in. If the
successor can't start, everything stays as it was.

Only what can be unloaded can be replaced (`REPLACEABLE`): interpreters of the kind `process` with every Python, and
`own` ones from Python 3.14 on (before, they leak, and some crash at their end). For `shared` and `main` ones, and for
`own` ones of an older Python, the worker itself is replaced.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from mpserver.api import error_log as levels
from mpserver.api.loader import LoadedModule
from mpserver.interpreters.handle import InterpreterHandle, InterpreterState
from mpserver.interpreters.pool import Pool
from mpserver.ipc import messages, plain_data
from mpserver.ipc.worker_messages import CHANGES, NEWS, RENEW, SETTLE
from mpserver.modules import python
from mpserver.phases.plan import InterpreterId
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog
    from mpserver.supervisor.worker_start import WorkerStart
    from mpserver.system.loop import Loop

#: The kinds of interpreter that can be replaced while their worker lives on.
REPLACEABLE = frozenset({"own", "process"} if sys.version_info >= (3, 14) else {"process"})

#: How long a successor may take to start, in seconds.
START_TIMEOUT = 60.0

#: How often interpreters that could be evicted are looked at while too many are here, in seconds.
EVICTION_INTERVAL = 1.0

#: Called with why a replacement failed; "" where it worked.
Done = Callable[[str], None]


class Trial(NamedTuple):
    """A successor that starts, and who waits for it."""

    interp: InterpreterHandle
    done: Done
    #: ``time.monotonic()`` when it is given up.
    deadline: float


class Replacement:
    """The replacements in one worker; `mpserver.interpreters.pool.Succession` of its pool."""

    def __init__(
        self, pool: Pool, start: WorkerStart, loop: Loop, log: ErrorLog, leave: Callable[[], None]
    ) -> None:  # fmt: skip
        """``leave``: called where the worker itself has to be replaced."""
        self._pool, self._start, self._loop, self._log, self._leave_worker = pool, start, loop, log, leave
        pool.follow(self)
        self._trials: dict[InterpreterId, Trial] = {}
        conf = start.configuration.main.conf
        self._most: int = conf[python.INTERP_MAX]
        self._limit: int = conf[python.INTERP_RECYCLE_LIMIT]
        #: Who wants a replacement of an interpreter that starts just now.
        self._later: dict[InterpreterId, list[Done]] = {}
        #: Changes of files that were acted upon, in a server of one process.
        self._changes: set[tuple[str, Any]] = set()
        self._ended = 0
        #: By place: how long an interpreter may be idle, in seconds.
        self._timeouts: dict[InterpreterId, float] = {}
        self.deadline = float("inf")

    # ---- replacing

    def replace(self, interpreter_id: InterpreterId, done: Done) -> None:
        """Replace the interpreter of a place; ``done`` is called when the successor serves, or can't."""
        former = self._pool.interpreters.get(interpreter_id)
        if interpreter_id in self._trials:
            done("it is being replaced already")
        elif former is None or self._pool.closing:
            done("")  # it starts afresh when it is wanted, or in the worker's successor
        elif former.state is not InterpreterState.SERVING:
            self._later.setdefault(interpreter_id, []).append(done)
        else:
            self.prepare(interpreter_id, former.loaded_modules, done)

    def prepare(self, interpreter_id: InterpreterId, loaded_modules: list[LoadedModule], done: Done) -> None:
        """Start an interpreter that loads what another one had loaded; it gets the place when it serves."""
        deadline = time.monotonic() + START_TIMEOUT
        successor = self._pool.begin_beside(interpreter_id, loaded_modules)
        self._trials[interpreter_id] = Trial(successor, done, deadline)
        self._look_at(deadline)

    def serving(self, interp: InterpreterHandle) -> None:
        """An interpreter serves: a successor gets its place."""
        interpreter_id = interp.interpreter_id
        trial = self._trials.get(interpreter_id)
        if trial is None or trial.interp is not interp:
            for done in self._later.pop(interpreter_id, ()):
                self.replace(interpreter_id, done)
            return
        del self._trials[interpreter_id]
        self._pool.place(interp)
        trial.done("")

    def adopt(self, interpreter_id: InterpreterId) -> InterpreterHandle | None:
        """A predecessor has ended by itself: its successor gets the place, and what waits, as it starts."""
        trial = self._trials.pop(interpreter_id, None)
        if trial is None:
            return None
        self._pool.beside.discard(trial.interp)
        trial.done("the former one ended meanwhile, so the successor has its place already")
        return trial.interp

    def failed(self, interp: InterpreterHandle, why: str) -> bool:
        """An interpreter could not start. :returns: whether it was a successor, so that nobody waits for it."""
        trial = self._trials.get(interp.interpreter_id)
        if trial is None or trial.interp is not interp:
            for done in self._later.pop(interp.interpreter_id, ()):
                done("")
            return False
        del self._trials[interp.interpreter_id]
        self._log.log(
            levels.ERROR, f"interpreter '{interp.name}' can't be replaced: {why}; the one that is there stays",
            module="python",
        )  # fmt: skip
        trial.done(why)
        return True

    def successor(self, interpreter_id: InterpreterId) -> InterpreterHandle | None:
        """What starts to take a place."""
        trial = self._trials.get(interpreter_id)
        return None if trial is None else trial.interp

    def refused(self, interp: InterpreterHandle) -> bool:
        """A successor can't run in a subinterpreter any more: it becomes a process. :returns: whether it is one."""
        interpreter_id = interp.interpreter_id
        trial = self._trials.get(interpreter_id)
        if trial is None or trial.interp is not interp:
            return False
        del self._trials[interpreter_id]
        interp.stop()
        self.replace(interpreter_id, trial.done)
        return True

    def abandon(self) -> None:
        """The worker ends: nothing is replaced any more."""
        for trial in list(self._trials.values()):
            trial.interp.stop()
            trial.done("")
        self._trials.clear()

    # ---- by itself

    def worn(self, interp: InterpreterHandle, message: messages.Message) -> None:
        """An interpreter wants a successor: it has served enough, or its files changed."""
        if message.kind == messages.Kind.CHANGED:
            self._changed(interp, message.state)
            return
        if self._pool.interpreters.get(interp.interpreter_id) is not interp:
            return
        why = message.state.decode()
        if interp.boot.kind not in REPLACEABLE:
            self._leave(f"interpreter '{interp.name}' {why}")
            return
        self._log.log(levels.INFO, f"interpreter '{interp.name}' {why}: it is replaced", module="python")
        self.replace(interp.interpreter_id, lambda _why: None)

    def ended(self, interp: InterpreterHandle) -> None:
        """An interpreter is gone. Past PythonInterpRecycleLimit the worker has had enough of that."""
        if interp.boot.kind in ("own", "shared"):
            self._ended += 1
            if self._limit and self._ended > self._limit:
                self._limit = 0
                self._leave(f"{self._ended} interpreters have ended here (PythonInterpRecycleLimit)")

    def _leave(self, why: str) -> None:
        if self._pool.closing or self._start.one_process:
            return
        self._log.log(levels.NOTICE, f"worker {self._start.number} is replaced: {why}", module="python")
        self._leave_worker()

    def _changed(self, interp: InterpreterHandle, changes: bytes) -> None:
        """Files of an interpreter's modules changed (PythonInterpReload): the master has every worker replace it.

        In a server of one process there is none.
        """
        if self._start.one_process:
            new = set(plain_data.shaped(changes, CHANGES).items()) - self._changes
            self._changes |= new
            if new:
                self._renew(interp)
            return
        interpreter_id = interp.interpreter_id
        message = messages.Message(
            messages.Kind.CHANGED, state=plain_data.pack((interpreter_id, plain_data.shaped(changes, CHANGES)))
        )
        try:
            messages.send(self._start.control, message, before=NEWS)
        except OSError:
            pass  # the master is gone, and so are we soon

    def _renew(self, interp: InterpreterHandle) -> None:
        name = interp.name.encode()
        control = self._start.control
        if interp.boot.kind == "process":
            control.send(RENEW + name)

        def done(why: str) -> None:
            if interp.boot.kind == "process":
                control.send(SETTLE + (b"0" if why else b"1") + name)

        text = f"interpreter '{interp.name}' is replaced, for its files changed"
        self._log.log(levels.NOTICE, text, module="python")
        self.replace(interp.interpreter_id, done)

    # ---- eviction

    def started(self, interp: InterpreterHandle) -> None:
        """An interpreter starts: another one may have to go for it, and its own time counts from now."""
        interpreter_id = interp.interpreter_id
        if interp.boot.kind == "main":
            return
        timeout = interp.boot.lifetime.idle
        if timeout:
            self._timeouts[interpreter_id] = timeout
            self._look_at(time.monotonic() + timeout)
        if self._most:
            self._evict(interp)

    def _look_at(self, when: float) -> None:
        if when < self.deadline:
            self.deadline = when
            self._loop.watch(self)
            self._loop.hasten(when)

    def expire(self, now: float) -> None:
        """Some interpreter may have been idle for its time."""
        self.deadline = float("inf")
        self._give_up(now)
        wall = time.time()
        for interp in list(self._pool.interpreters.values()):
            timeout = self._timeouts.get(interp.interpreter_id)
            if timeout is None:
                continue
            left = timeout - (wall - self._used(interp))
            if not self._pool.is_idle(interp):
                left = timeout
            elif left <= 0:
                self._tell(interp, f"it was idle for {timeout:g} seconds")
                self._pool.retire(interp)
                continue
            self._look_at(now + left)
        if self._most:
            self._evict(None)

    def _give_up(self, now: float) -> None:
        """End the successors that do not start."""
        for trial in list(self._trials.values()):
            if trial.deadline <= now:
                trial.interp.stop()
                self._pool.kill(trial.interp)
                self.failed(trial.interp, f"the successor did not start within {START_TIMEOUT:g} seconds")
            else:
                self._look_at(trial.deadline)

    def _evict(self, but: InterpreterHandle | None) -> None:
        """End the least recently used idle ones of those past PythonInterpMax; look again where all are busy."""
        here = [interp for interp in self._pool.interpreters.values() if interp.boot.kind != "main"]
        over = len(here) - self._most
        if over <= 0:
            return
        idle = [interp for interp in here if interp is not but and self._pool.is_idle(interp)]
        for interp in sorted(idle, key=self._used)[:over]:
            self._tell(interp, f"more than {self._most} are here (PythonInterpMax)")
            self._pool.retire(interp)
        if over > len(idle):
            self._look_at(time.monotonic() + EVICTION_INTERVAL)

    def _tell(self, interp: InterpreterHandle, why: str) -> None:
        self._log.log(levels.INFO, f"interpreter '{interp.name}' is ended: {why}", module="python")

    def _used(self, interp: InterpreterHandle) -> float:
        """When it was used last: its last request or its start, in seconds since the epoch."""
        stats = self._pool.stats(interp)
        return 0.0 if stats is None else max(stats.started, stats.last)
