"""What runs inside an interpreter: its inbox, its connections, its requests.

The same code runs in a subinterpreter, in a process forked from a zygote, and in a thread of the
worker's main interpreter; `mpserver.interpreters.handle` starts it there.
"""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.boot import Boot


import marshal
import mmap
import os
import socket
import sys
import threading
import time
from collections import deque

from mpserver.api import error_log as levels
from mpserver.api.error_log import ErrorLog
from mpserver.api.loader import LoadedModule, Loader
from mpserver.api.request import Request
from mpserver.api.runtime import lend
from mpserver.application import imports, output, restrictions
from mpserver.application.changed_files import Mark, Modules, Watch
from mpserver.application.misfit import Misfit
from mpserver.application.services import Services
from mpserver.errors import ConfigError, Misplaced, Moves, RequestError, is_crowded
from mpserver.http1.head import Head
from mpserver.ipc import messages
from mpserver.ipc.scoreboard import IDLE, Scoreboard, ScoreboardEntry
from mpserver.phases.application_errors import describe, refusing
from mpserver.phases.error_response import log_error
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.timeouts import Timeouts
from mpserver.serving import connection_handlers, refusals
from mpserver.serving.connection import ENDING, READING, WAITING, Connection
from mpserver.serving.delayed_flush import DelayedFlush
from mpserver.serving.handing_over import HandingOver
from mpserver.serving.leased_listeners import LeasedListeners
from mpserver.serving.lifetime import Wear, spread
from mpserver.serving.offloader import Offloader
from mpserver.serving.refusals import Refusals, unusable
from mpserver.serving.tracked_connection import Closings, TrackedConnection
from mpserver.system import descriptors, subinterpreters
from mpserver.system.loop import Loop
from mpserver.typing import Any


class Interpreter(Refusals):
    """The engine of one interpreter; `Owner` of its connections.

    Its thread serves one request at a time, as the prefork MPM wants it; `mpserver.serving.threaded_parts` has
    that of the worker MPM.
    """

    #: What it is made of, and whether its thread serves the requests.
    loop_type: type[Loop] = Loop
    pipeline_type: type[Pipeline] = Pipeline
    connection_type: type[Connection] = Connection
    tracked_type: type[TrackedConnection] = TrackedConnection
    alone = True

    def __init__(self, boot: Boot, inbox: socket.socket, loader: Loader | None = None) -> None:
        self.boot = boot
        self.interpreter_id = boot.interpreter_id
        #: The place whose requests are served here: none any more, once the application can't stay.
        self.home = boot.interpreter_id
        self.draining = False
        self.loop = self.loop_type()
        self.inbox = inbox
        inbox.setblocking(False)
        configuration = boot.configuration
        self.loader = Loader() if loader is None else loader
        self.loader.log = self._log
        self.loader.may_move = boot.kind == "own" and boot.interpreter_id.kind == "auto"
        self.pipeline = self.pipeline_type(configuration, boot.logs, boot.generation, self.loader, boot.environments)
        self.planner = self.pipeline.planner
        self.planner.one_process = boot.one_process
        main = self.planner.host(configuration.main)
        self.log: ErrorLog = main.log
        named = output.server_of(configuration, boot.interpreter_id.name)
        self.output = output.Output(self.planner.host(named).log, boot.interpreter_id.name)
        board = Scoreboard.attach(boot.scoreboard)
        self._ceiling = descriptors.limit().ceiling
        #: The limit of descriptors that programs get.
        self._soft = board.descriptors
        self.scoreboard_entry = self._scoreboard_entry(board)
        #: When the running request began (seconds since the epoch), 0 between requests.
        self.began = 0.0
        #: Messages that the offloader took from the inbox and that are for us alone.
        self.mail: deque[messages.Message | None] = deque()
        self.offloader = Offloader(self, board) if self.alone and not boot.one_process else None
        self.delayed_flush: DelayedFlush | None = DelayedFlush(boot.interpreter_id.name) if self.alone else None
        self.timeouts = self.planner.timeouts = None if boot.one_process else self._timeouts()
        self.services = Services(boot, main, self.loader, self.scoreboard_entry, board)
        self.modules = Modules(configuration, self.loader)
        self._watch: Watch | None = None
        lives = boot.limits
        if lives.requests:
            self._ended = Wear(self._ended, spread(lives.requests), self._worn)  # type: ignore[method-assign]
        if lives.reload and (boot.kind != "main" or not boot.one_process):
            self.loader.in_place = False
            self._watch = Watch(self.modules, self._changed, self.loader.born)
        self.connections: set[Connection] = set()
        #: The listeners that it was lent.
        self.leased_listeners: LeasedListeners | None = None
        self.connection_states = mmap.mmap(boot.connection_states, 0) if boot.connection_states >= 0 else None
        self.closings = Closings(self.loop, self._closed)
        self.host_of = self.planner.host_of
        #: Begins with a connection that has arrived.
        self.start = connection_handlers.starter(boot.talks, self.connection_type.start, self.talk)
        self.talks = connection_handlers.Talks(self)

    def _scoreboard_entry(self, board: Scoreboard) -> ScoreboardEntry:
        """Its place on the scoreboard."""
        return board.entry(self.boot.slot, self.boot.scoreboard_index)

    def talk(self, connection: Connection) -> None:
        """Let a connection handler have a connection."""
        connection_handlers.go_on(connection, self.talks.run(connection))

    def _log(self, level: int, text: str) -> None:
        self.log.log(level, text, module="python")

    def _timeouts(self) -> Timeouts:
        """What ends requests past PythonRequestTimeout."""
        kind = self.boot.kind

        def frames() -> bool:
            # before, a look at frames walks through those of all interpreters, while they run
            if sys.version_info >= (3, 14, 8) or kind == "process":
                return True
            return kind == "main" and not subinterpreters.alive()

        return Timeouts(self.interpreter_id.name, frames, self._stuck)

    def _stuck(self) -> None:
        """A request does not end: a process ends with it, another kind serves nobody any more. (In a thread beside.)"""
        if self.boot.kind == "process":
            import signal

            self.output.flush_all()
            os.kill(os.getpid(), signal.SIGKILL)
        self.tell(messages.STUCK)

    def abandon(self) -> None:
        """The worker is gone, and a request does not end: end this process with it."""
        self._log(levels.ERROR, f"interpreter '{self.interpreter_id.name}' ends in a request: its worker is gone")
        self._stuck()

    # ---- its life

    def run(self) -> None:
        """Import what PythonImport names, then serve until the worker says otherwise."""
        lend(self.services)
        error = Misfit(self).refusal if self.loader.may_move else RuntimeError
        restrictions.install(self.boot.kind, self.output, self.boot.one_process, error, self._soft)
        self.scoreboard_entry.sign(self.interpreter_id.key, self.boot.kind, self.interpreter_id.name)
        inherited, first = self._order()
        if not self._import(inherited):
            self._clean_up()
            return
        for loaded in self.loader.loaded_modules:
            self._loaded(loaded)
        self.loader.told = self._loaded
        self._start_helpers()
        self.tell(messages.READY)
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
        if self.leased_listeners is not None:
            self.leased_listeners.close()
        for connection in list(self.connections):
            connection.close()
        self._clean_up()
        self.scoreboard_entry.gone()
        self.loop.close()

    def _helpers(self) -> list[Offloader | DelayedFlush | Watch]:
        """What has a thread beside."""
        return [helper for helper in (self.offloader, self.delayed_flush, self._watch) if helper is not None]

    def _start_helpers(self) -> None:
        """Before anybody is served: without one of them nobody is.

        :raises RuntimeError: the system has no room for a thread.
        """
        begun = []
        try:
            for helper in self._helpers():
                helper.start()
                begun.append(helper)
        except BaseException:
            for helper in begun:
                helper.stop()
            raise

    def _end_requests(self) -> None:
        """Wait for those that other threads are in: here there are none."""

    def _import(self, inherited: list[LoadedModule] | None) -> bool:
        """PythonImport, where a failure is logged and the others go on; and what a predecessor had loaded.

        :returns: False for a successor that could not load all of it: its predecessor stays.
        """
        found = imports.imports(self.boot.configuration, self.interpreter_id, self.boot.environments, self.loader)
        for name, error in (*found, *imports.inherited(inherited or (), self.loader)):
            refused = refusing(error) if self.loader.may_move else None
            if refused is not None:
                self.tell(messages.REFUSED, state=refused)
                return inherited is None
            failed = "directive_PythonImport: error importing {}" if inherited is None else "{} can't be loaded:"
            self._log(levels.ERROR, failed.format(name))
            lines = describe(error)
            for line in lines:
                self._log(levels.ERROR, line.rstrip())
            if inherited is not None:
                self.tell(messages.FAILED, f"{name} can't be loaded: {lines[-1].strip()}")
                return False
        return True

    def _clean_up(self) -> None:
        """The application's own end: server cleanups, then atexit functions (a process runs these when it exits)."""
        self.services.run_cleanups(self._log)
        if self.boot.kind != "process":
            import atexit

            atexit._run_exitfuncs()
        self.output.flush_all()

    def _order(self) -> tuple[list[LoadedModule] | None, messages.Message | None]:
        """What a successor has to load, which is in its inbox from the start; or another first message."""
        try:
            message = messages.receive(self.inbox)
        except BlockingIOError:
            return None, None
        if message is not None and message.kind == messages.PREPARE:
            return marshal.loads(message.state), None
        return None, message or messages.Message(messages.STOP)

    def tell(self, kind: int, state: str = "", number: int = 0) -> None:
        """Send the router a message; for any thread."""
        self.send(messages.Message(kind, number=number, state=state.encode("utf-8", "replace")))

    def send(self, message: messages.Message) -> None:
        """Send the router a message; for any thread."""
        try:
            messages.send(self.inbox, message)
        except OSError:
            self.loop.stop()  # the worker is gone

    def _loaded(self, loaded: LoadedModule) -> None:
        """A handler's module was loaded: the router knows it, for a successor."""
        self.send(messages.Message(messages.LOADED, state=marshal.dumps(loaded)))

    def _worn(self, requests: int) -> None:
        self.tell(messages.WORN, f"has served {requests} requests (PythonInterpMaxRequests)")

    def _changed(self, changes: dict[str, Mark]) -> None:
        """Files of loaded modules changed. (In a thread beside.)"""
        self.send(messages.Message(messages.CHANGED, state=marshal.dumps(changes)))

    def _facts(self) -> tuple[list[int], list[str]]:
        """What only the interpreter knows: its threads, by the kernel's numbers, and the application's modules."""
        return [thread.native_id or 0 for thread in threading.enumerate()], self.modules.names()

    def _on_inbox(self, _event: int) -> None:
        try:
            message = messages.receive(self.inbox)
        except BlockingIOError:
            return
        self._on_message(message)

    def _on_message(self, message: messages.Message | None) -> None:
        if message is None or message.kind == messages.STOP:
            self.loop.stop()
        elif message.kind == messages.CONNECTION:
            self._adopt(message)
            if message.fd >= self._ceiling:
                refusals.reach_ceiling(self)
        elif message.kind == messages.LEASE:
            if self.leased_listeners is None:
                self.leased_listeners = LeasedListeners(self, message.number, message.number + message.served)
            self.leased_listeners.add(message.fd)
        elif message.kind == messages.RECALL:
            self._repay()
        elif message.kind == messages.SHED:
            self.shed(message.served)
        elif message.kind == messages.CROWDED:
            refusals.give_up(self, message)
        elif message.kind == messages.DRAIN:
            self.drain(bool(message.number))
        elif message.kind == messages.RETIRE:
            self.retire()
        elif message.kind == messages.ASK:
            self.send(messages.Message(messages.TOLD, number=message.number, state=marshal.dumps(self._facts())))

    def _adopt(self, message: messages.Message) -> None:
        connection = self._connection(message)
        connection.accepted = message.accepted
        connection.carried = message.state
        self.connections.add(connection)
        self.start(connection)

    def _connection(self, message: messages.Message) -> Connection:
        sock = socket.SocketType(fileno=message.fd)
        connection_states = self.connection_states
        if connection_states is None:
            return self.connection_type(self, sock, message.number, message.served, message.data)
        return self.tracked_type(
            self, sock, message.number, message.served, message.data, connection_states, message.entry, self.closings
        )  # fmt: skip

    def _closed(self, numbers: bytes) -> None:
        self.send(messages.Message(messages.CLOSED, state=numbers))

    def _repay(self) -> None:
        if self.leased_listeners is not None:
            self.leased_listeners.give_back()

    def drain(self, heirs: bool = False) -> None:
        """Serve what there is, keep no connection, and end; those that wait have maybe somewhere else to go."""
        self._repay()
        again, self.draining = self.draining, True
        if heirs and not again:
            HandingOver(self, serves=True).begin()
        self._hurry()
        if heirs:
            return
        self.loop.soon(self.end_if_empty)

    def _hurry(self) -> None:
        """Let no connection wait long for its client."""
        limit = time.monotonic() + ENDING
        for connection in self.connections:
            connection.hurry(limit)
        self.loop.hasten(limit)

    def retire(self) -> None:
        """Give the connections to another interpreter that has the place now, and end."""
        self._repay()
        self.draining = True
        self._hurry()
        HandingOver(self).begin()

    def may_leave(self, connection: Connection) -> bool:
        """Whether nothing of a connection's request is with us."""
        return connection.state in (WAITING, READING)

    def end_if_empty(self) -> None:
        if self.draining and not self.connections:
            self._give_back_unread()
            self.loop.stop()

    def _give_back_unread(self) -> None:
        """We end: let the router send nothing more, and give back the connections that it has sent."""
        try:
            self.inbox.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the worker is gone
        while (message := messages.receive(self.inbox)) is not None:
            if message.kind == messages.CONNECTION:
                self.send(message._replace(state=self.onward(message.state)))
                message.close()

    def onward(self, carried: bytes) -> bytes:
        """The state of a connection that goes back unserved: what came along with it stays with its request."""
        return marshal.dumps((tuple(self.interpreter_id), carried)) if carried else b""

    # ---- its requests

    def serve(self, connection: Connection, head: Head) -> None:
        """One request, from its head to its log line; or give the connection back to the router."""
        now = time.time()
        planner, host = self.planner, connection.host
        try:
            if host.has_early:
                self._serve_early(connection, head, planner.early(host), now)
                return
            located = planner.locate(host, head.path)
        except ConfigError as error:
            self._misconfigured(connection, head, error)
            return
        plan = located.plan
        if plan.interpreter_id != self.home and plan.needs_python:
            self.give_back(connection)
            return
        buffer = connection.buffer
        req = self._begin(connection, head, plan.limit_body, now)
        if req is None:
            return
        try:
            self.pipeline.serve(req, located)
        except Misplaced:
            self._move(connection, req, buffer, b"")
            return
        self._ended(req)
        connection.done()

    def _begin(self, connection: Connection, head: Head, limit: int, now: float) -> Request | None:
        """The request for a head, which is ours now; None if its body made it impossible, which was answered."""
        self.scoreboard_entry.working(now, head.raw)
        self.began = now
        try:
            body = connection.take_request(head, limit)
        except RequestError as error:
            self.refuse(connection, error)
            self._ended()
            return None
        req = Request(connection, head, connection.host, self.pipeline.clock, now)
        if body is not None:
            req.mp_input = body
        return req

    def _move(self, connection: Connection, req: Request, buffer: bytes, carried: bytes) -> None:
        """The application becomes a process: the request that met the reason is served by that one."""
        if self._rewind(connection, req, buffer):
            self.give_back(connection, messages.CONNECTION, self.onward(carried))

    def _send_on(self, connection: Connection, req: Request, buffer: bytes, move: Moves) -> None:
        """The request goes on in another interpreter (manual 5.4.4)."""
        if self._rewind(connection, req, buffer):
            self.give_back(connection, messages.MOVED, marshal.dumps((tuple(move.interpreter_id), move.state)))

    def _rewind(self, connection: Connection, req: Request, buffer: bytes) -> bool:
        """Make a connection what it was before its request, so that another interpreter can serve that.

        :returns: False where it is too late for that: the request was answered with an error.
        """
        self._ended()
        body = req.mp_input
        if req.mp_started or (body is not None and body.received):
            # the client has a part of the answer, or we have a part of a long body
            log_error(req, "the request can't go on in another interpreter: its answer or its body has begun")
            req.mp_cut = True
            self.pipeline.end(req, 500)
            self.pipeline.close(req)
            connection.done()
            return False
        self.pipeline.leave(req)
        req.mp_drop_parts()
        connection.buffer = buffer
        connection.served -= 1
        connection.input = None
        return True

    def _ended(self, req: Request | None = None) -> None:
        """The request is over: other connections are ours again. It is None where it was not served."""
        self.began = 0.0
        if self.delayed_flush is not None and self.delayed_flush.held is not None:
            self.delayed_flush.held.release_held()
        if self.output.partial:
            self.output.flush()
        offloader = self.offloader
        if offloader is not None and (offloader.taking or self.mail):
            with offloader.gate:
                if self.mail:
                    self.loop.soon(self._read_mail)  # (the connection of this request has an end to come to first)
        now = time.time()
        if req is None:
            self.scoreboard_entry.done(now, now)
            return
        if req.mp_status >= 500:
            self.scoreboard_entry.fail(
                now, f"{req.mp_status}: {req.mp_head.line}" if req.mp_failure is None else req.mp_failure
            )
            if req.mp_refused is not None:
                self.loader.refused(req.mp_refused)
        self.scoreboard_entry.done(now, req.mp_request_time, req.mp_sent)

    def _read_mail(self) -> None:
        while self.mail:
            self._on_message(self.mail.popleft())

    def _serve_early(self, connection: Connection, head: Head, early: Any, now: float) -> None:
        """A server with handlers for the phases before the resource is known."""
        pipeline = self.pipeline
        carried, connection.carried = connection.carried, b""
        if early.interpreter_id != self.home and not carried:
            self.give_back(connection)
            return
        buffer = connection.buffer
        req = self._begin(connection, head, early.limit_body, now)
        if req is None:
            return
        try:
            if carried:
                pipeline.serve_moved(req, carried, self.home)
            else:
                pipeline.serve_early(req, early, self.home)
        except Misplaced:
            self._move(connection, req, buffer, carried)
            return
        except Moves as move:
            self._send_on(connection, req, buffer, move)
            return
        self._ended(req)
        connection.done()

    def broken(self, connection: Connection, error: Exception) -> None:
        """The server itself failed on a connection; see `Refusals.broken`."""
        super().broken(connection, error)
        self._ended()

    def _misconfigured(self, connection: Connection, head: Head, error: ConfigError) -> None:
        """A faulty .htaccess file fails the requests below it, with its place in the log."""
        connection.host.log.log(levels.ALERT, str(error), client=connection.client)
        self.refuse(connection, unusable(error, head.line))

    def give_back(self, connection: Connection, kind: int = messages.CONNECTION, state: bytes = b"") -> None:
        """The request belongs to another interpreter: the router takes the connection from here."""
        handed = messages.Message(
            kind,
            connection.fd,
            connection.buffer,
            connection.served,
            connection.number,
            connection.accepted,
            state,
        )
        try:
            messages.send(self.inbox, handed)
        except OSError as error:
            if is_crowded(error):
                self.crowd_out(connection)
                return
            self.loop.stop()  # the worker is gone
        connection.release()
        connection.sock.close()

    def closed(self, connection: Connection) -> None:
        """A connection has ended, or went elsewhere."""
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self.loop.soon(self.end_if_empty)
