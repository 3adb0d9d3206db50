"""The router: a worker's main thread. It reads the first head of a connection, and hands the connection on.

Which interpreter a connection goes to follows from the first head, the local address, the configuration and what the
file system holds; what went before does not count. In the steady state the router sleeps: interpreters keep their
connections, and one that gets all new ones has a lease of the listeners (`mpserver.serving.leased_listeners`).

Beside it are those who accept (`mpserver.routing.accepting`) and those who start and end interpreters
(`mpserver.interpreters.pool`); both know the router by what they ask of it only (`Taker`, `Traffic`).
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable

from mpserver.api import error_log as levels
from mpserver.errors import ConfigError, RequestError, Unavailable
from mpserver.http1.head import Head, parse_head
from mpserver.interpreters.handle import CROWDED, InterpreterHandle
from mpserver.interpreters.pool import Pool
from mpserver.interpreters.replacement import Replacement
from mpserver.ipc import messages
from mpserver.ipc.address_table import AddressTable
from mpserver.ipc.descriptor_marks import BEGUN
from mpserver.ipc.worker_messages import LEAVING, NEWS
from mpserver.modules import mpm
from mpserver.phases import facts
from mpserver.phases.host import Host
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.plan import InterpreterId
from mpserver.phases.plan_compiler import MAIN
from mpserver.routing.accepting import Accepting
from mpserver.routing.forwarding import Forwarding, request_line
from mpserver.routing.heirs import KEPT_FOR_HEIRS, Heirs
from mpserver.routing.listener_leases import ListenerLeases
from mpserver.routing.siblings import Siblings
from mpserver.serving import connection_handlers, greeting
from mpserver.serving.connection import Connection, Starter, starter
from mpserver.serving.delayed_flush import DelayedFlush
from mpserver.serving.refusals import Refusals, unusable
from mpserver.serving.states import LAST_WAIT, READING, WAITING
from mpserver.serving.tracked_connection import findable
from mpserver.system import descriptors
from mpserver.system.descriptors import Seldom
from mpserver.system.loop import Loop
from mpserver.tls.hello import Hello
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.ipc.slow_clients import SlowClients
    from mpserver.routing.admission import Admission
    from mpserver.serving.courier import Courier
    from mpserver.supervisor.worker_start import WorkerStart

#: The worker's main interpreter, which gets the connections whose first request needs no Python.
MAIN_INTERPRETER = InterpreterId("main", MAIN)

#: What Retry-After says where too many wait for an interpreter, in seconds.
FULL_FOR = 1


class Router(Refusals):
    """`Owner` of connections whose first request is still being read; `Taker` of those that are accepted.

    It is the `Traffic` of the pool of interpreters.
    """

    def __init__(self, start: WorkerStart) -> None:
        self._start = start
        #: The worker ends: when what is here has ended, or at once.
        self.draining = self.stopping = False
        self.delayed_flush: DelayedFlush | None = None
        self.began = 0.0  # (no handler runs here)
        self.courier: Courier | None = None  # (none runs handlers here)
        self.slow_clients: SlowClients | None = None
        self.loop = Loop()
        its = facts.environments(start.configuration)
        self.pipeline = Pipeline(start.configuration, start.logs, start.generation, None, its)
        self.planner = self.pipeline.planner
        self.planner.tell_of_request = self.pass_told
        self.log = self.planner.host(start.configuration.main).log
        self.host_of = self.planner.host_of
        has_connection_handlers = facts.takes_connections(start.configuration)
        #: Begin with a connection that was accepted here, and with one that another process or interpreter had.
        self._connection = findable(Connection, start.marks)
        self._arrive: Starter = self._connection.arrive
        self._begin: Starter = self._connection.start
        if has_connection_handlers:
            self._arrive = starter(connection_handlers.is_for_handler, self._talk, self._arrive)
            self._begin = starter(connection_handlers.is_for_handler, self._talk, self._begin)
        #: Where the requests went last that came over TLS, by their hosts: there it is spoken from then on.
        self._homes: dict[Host, InterpreterId] = {}
        if facts.has_tls(start.configuration):
            self._arrive = starter(greeting.speaks_tls, self._greet_new, self._arrive)
            self._begin = starter(greeting.speaks_tls, self._greet, self._begin)
        self.addresses = AddressTable(start.scoreboard, start.number)
        self._admission: Admission | None = None
        if start.configuration.main.conf[mpm.MAX_CONNECTIONS_PER_ADDRESS]:
            from mpserver.routing.admission import Admission  # (few limit it)

            self._admission = Admission(start.configuration, self.addresses)
        has_proxies = facts.has_proxy_protocol(start.configuration)
        if has_proxies:
            self._await_proxies()
        self.connections: set[Connection] = set()
        self.pool = Pool(start, self.loop, self.log, self, its)
        self.replacement = Replacement(self.pool, start, self.loop, self.log, self.leave)
        self.accepting = Accepting(start, self.loop, self.log, self)
        keeps = has_connection_handlers or has_proxies or self._admission is not None
        grants = not (start.one_process or mpm.is_threaded(start.configuration) or keeps)
        self._leases = ListenerLeases(self.accepting, grants)
        self._siblings = Siblings(start)
        self._forwarding = Forwarding(self.pool, self._siblings, self.loop, self.log, self.returned, self._answer)
        #: Who gets the connections when it leaves.
        self._heirs = Heirs(start, self.loop, self.connections)
        self._seldom = Seldom()
        #: Called when it begins to drain.
        self.on_drain: Callable[[], None] = lambda: None
        #: Called when nothing is here any more; may bring a last connection.
        self.on_end: Callable[[], None] = lambda: None

    # ---- connections

    def arrived(self, sock: socket.SocketType, number: int, peer: object, local: object) -> None:
        """A connection was just accepted."""
        connection = self._connection(self, sock, number, peer=peer, local=local)
        connection.accepted = time.time()
        self.connections.add(connection)
        if self._admission is None or self._admission.admits(connection):
            self._arrive(connection)

    def serve(self, connection: Connection, head: Head) -> None:
        """The first head (and a short body) is here: hand the connection to where it belongs."""
        try:
            interpreter_id = self._choose(connection, head)
        except ConfigError as error:
            connection.host.log.log(levels.ALERT, str(error), client=connection.client)
            self.refuse(connection, unusable(error, head.line).about(head))
            return
        held_back = self.pool.held_back
        if held_back and (wait := self.pool.wait(interpreter_id)) > 0:
            unavailable = _unavailable(interpreter_id.name, held_back[interpreter_id][1], wait, head.line)
            self.refuse(connection, unavailable.about(head))
            return
        if connection.is_relayed:
            self._homes[connection.host] = interpreter_id
        self._hand_over(interpreter_id, connection)

    def _await_proxies(self) -> None:
        """Let connections of some servers begin with what a proxy says of them."""
        from mpserver.serving.proxied import Introduction, is_proxied  # (few have any)

        begin = self._begin
        told = begin if self._admission is None else starter(self._admission.admits_told, begin, lambda _refused: None)
        self._arrive = starter(is_proxied, lambda connection: Introduction(connection, told).arrive(), self._arrive)
        self._begin = starter(is_proxied, lambda connection: Introduction(connection, told).start(), begin)

    def _greet(self, connection: Connection) -> None:
        """A connection begins with TLS: look which host the client wants."""
        greeting.Greeting(connection, self._greeted).start()

    def _greet_new(self, connection: Connection) -> None:
        greeting.Greeting(connection, self._greeted).arrive()

    def _greeted(self, connection: Connection, hello: Hello) -> None:
        """It goes to the interpreter that will have its requests, by all that is known; TLS is spoken there."""
        host = connection.default
        if hello.server_name is not None:
            host = self.host_of(connection.local, hello.server_name)
        home = self._homes.get(host) or self._first_home(host)
        self._hand_over(self._able(home), connection)

    def _first_home(self, host: Host) -> InterpreterId:
        """The interpreter of a host's front page."""
        early = self.planner.early(host)
        try:
            plan = self.planner.locate(host, "/").plan if early is None else early
        except ConfigError:
            return MAIN_INTERPRETER  # the request will tell
        return plan.interpreter_id if early is not None or plan.needs_python else MAIN_INTERPRETER

    def _able(self, home: InterpreterId) -> InterpreterId:
        """An interpreter that can speak TLS: one with a Python or a user of its own gets no keys, others may fail.

        And where too many wait for one, their clients are told so.
        """
        if home.environment or (self.pool.held_back and self.pool.wait(home) > 0):
            return MAIN_INTERPRETER
        interp = self.pool.interpreters.get(home)
        if interp is not None and self.pool.is_full(interp):
            return MAIN_INTERPRETER
        return home

    def _talk(self, connection: Connection) -> None:
        """A connection for a connection handler: it need not say anything first."""
        interpreter_id = self.planner.plan(connection.default, connection.default.server.base, None).interpreter_id
        if self.pool.held_back and self.pool.wait(interpreter_id) > 0:
            connection.close()
            return
        self._hand_over(interpreter_id, connection)

    def _choose(self, connection: Connection, head: Head) -> InterpreterId:
        """The interpreter that a connection goes to with its first request.

        :raises ConfigError: a .htaccess file on its way is faulty.
        """
        planner, host = self.planner, connection.host
        early = planner.early(host)
        if early is not None:
            return early.interpreter_id
        located = planner.locate(host, head.path)
        if located.plan.branches:
            located = self.pipeline.choose(connection, head, host, located)
        plan = located.plan
        return plan.interpreter_id if plan.needs_python else MAIN_INTERPRETER

    def _hand_over(self, interpreter_id: InterpreterId, connection: Connection) -> None:
        connection.release()
        message = messages.Message(
            messages.Kind.CONNECTION, connection.sock.detach(), connection.buffer, connection.served,
            connection.number, connection.accepted, origin=connection.origin, luggage=connection.luggage,
            rope=connection.rope, place=connection.place,
        )  # fmt: skip
        connection.rope = -1
        busy = self.pool.busy(interpreter_id)
        stays = connection.passed or connection.luggage
        if busy is not None and not stays and self._siblings.pass_on(busy, message, self.loop.now):
            self.forget(message)  # (it counts where it is taken; if it is lost on its way, nowhere)
            return
        interp = self.pool.use(interpreter_id)
        if not stays and self._siblings.pass_while_it_starts(interp, message, self.loop.now):
            self.forget(message)
            return
        if self.pool.is_full(interp):
            full = f"{self.pool.queue} requests wait for interpreter '{interp.name}' (PythonInterpQueue)"
            self._answer(message, Unavailable(full, FULL_FOR, request_line(message)))
            return
        interp.hand_over(message)
        if not connection.served and not connection.passed:
            self._leases.went(interp)

    def take(self, message: messages.Message) -> None:
        """A connection from another worker, or one of ours that nobody took."""
        taken, passed = self._heirs.take(message)
        if message.kind == messages.Kind.UNSERVED:
            self._answer(taken, _unserved(message.number))
            return
        if message.place:
            taken = taken._replace(place=self.addresses.move(message.place, message.number, taken.number))
        self._take(taken, passed, bool(message.place and not taken.place))

    def returned(self, message: messages.Message) -> None:
        """A connection came back: its next request belongs elsewhere, or the interpreter is busy."""
        self._take(message, False)

    def _take(self, message: messages.Message, passed: bool, uncounted: bool = False) -> None:
        """Begin with a connection that others had.

        :param passed: it stays here for its next request.
        :param uncounted: it has lost its place, with the worker that accepted it.
        """
        if message.fd < 0:  # its descriptor was lost on the way: see `mpserver.ipc.messages.decode`
            self.forget(message)
            return
        if self._heirs.active and not passed and self._heirs.give(message):
            return
        if message.state:
            self._forwarding.go_on(message, passed)
            return
        connection = self._connection(
            self, socket.SocketType(fileno=message.fd), message.number, message.served, message.data
        )
        connection.accepted = message.accepted
        connection.passed = passed
        if message.origin:
            connection.come_from(message.origin)
        connection.luggage, connection.rope, connection.place = message.luggage, message.rope, message.place
        self.connections.add(connection)
        if uncounted and self._admission is not None:
            self._admission.count(connection)
        if message.served and not message.data:
            connection.wait()
        self._begin(connection)
        self._heirs.keep(connection)

    def go_on(self, message: messages.Message) -> None:
        """A request goes to another interpreter: it has begun elsewhere, or all of it belongs there."""
        self._forwarding.go_on(message)

    def forget(self, message: messages.Message) -> None:
        """A connection is closed already, or another worker's."""
        if message.place:
            self.addresses.leave(message.place, message.number)

    def closed(self, connection: Connection) -> None:
        """A connection has ended, or was handed on."""
        self.connections.discard(connection)
        if self.draining:
            self.loop.soon(self._end_if_empty)

    # ---- what interpreters could not do

    def unserved(
        self, interp: InterpreterHandle, waiting: list[messages.Message], why: str, again: float
    ) -> None:  # fmt: skip
        """An interpreter could not start: 503 for who waited where it is not to be tried for some time, or 500."""
        for message in waiting:
            line = request_line(message)
            self._answer(
                message,
                _unavailable(interp.name, why, again, line)
                if again
                else RequestError(500, f"interpreter '{interp.name}' is not there", line),
            )

    def lost(self, interp: InterpreterHandle, message: messages.Message) -> None:
        """A request was in a process when that crashed; no byte of its answer was sent."""
        self._answer(
            message, RequestError(500, f"interpreter '{interp.name}' crashed in this request", request_line(message))
        )

    def crowded(self, interp: InterpreterHandle, message: messages.Message) -> None:
        """A connection could not be handed over to or from an interpreter for want of descriptors; or soon can't."""
        if not message.served and message.fd < 0:
            self.accepting.run_short()
            return
        if message.fd < 0:
            self.forget(message)
        else:
            self._answer(message, Unavailable(CROWDED, math.ceil(descriptors.RETRY_AFTER), request_line(message)))
        if self._seldom("handing over"):
            self.log.log(levels.ERROR, f"a connection of interpreter '{interp.name}' could not be kept: {CROWDED}")
        self.relieve()

    def relieve(self) -> None:
        """Have idle connections closed, here and in the interpreters."""
        count = max(descriptors.limit().reserve // 2, 1)
        self.pool.shed(count)
        self.shed(count)

    def lease_over(self, number: int) -> None:
        """A lease of the listeners is over; connections were accepted up to this number."""
        self._leases.lease_over(number)

    def _answer(self, message: messages.Message, error: RequestError) -> None:
        """Refuse the request of a connection that is in nobody's hands."""
        connection = Connection(self, socket.SocketType(fileno=message.fd), message.number, message.served)
        connection.accepted, connection.rope, connection.place = message.accepted, message.rope, message.place
        if message.origin:
            connection.come_from(message.origin)
        self.connections.add(connection)
        if greeting.speaks_tls(connection):
            connection.close()  # (nobody speaks it yet)
            return
        if connection_handlers.is_for_handler(connection):
            connection.close()  # (its client may not speak HTTP)
            return
        connection.start()
        head = parse_head(message.data, connection.default.limits, None) if message.data else None
        if head is not None:
            connection.choose_host(head)
        self.refuse(connection, error.about(head))

    def gone(self, interp: InterpreterHandle) -> None:
        """An interpreter is gone."""
        self._leases.ended(interp)
        if self.draining or self.stopping:
            self.loop.soon(self._end_if_empty)

    def pass_told(self, number: int, told: bytes) -> None:
        """Send the master what was told of a request of ``mpserver --trace``."""
        message = messages.Message(messages.Kind.TRACED, number=number, state=told)
        try:
            messages.send(self._start.control, message, before=NEWS)
        except OSError:
            pass  # the master is gone, and so are we soon

    # ---- the end

    def leave(self) -> None:
        """Take nothing new and ask to be replaced (MaxConnectionsPerChild)."""
        try:
            self._start.control.send(LEAVING)
        except OSError:
            pass  # the master is gone, and so are we soon
        self.drain()

    def drain(self, last: bool = False) -> None:
        """Accept nothing new; let what is here end.

        ``last``: the whole server ends, and nobody else will serve who waits at the listeners.
        """
        if self.draining or self.stopping:
            return
        self.draining = self.pool.closing = True
        if last:
            self.accepting.take_waiting()
        self.on_drain()
        self.replacement.abandon()
        self._leases.recall()
        self.accepting.close()
        self._heirs.begin(0.0 if last or self._start.one_process else KEPT_FOR_HEIRS)
        limit = time.monotonic() + LAST_WAIT
        for connection in self.connections:
            if not (self._heirs.active and connection.state in (WAITING, READING)):
                connection.hurry(limit)
        self.loop.hasten(limit)
        self._drain_interpreters()
        self.loop.soon(self._end_if_empty)

    def _drain_interpreters(self) -> None:
        if not self.connections:
            self.pool.drain(self._heirs.active)

    def stop(self) -> None:
        """End at once: interpreters end after the request that they are in."""
        self.stopping = self.pool.closing = True
        self.replacement.abandon()
        self.accepting.close()
        for connection in list(self.connections):
            connection.close()
        self.pool.stop()
        self.loop.soon(self._end_if_empty)

    def _end_if_empty(self) -> None:
        if self.draining and not self.connections and not self.stopping:
            self._drain_interpreters()
        if self._is_empty() and not self.stopping:
            self.on_end()
        if self._is_empty():
            self.loop.stop()

    def _is_empty(self) -> bool:
        return not self.connections and not self.pool.all()


def _unserved(mark: int) -> RequestError:
    """The answer to a request whose worker hung: it may be asked again, if nobody has begun with it."""
    if mark == BEGUN:
        return RequestError(500, "the worker that served it did not answer any more, and was replaced")
    return Unavailable("the worker that had it did not answer any more, and was replaced", FULL_FOR)


def _unavailable(name: str, why: str, wait: float, line: str) -> Unavailable:
    return Unavailable(f"interpreter '{name}' is not started for now: {why}", math.ceil(wait), line)
