"""The life of one interpreter, from the inside: its start, the messages of its router, its end.

The same code runs in a subinterpreter, in a process forked from a zygote, and in a thread of the
worker's main interpreter; `mpserver.interpreters.handle` starts it there. How it serves requests is in
`mpserver.serving.requests`.
"""

from __future__ import annotations

import _socket
import marshal
import os
import threading
import time
from collections.abc import Callable, Mapping

from mpserver.api import error_log as levels
from mpserver.api.error_log import ErrorLog
from mpserver.api.loader import LoadedModule, Loader
from mpserver.api.runtime import lend
from mpserver.application import beginning, restrictions
from mpserver.application.misfit import Misfit
from mpserver.application.output import PrintedOutput, server_of
from mpserver.application.preloaded import Preloaded
from mpserver.application.services import InterpreterServices
from mpserver.builtin import deque, partial
from mpserver.errors import is_crowded
from mpserver.ipc import messages, plain_data
from mpserver.ipc.mapping import mapped
from mpserver.ipc.scoreboard import IDLE, Scoreboard
from mpserver.ipc.scoreboard_entry import ScoreboardEntry
from mpserver.modules import core, python
from mpserver.modules.python.environment import has_account
from mpserver.phases import facts
from mpserver.phases.pipeline import Pipeline
from mpserver.serving import refusals
from mpserver.serving.connection import Connection, Starter, starter
from mpserver.serving.delayed_flush import DelayedFlush
from mpserver.serving.handing_over import GivingBack, HandingOver
from mpserver.serving.log_writers import LogWriters
from mpserver.serving.offloader import Offloader
from mpserver.serving.requests import Requests
from mpserver.serving.states import LAST_WAIT, READING, WAITING
from mpserver.serving.tracked_connection import Closings, TrackedConnection, findable
from mpserver.system import descriptors
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.application.changed_files import Mark, Modules, Watch
    from mpserver.ipc.queues import Taken
    from mpserver.phases.plan import Plan
    from mpserver.phases.timeouts import Timeouts
    from mpserver.serving.boot import Boot
    from mpserver.serving.connection_handlers import ConnectionHandlers
    from mpserver.serving.interpreter_owner import Waiting
    from mpserver.serving.leased_listeners import LeasedListeners
    from mpserver.serving.owner import Owner
    from mpserver.serving.relays import Relays


class Interpreter(Requests):
    """The engine of one interpreter; `mpserver.serving.owner.Owner` of its connections.

    Its thread serves one request at a time, as prefork has it; `mpserver.interpreters.threaded` has worker's.
    """

    #: What it is made of, and whether its own thread serves the requests.
    loop_type: type[Loop] = Loop
    pipeline_type: type[Pipeline] = Pipeline
    connection_type: type[Connection] = Connection
    tracked_type: type[TrackedConnection] = TrackedConnection
    alone = True

    output: PrintedOutput

    def __init__(self, boot: Boot, inbox: _socket.socket, preloaded: Preloaded | None = None) -> None:
        self.boot = boot
        self.interpreter_id = self.home = boot.interpreter_id
        self.is_foreign = has_account(boot.interpreter_id.environment)
        self.draining = False
        self.loop = self.loop_type()
        self.inbox = inbox
        inbox.setblocking(False)
        configuration = boot.configuration
        self.loader = Loader() if preloaded is None else preloaded.loader
        self.loader.log = self._log
        self.loader.may_move = boot.kind == "own" and boot.interpreter_id.kind == "auto"
        self.pipeline = self.pipeline_type(
            configuration, boot.logs, boot.generation, self.loader, facts.environments(configuration), LogWriters(self)
        )
        self.planner = self.pipeline.planner
        self.planner.one_process, self.planner.home = boot.one_process, boot.interpreter_id
        self.planner.tell_of_request, self.planner.kind = self.pass_told, boot.kind
        main = self.planner.host(configuration.main)
        self.log: ErrorLog = main.log
        if preloaded is None:
            named = server_of(configuration, boot.interpreter_id.name)
            self.output = PrintedOutput(self.planner.host(named).log, boot.interpreter_id.name)
        else:
            self.output = preloaded.output
        self.board = board = Scoreboard.attach(boot.scoreboard)
        self._ceiling = descriptors.limit().ceiling
        #: The limit of descriptors that programs get.
        self._soft = board.descriptors
        self.scoreboard_entry = self._scoreboard_entry(board)
        self.began = 0.0
        self.mail = deque()
        self._names = {}
        #: Counts the connections that it takes, where it serves one request at a time and these may not be any number.
        self.taken: Taken | None = None
        if self.alone and configuration.main.conf[python.INTERP_QUEUE]:
            from mpserver.ipc.queues import Taken  # (few servers limit what waits)

            self.taken = Taken(board, boot.slot, boot.scoreboard_index)
        self.offloader = Offloader(self, board, not boot.one_process) if self.alone else None
        self.delayed_flush = None if self.offloader is None else DelayedFlush(self.offloader)
        #: What ends requests that take too long; None as long as none may.
        self.timeouts: Timeouts | None = None
        if not boot.one_process:
            self.planner.limit_time = self._limit_time
        self.services = InterpreterServices(boot, main, self.loader, self.scoreboard_entry, board)
        self._modules: Modules | None = None
        self._watch: Watch | None = None
        if boot.lifetime.reload and (boot.kind != "main" or not boot.one_process):
            self.loader.in_place = False
            from mpserver.application.changed_files import Watch  # (only where it is asked for)

            self._watch = Watch(self.modules, self._changed, self.loader.born)
        self.connections: set[Connection] = set()
        #: Requests that have gone on elsewhere, and left something here.
        self.retained: set[Waiting] = set()
        #: Who gets the connections that arrive: the interpreter, until it hands over its place.
        self.owner_of_arrivals: Owner = self
        self._leased_listeners: LeasedListeners | None = None
        self.connection_states = mapped(boot.connection_states) if boot.connection_states >= 0 else None
        self.closings = Closings(self.loop, self._closed)
        self.host_of = self.planner.host_of
        self.connection_type = findable(self.connection_type, boot.marks)
        self._start_connection: Starter = self.connection_type.start
        #: Begins with a connection that was accepted here.
        self.arrive: Starter = self.connection_type.arrive
        #: Carries connections whose TLS is spoken here; None where no server speaks any.
        self.relays: Relays | None = None
        #: None where no server has any.
        self.connection_handlers: ConnectionHandlers | None = None
        if facts.takes_connections(configuration):
            from mpserver.serving.connection_handlers import ConnectionHandlers, is_for_handler  # (few have some)

            self._start_connection = starter(is_for_handler, self.run_connection_handler, self._start_connection)
            self.connection_handlers = ConnectionHandlers(self)
        if facts.has_tls(configuration):
            from mpserver.serving import tls  # (as above)

            begun = tls.begin(boot.interpreter_id.name, configuration, self.arrive, self._start_connection)
            self.relays, self.arrive, self._start_connection = begun

    def _scoreboard_entry(self, board: Scoreboard) -> ScoreboardEntry:
        """Its place on the scoreboard."""
        return board.entry(self.boot.slot, self.boot.scoreboard_index)

    def run_connection_handler(self, connection: Connection) -> None:
        """Let a connection handler have a connection that has arrived."""
        assert self.connection_handlers is not None
        self.connection_handlers.go_on(connection, self.connection_handlers.run(connection))

    @property
    def modules(self) -> Modules:
        """The application's modules, for those who look at their files."""
        if self._modules is None:
            from mpserver.application.changed_files import Modules  # (only where somebody asks)

            self._modules = Modules(self.boot.configuration, self.loader)
        return self._modules

    def _log(self, level: int, text: str) -> None:
        self.log.log(level, text, module="python")

    def _limit_time(self, plan: Plan) -> None:
        """Have the requests of a plan end in time (PythonRequestTimeout)."""
        if self.timeouts is None:
            from mpserver.phases.timeouts import Timeouts  # (few interpreters have a limit)

            counted, abandon = self.scoreboard_entry.writer.timed_out, self.pipeline.abandon
            freed = partial(self.tell, messages.Kind.STUCK, number=1)
            self.timeouts = Timeouts(self.interpreter_id.name, self.boot.kind, self._stuck, counted, abandon, freed)
        self.timeouts.limit(plan)

    def _stuck(self) -> None:
        """Give up on a request that does not end, in another thread: a process ends with it, others serve no more."""
        if self.boot.kind == "process":
            import signal

            self.output.flush_all()
            os.kill(os.getpid(), signal.SIGKILL)
        self.tell(messages.Kind.STUCK)

    def abandon(self) -> None:
        """The worker is gone, and a request does not end: end this process with it."""
        self._log(levels.ERROR, f"interpreter '{self.interpreter_id.name}' ends in a request: its worker is gone")
        self._stuck()

    # ---- its life

    def run(self) -> None:
        """Import what PythonImport names, then serve until the worker says otherwise."""
        self.thread = threading.get_ident()
        lend(self.services)
        size = self.boot.configuration.main.conf[core.THREAD_STACK_SIZE]
        if size:
            threading.stack_size(size)  # (for the threads that this interpreter starts)
        error = Misfit(self).refusal if self.loader.may_move else RuntimeError
        restrictions.install(self.boot.kind, self.output, self.boot.one_process, error, self._soft)
        if self.boot.kind != "process":  # (there the zygote has them, before anything was loaded)
            beginning.surround(self.boot.configuration, self.interpreter_id.name)
        self.scoreboard_entry.sign(self.interpreter_id.key, self.boot.kind, self.interpreter_id.name)
        inherited, first = self._order()
        if not beginning.load(self, inherited, self._log):
            self._clean_up()
            return
        self.output.flush_all()
        for loaded in self.loader.loaded_modules:
            self._loaded(loaded)
        self.loader.told = self._loaded
        beginning.start(self._helpers())
        self.tell(messages.Kind.READY, number=os.getpid())
        self.loop.add(self.inbox.fileno(), self._on_inbox)
        self.scoreboard_entry.state(IDLE)
        if first is not None:
            self._on_message(first)
        self.loop.run()
        self._end_requests()
        if self.timeouts is not None:
            self.timeouts.close()
        for helper in self._helpers():
            helper.stop()
        if self._leased_listeners is not None:
            self._leased_listeners.close()
        for part in (self.relays, self._courier):
            if part is not None:
                part.stop()
        for connection in list(self.connections):
            connection.close()
        for retained in list(self.retained):
            retained.abandon()
        self._end_requests()
        if self.lines is not None:
            self.lines.flush()
        self._clean_up()
        self.scoreboard_entry.gone()
        self.loop.close()

    def _helpers(self) -> list[Offloader | Watch]:
        """The parts that have a thread of their own."""
        return [helper for helper in (self.offloader, self._watch) if helper is not None]

    def _end_requests(self) -> None:
        """Wait for the requests that other threads serve: here there are none."""

    def _clean_up(self) -> None:
        """End the application: run server cleanups, then atexit functions (a process runs these when it exits)."""
        self.services.run_cleanups(self._log)
        if self.boot.kind != "process":
            import atexit

            atexit._run_exitfuncs()  # noqa: SLF001  (only so do an interpreter's own run)
        self.output.flush_all()

    def _order(self) -> tuple[list[LoadedModule] | None, messages.Message | None]:
        """Read what a successor has to load, which is in its inbox from the start; or another first message."""
        try:
            message = messages.receive(self.inbox)
        except BlockingIOError:
            return None, None
        if message is not None and message.kind == messages.Kind.PREPARE:
            return marshal.loads(message.state), None  # noqa: S302 - the worker decides what its interpreters load
        return None, message or messages.Message(messages.Kind.STOP)

    def tell(self, kind: messages.Kind, state: str = "", number: int = 0) -> None:
        """Send the router a message; for any thread."""
        self.send(messages.Message(kind, number=number, state=state.encode("utf-8", "replace")))

    def send(self, message: messages.Message) -> None:
        """Send the router a message; for any thread. It is sent later where no descriptor is left for its way.

        :raises OSError: the same of one that has a descriptor itself, which stays the caller's.
        """
        try:
            messages.send(self.inbox, message)
        except OSError as error:
            if not is_crowded(error):
                self.loop.stop()  # the worker is gone
            elif message.fd >= 0:
                raise
            else:
                self._send_later(message)

    def _loaded(self, loaded: LoadedModule) -> None:
        """Tell the router of a handler's module that was loaded, which a successor then loads as well."""
        self.send(messages.Message(messages.Kind.LOADED, state=plain_data.pack(loaded)))

    def _changed(self, changes: dict[str, Mark]) -> None:
        """Tell the router of loaded modules whose files changed; in the thread of the watch."""
        self.send(messages.Message(messages.Kind.CHANGED, state=plain_data.pack(changes)))

    def _on_inbox(self, _event: int) -> None:
        try:
            message = messages.receive(self.inbox)
        except BlockingIOError:
            return
        self._on_message(message)

    def _on_message(self, message: messages.Message | None) -> None:
        if message is None:
            refusals.end_orphaned(self)
        else:
            self._answers[message.kind](self, message)

    def _adopt(self, message: messages.Message) -> None:
        if self.taken is not None:
            self.taken.one_more()
        if self.is_foreign and (message.state or message.luggage):
            from mpserver.serving import foreign  # (few applications have an account of their own)

            message = foreign.arriving(message, self)
        if message.served & messages.ANSWERED:
            self.moves.take(message)
            return
        connection = self._connection(message)
        connection.accepted = message.accepted
        connection.transferred = message.state
        if message.origin:
            connection.come_from(message.origin)
        connection.luggage, connection.rope, connection.place = message.luggage, message.rope, message.place
        self.connections.add(connection)
        self.scoreboard_entry.writer.connected(len(self.connections))
        self._start_connection(connection)
        if message.fd >= self._ceiling:
            refusals.reach_ceiling(self)

    def _connection(self, message: messages.Message) -> Connection:
        sock = _socket.socket(fileno=message.fd)
        connection_states = self.connection_states
        if connection_states is None:
            return self.connection_type(self.owner_of_arrivals, sock, message.number, message.served, message.data)
        return self.tracked_type(
            self.owner_of_arrivals, sock, message.number, message.served, message.data,
            connection_states, message.entry, self.closings,
        )  # fmt: skip

    def _closed(self, numbers: bytes) -> None:
        self.send(messages.Message(messages.Kind.CLOSED, state=numbers))

    def _lease(self, message: messages.Message) -> None:
        if self._leased_listeners is None:
            from mpserver.serving.leased_listeners import LeasedListeners  # (few get a lease of the listeners)

            self._leased_listeners = LeasedListeners(self, message.number, message.number + message.served)
        self._leased_listeners.add(message.fd)

    def has_leases(self) -> bool:
        """Whether it accepts from leased listeners."""
        return self._leased_listeners is not None

    def end_leases(self) -> None:
        """Give leased listeners back, if there are any."""
        if self._leased_listeners is not None:
            self._leased_listeners.end()

    def leases_ended(self, number: int) -> None:
        """The leased listeners are closed; the last connection that they brought had this number."""
        self._leased_listeners = None
        self.tell(messages.Kind.LEASE_OVER, number=number)

    def _answer(self, message: messages.Message) -> None:
        """Tell what only the interpreter knows."""
        from mpserver.serving import answers  # (few are asked)

        if message.state.startswith(answers.REOPEN):
            known: object = answers.reopen(message.state, message.fd)
        else:
            known = answers.stacks(self.boot.kind) if message.state else answers.facts(self.modules.names())
        self.tell_facts(message.number, known)

    def tell_facts(self, number: int, known: object) -> None:
        """Answer a question of the router; for any thread."""
        self.send(messages.Message(messages.Kind.TOLD, number=number, state=plain_data.pack(known)))

    def drain(self, heirs: bool = False) -> None:
        """Serve what there is, keep no connection, and end.

        :param heirs: whether other workers may take the connections that wait for their clients.
        """
        self.end_leases()
        again, self.draining = self.draining, True
        if heirs and not again:
            GivingBack(self).begin()
        self._hurry()
        if heirs:
            return
        self.loop.soon(self.end_if_empty)

    def _hurry(self) -> None:
        """Let no connection wait long for its client."""
        limit = time.monotonic() + LAST_WAIT
        for connection in self.connections:
            connection.hurry(limit)
        self.loop.hasten(limit)
        if self.relays is not None:
            self.relays.hurry()

    def hand_over(self) -> None:
        """Give the connections to another interpreter that has the place now, and end."""
        self.end_leases()
        self.draining = True
        self._hurry()
        HandingOver(self).begin()

    def may_leave(self, connection: Connection) -> bool:
        """Whether nothing of a connection's request is with us."""
        return connection.state in (WAITING, READING) and connection.channel is None

    def end_if_empty(self) -> None:
        """End, where that is wanted and no connection is left."""
        if self.draining and not (self.connections or self.retained):
            if self.relays is not None and self.relays.count:
                self.relays.await_end(self)
                return
            self.give_back_unread()
            self.loop.stop()

    def closed(self, connection: Connection) -> None:
        """A connection has ended, or another owner has it now."""
        self.connections.discard(connection)
        self.scoreboard_entry.writer.connected(len(self.connections))
        if self.draining and not self.connections:
            self.loop.soon(self.end_if_empty)

    #: What the messages of the router ask for, by their kinds.
    _answers: Mapping[messages.Kind, Callable[[Interpreter, messages.Message], None]] = {
        messages.Kind.STOP: lambda self, _message: self.loop.stop(),
        messages.Kind.CONNECTION: _adopt,
        messages.Kind.LEASE: _lease,
        messages.Kind.RECALL: lambda self, _message: self.end_leases(),
        messages.Kind.SHED: lambda self, message: self.shed(message.served),
        messages.Kind.CROWDED: refusals.give_up,
        messages.Kind.DRAIN: lambda self, message: self.drain(bool(message.number)),
        messages.Kind.RETIRE: lambda self, _message: self.hand_over(),
        messages.Kind.ASK: _answer,
    }
