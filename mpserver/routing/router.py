"""The router: a worker's main thread. It accepts, reads the first head, and hands the connection on.

Which interpreter a connection goes to is a pure function of the head, the configuration and the
file system. In the steady state the router sleeps: interpreters keep their connections, and one that gets all
new ones is lent the listeners (`mpserver.serving.leased_listeners`).
"""

from __future__ import annotations

import marshal
import math
import socket
import time
from collections.abc import Callable

from mpserver.api import error_log as levels
from mpserver.api.loader import LoadedModule
from mpserver.errors import ConfigError, RequestError, Unavailable
from mpserver.http1.head import Head, parse_head
from mpserver.interpreters.handle import CROWDED, ENDED, Events, InterpreterHandle
from mpserver.interpreters.kinds import AUTO, KINDS
from mpserver.interpreters.lifetime_settings import limits
from mpserver.interpreters.replacement import Recycling
from mpserver.ipc import messages
from mpserver.ipc.scoreboard import INTERPRETERS, WORKING, end_group
from mpserver.ipc.worker_messages import LEAVING, PASS
from mpserver.phases import connection_handlers as connection_handlers_module
from mpserver.phases.applications import environments
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.plan import InterpreterId
from mpserver.phases.plan_compiler import MAIN
from mpserver.routing.accepting import SCARCE, Accepting
from mpserver.routing.heirs import PATIENCE, Heirs
from mpserver.routing.listener_leases import ListenerLeases
from mpserver.routing.siblings import SETTLE
from mpserver.serving import connection_handlers
from mpserver.serving.boot import Boot
from mpserver.serving.connection import ENDING, READING, WAITING, Connection
from mpserver.serving.delayed_flush import DelayedFlush
from mpserver.serving.refusals import unusable
from mpserver.system import descriptors
from mpserver.system.listeners import Acceptor
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.supervisor.worker_start import WorkerStart

#: An application that may be started.
NOW = (0.0, "")

#: Connections that need no Python go to the worker's main interpreter.
ANYWHERE = InterpreterId("main", MAIN)


class Router(Accepting):
    """`Owner` of connections whose first request is still being read."""

    def __init__(self, start: WorkerStart) -> None:
        super().__init__(start)
        self.draining = self.stopping = False
        self.delayed_flush: DelayedFlush | None = None
        self.loop = Loop()
        self.environments = environments(start.configuration).by_name
        self.pipeline = Pipeline(
            start.configuration, start.logs, start.generation, None, self.environments
        )  # fmt: skip
        self.log = self.pipeline.host(start.configuration.main).log
        self.host_of = self.pipeline.host_of
        #: Whether any server has connection handlers.
        self.talks = connection_handlers_module.wanted(start.configuration)
        #: Begin with a connection that has arrived, and with one that another one accepted.
        self._arrive = connection_handlers.starter(self.talks, Connection.arrive, self._talk)
        self._start = connection_handlers.starter(self.talks, Connection.start, self._talk)
        self.interps = {}
        self.connections: set[Connection] = set()
        self.recycling = Recycling(self)
        self.leases = ListenerLeases(self)
        self._events = Events(
            self._returned, self._go_on, self._move, self._failed, self._lost, self._stuck, self.recycling.serving,
            self._worn, self.leases.repaid, self._ended, self._crowded,
        )  # fmt: skip
        #: Applications that a subinterpreter refused.
        self._refused: set[InterpreterId] = set()
        #: Interpreters that end, or begin, beside the one that has the place.
        self.leaving: set[InterpreterHandle] = set()
        #: Until when (monotonic) applications are not started, and why.
        self._backoff: dict[InterpreterId, tuple[float, str]] = {}
        self._free = list(range(1, INTERPRETERS))[::-1]
        self._passed: dict[tuple[InterpreterId, int], float] = {}
        #: Who gets the connections when it leaves.
        self.heirs = Heirs(self)
        #: Called when it begins to drain.
        self.on_drain: Callable[[], None] = lambda: None
        #: Called when nothing is here any more; may bring a last connection.
        self.on_end: Callable[[], None] = lambda: None

    # ---- connections

    def newcomer(self, sock: socket.SocketType, number: int, peer: object, local: object) -> Connection:
        """A connection that was just accepted."""
        return Connection(self, sock, number, peer=peer, local=local)

    def serve(self, connection: Connection, head: Head) -> None:
        """The first head (and a short body) is here: hand the connection to where it belongs."""
        try:
            interpreter_id = self._route(connection, head)
        except ConfigError as error:
            connection.host.log.log(levels.ALERT, str(error), client=connection.client)
            self.refuse(connection, unusable(error, head.line))
            return
        if self._backoff and (wait := self._wait(interpreter_id)) > 0:
            self.refuse(
                connection, _unavailable(interpreter_id.name, self._backoff[interpreter_id][1], wait, head.line)
            )
            return
        self._hand_over(interpreter_id, connection)

    def _talk(self, connection: Connection) -> None:
        """A connection for a connection handler: it need not say anything first."""
        interpreter_id = self.pipeline.plan(connection.default, connection.default.server.base, None).interpreter_id
        if self._backoff and self._wait(interpreter_id) > 0:
            connection.close()
            return
        self._hand_over(interpreter_id, connection)

    def _route(self, connection: Connection, head: Head) -> InterpreterId:
        pipeline, host = self.pipeline, connection.host
        early = pipeline.early(host)
        if early is not None:
            return early.interpreter_id
        plan = pipeline.locate(host, head.path).plan
        return plan.interpreter_id if plan.needs_python else ANYWHERE

    def _hand_over(self, interpreter_id: InterpreterId, connection: Connection) -> None:
        connection.release()
        message = messages.Message(
            messages.CONNECTION, connection.sock.detach(), connection.buffer, connection.served, connection.number,
            connection.accepted,
        )  # fmt: skip
        if not (self._is_busy(interpreter_id) and not connection.passed and self._pass_on(interpreter_id, message)):
            interp = self.interp(interpreter_id)
            interp.hand_over(message)
            if not connection.served and not connection.passed:
                self.leases.went(interpreter_id, interp)

    def _is_busy(self, interpreter_id: InterpreterId) -> bool:
        interp = self.interps.get(interpreter_id)
        if interp is None:
            return False
        return self.start.scoreboard.interpreter_state(self.start.number, interp.boot.scoreboard_index) == WORKING

    def _pass_on(self, interpreter_id: InterpreterId, message: messages.Message) -> bool:
        """Give a connection to a sibling worker that is free for it; False where there is none."""
        if self.start.one_process:
            return False
        now = self.loop.now
        slot = self._sibling(interpreter_id, now)
        if slot is None:
            return False
        try:
            messages.send(self.start.control, message, wait=False, before=PASS + slot.to_bytes(4, "little"))
        except OSError:
            return False
        self._passed[interpreter_id, slot] = now
        message.close()
        return True

    def _sibling(self, interpreter_id: InterpreterId, now: float) -> int | None:
        """The worker that a connection goes to; None: it is served here."""
        board, number, passed = self.start.scoreboard, self.start.number, self._passed
        if board.is_stuck(number, self.interps[interpreter_id].boot.scoreboard_index, time.time()):
            # rather wait for one that is quick than for the end of a long request, or for one to start
            brisk = board.brisk_siblings(number, interpreter_id.key)
            if brisk:
                return min(brisk, key=lambda slot: passed.get((interpreter_id, slot), 0.0))
        for slot in board.idle_siblings(number, interpreter_id.key):
            # one that got a connection a moment ago does not show it yet
            if now - passed.get((interpreter_id, slot), 0.0) >= SETTLE:
                return slot
        return None

    def take(self, message: messages.Message) -> None:
        """A connection from another worker, or one of ours that nobody took."""
        self._returned(*self.heirs.take(message))

    def closed(self, connection: Connection) -> None:
        """A connection has ended, or was handed on."""
        self.connections.discard(connection)
        if self.draining:
            self.loop.soon(self._end_if_empty)

    # ---- interpreters

    def interp(self, interpreter_id: InterpreterId) -> InterpreterHandle:
        """The interpreter of a place, started when first asked for."""
        interp = self.interps.get(interpreter_id)
        if interp is None or interp.state == ENDED:
            interp = self.interps[interpreter_id] = self.recycling.adopt(interpreter_id) or self.create(interpreter_id)
            self.recycling.started(interp)
        return interp

    def create(self, interpreter_id: InterpreterId, inherited: list[LoadedModule] | None = None) -> InterpreterHandle:
        """A new interpreter for a place; a successor of another one with what that had loaded."""
        start = self.start
        scoreboard_index = self._free.pop() if self._free else INTERPRETERS - 1
        start.scoreboard.assign(start.number, scoreboard_index)
        boot = Boot(
            interpreter_id, self._kind(interpreter_id), scoreboard_index, start.number,
            start.generation, start.configuration, start.logs,
            start.scoreboard.fd, start.one_process, environments=self.environments,
            talks=self.talks, limits=limits(start.configuration, interpreter_id),
        )  # fmt: skip
        return KINDS[boot.kind](boot, self.loop, self._events, start.control, inherited)

    def _kind(self, interpreter_id: InterpreterId) -> str:
        """What an interpreter of a place will be."""
        if interpreter_id.kind != "auto":
            return interpreter_id.kind
        if interpreter_id in self._refused or self.start.scoreboard.has_moved(
            interpreter_id.key, self.start.generation
        ):
            return "process"
        return AUTO

    def _move(self, interp: InterpreterHandle, message: messages.Message) -> None:
        """An application can't run in a subinterpreter: it gets a process."""
        interpreter_id = interp.boot.interpreter_id
        if interpreter_id not in self._refused:
            self._refused.add(interpreter_id)
            try:
                self.start.control.send(marshal.dumps((tuple(interpreter_id), message.state.decode())))
            except OSError:
                pass  # the log says it when the next worker meets it
        if self.recycling.refused(interp):
            return
        if self.interps.get(interpreter_id) is interp:
            self.recycling.retire(interp)

    def moved(self, interpreter_id: InterpreterId) -> None:
        """Another worker has found that an application can't run in a subinterpreter: nobody has to find it here."""
        self._refused.add(interpreter_id)
        for interp in (self.recycling.successor(interpreter_id), self.interps.get(interpreter_id)):
            if interp is not None and interp.boot.kind == "own" and not self.recycling.refused(interp):
                self.recycling.retire(interp)

    def _returned(self, message: messages.Message, passed: bool = False) -> None:
        """A connection came back: its next request belongs elsewhere, or the interpreter is busy."""
        if message.fd < 0:
            return  # its descriptor was lost on the way: see `handoff.receive`
        if self.heirs.active and not passed and self.heirs.give(message):
            return
        if message.state:
            self._go_on(message, passed)
            return
        connection = Connection(
            self, socket.SocketType(fileno=message.fd), message.number, message.served, message.data
        )
        connection.accepted = message.accepted
        connection.passed = passed
        self.connections.add(connection)
        if message.served and not message.data:
            connection.wait()
        self._start(connection)
        self.heirs.keep(connection)

    def _worn(self, interp: InterpreterHandle, message: messages.Message) -> None:
        if message.kind == messages.WORN:
            self.recycling.worn(interp, message.state.decode())
        else:
            self.recycling.changed(interp, message.state)

    def _go_on(self, message: messages.Message, passed: bool = False) -> None:
        """A request that had its early phases goes to the interpreter of its content handler."""
        message = message._replace(kind=messages.CONNECTION)
        key, state = marshal.loads(message.state)
        interpreter_id = InterpreterId(*key)
        if passed or not (self._is_busy(interpreter_id) and self._pass_on(interpreter_id, message)):
            self.interp(interpreter_id).hand_over(message._replace(state=state))

    def _wait(self, interpreter_id: InterpreterId) -> float:
        """For how many seconds an application is not started."""
        wait = self._backoff.get(interpreter_id, NOW)[0] - time.monotonic()
        if wait <= 0:
            self._backoff.pop(interpreter_id, None)
        return wait

    def _failed(self, interp: InterpreterHandle, waiting: list[messages.Message], why: str, again: float) -> None:
        """An interpreter could not start: its requests are answered with 500, the next one tries again.

        ``again``: it is not to be tried for so many seconds, in which requests are answered with 503 and why.
        """
        if self.recycling.failed(interp, why) or interp in self.leaving:
            for message in waiting:  # its place is another one's: that serves them
                self._returned(message)
            return
        if again:
            self._backoff[interp.boot.interpreter_id] = time.monotonic() + again, why
            if why == CROWDED:
                self._tell_crowded(interp)
        else:
            self.log.log(
                levels.ERROR, f"Can't get/create interpreter '{interp.name}' ({interp.boot.kind}): {why}",
                module="python",
            )  # fmt: skip
        for message in waiting:
            line = _line(message)
            self._answer(
                message,
                _unavailable(interp.name, why, again, line)
                if again
                else RequestError(500, f"interpreter '{interp.name}' is not there", line),
            )

    def _lost(self, interp: InterpreterHandle, message: messages.Message) -> None:
        """A request was in a process when that crashed; no byte of its answer was sent."""
        self._answer(message, RequestError(500, f"interpreter '{interp.name}' crashed in this request", _line(message)))

    def _tell_crowded(self, interp: InterpreterHandle) -> None:
        if self.seldom("interpreters"):
            self.log.log(
                levels.ERROR,
                f"Can't get/create interpreter '{interp.name}' ({interp.boot.kind}), and maybe others: {CROWDED} "
                f"({descriptors.soft()} may be open). Raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit), "
                "or set PythonInterpMax or PythonInterpIdleTimeout, so that idle interpreters end",
                module="python",
            )
        self.relieve()

    def _crowded(self, interp: InterpreterHandle, message: messages.Message) -> None:
        """A connection could not be handed over to or from an interpreter for want of descriptors; or soon can't."""
        if not message.served and message.fd < 0:
            if not self._pauses:
                self._pause(SCARCE)
            return
        if message.fd >= 0:
            self._answer(message, Unavailable(CROWDED, math.ceil(descriptors.RETRY_AFTER), _line(message)))
        if self.seldom("handing over"):
            self.log.log(levels.ERROR, f"a connection of interpreter '{interp.name}' could not be kept: {CROWDED}")
        self.relieve()

    def _answer(self, message: messages.Message, error: RequestError) -> None:
        """Refuse the request of a connection that is in nobody's hands."""
        connection = Connection(self, socket.SocketType(fileno=message.fd), message.number, message.served)
        connection.accepted = message.accepted
        self.connections.add(connection)
        if connection_handlers.is_for_handler(connection):
            connection.close()  # (its client may not speak HTTP)
            return
        connection.start()
        head = parse_head(message.data, connection.default.limits, None) if message.data else None
        if head is not None:
            connection.choose_host(head)
        self.refuse(connection, error)

    def _stuck(self, interp: InterpreterHandle) -> None:
        """An interpreter that can't be ended, for a request of it does not end: the worker goes without it."""
        interpreter_id = interp.boot.interpreter_id
        if self.interps.get(interpreter_id) is interp:
            del self.interps[interpreter_id]
        interp.drain()
        if not self.draining and not self.stopping:
            self.leave()

    def _ended(self, interp: InterpreterHandle) -> None:
        for group in self.start.scoreboard.programs_of(self.start.number, interp.boot.scoreboard_index):
            end_group(group)
        self.start.scoreboard.clear(self.start.number, interp.boot.scoreboard_index)
        if interp.boot.scoreboard_index < INTERPRETERS - 1:
            self._free.append(interp.boot.scoreboard_index)
        self.leaving.discard(interp)
        if self.interps.get(interp.boot.interpreter_id) is interp:
            del self.interps[interp.boot.interpreter_id]
        self.recycling.ended(interp)
        self.leases.ended(interp)
        if self.draining or self.stopping:
            self.loop.soon(self._end_if_empty)

    # ---- the end

    def leave(self) -> None:
        """Take nothing new and ask to be replaced (MaxConnectionsPerChild)."""
        try:
            self.start.control.send(LEAVING)
        except OSError:
            pass  # the master is gone, and so are we soon
        self.drain()

    def drain(self, last: bool = False) -> None:
        """Accept nothing new; let what is here end.

        ``last``: the whole server ends, and nobody else will serve who waits at the listeners.
        """
        if self.draining or self.stopping:
            return
        self.draining = True
        if last:
            for listener in self.start.listeners:
                acceptor = Acceptor(listener)
                while self._accept(acceptor):
                    pass
        self.on_drain()
        self.recycling.abandon()
        self.leases.recall()
        self._close_listeners()
        self.heirs.begin(0.0 if last or self.start.one_process else PATIENCE)
        limit = time.monotonic() + ENDING
        for connection in self.connections:
            if not (self.heirs.active and connection.state in (WAITING, READING)):
                connection.hurry(limit)
        self.loop.hasten(limit)
        self._drain_interps()
        self.loop.soon(self._end_if_empty)

    def _drain_interps(self) -> None:
        if not self.connections:
            for interp in list(self.interps.values()):  # (one that can't be told any more has ended, and leaves them)
                interp.drain(self.heirs.active)

    def stop(self) -> None:
        """End at once: interpreters end after the request that they are in."""
        self.stopping = True
        self.recycling.abandon()
        self._close_listeners()
        for connection in list(self.connections):
            connection.close()
        for interp in [*self.interps.values(), *self.leaving]:
            interp.stop()
        self.loop.soon(self._end_if_empty)

    def _close_listeners(self) -> None:
        self.ignore()
        for listener in self.start.listeners:
            if listener.fileno() >= 0:
                listener.close()  # while any process has it open, clients can connect

    def _end_if_empty(self) -> None:
        if self.draining and not self.connections and not self.stopping:
            self._drain_interps()
        if self._is_empty() and not self.stopping:
            self.on_end()
        if self._is_empty():
            self.loop.stop()

    def _is_empty(self) -> bool:
        return not self.interps and not self.connections and not self.leaving


def _line(message: messages.Message) -> str:
    """The request line that came along with a connection."""
    return message.data.partition(b"\r\n")[0].decode("latin-1")


def _unavailable(name: str, why: str, wait: float, line: str) -> Unavailable:
    return Unavailable(f"interpreter '{name}' is not started for now: {why}", math.ceil(wait), line)
