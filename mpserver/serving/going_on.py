"""Requests that need several interpreters: how they leave this one, and how those of others are served here.

A request goes on elsewhere between two of its phases, or with what it was redirected to, for handlers belong to the
interpreters of their directives (manual 4.1). Its connection goes along, and what it leaves here waits for its end
(`mpserver.serving.retained`). Handlers that come after the answer get the request without its connection, which is
free for the next one meanwhile.
"""

from __future__ import annotations

import _socket
import errno
import os
import time

from mpserver.api.input import Input
from mpserver.api.request import Request
from mpserver.errors import Awaits, ClientGone, Misplaced, Moves, is_crowded
from mpserver.http1.head import Head, parse_head
from mpserver.ipc import messages, plain_data
from mpserver.modules.python.environment import has_account
from mpserver.phases import transfer
from mpserver.phases.error_response import log_error
from mpserver.phases.stages import Stage
from mpserver.serving.connection import Connection
from mpserver.serving.retained import Retained, tell
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.interpreter_owner import InterpreterOwner

#: The stages after the answer.
AFTER = frozenset({Stage.LOG, Stage.CLEANUP})
#: The last bits of a connection's number.
_NUMBER = (1 << 48) - 1


class GoingOn:
    """This part of an interpreter."""

    __slots__ = ("_interpreter",)

    def __init__(self, interpreter: InterpreterOwner) -> None:
        self._interpreter = interpreter

    # ---- from others

    def serve(self, connection: Connection, head: Head, now: float) -> None:
        """Serve a request that comes from another interpreter, or let it go on elsewhere."""
        interpreter = self._interpreter
        transferred, connection.transferred = connection.transferred, b""
        if interpreter.home != interpreter.interpreter_id:
            interpreter.give_back(connection, messages.Kind.CONNECTION, interpreter.onward(transferred))
            return
        buffer = connection.buffer
        moved = transfer.unpack(transferred)
        req = self._begin(connection, head, moved, now)
        try:
            interpreter.pipeline.serve_moved(req, moved)
        except Misplaced:
            interpreter.move(connection, req, buffer, transferred)
            return
        except Moves as move:
            self.send_on(connection, req, buffer, move)
            return
        except Awaits as awaits:
            task = awaits.task
        else:
            self.tell(connection, req)
            interpreter.ended(req)
            connection.done()
            return
        interpreter.wait_for_content(connection, req, buffer, task, True)

    def _begin(self, connection: Connection, head: Head, moved: transfer.Moved, now: float) -> Request:
        interpreter = self._interpreter
        interpreter.scoreboard_entry.working(now, head.raw)
        interpreter.began = now
        interpreter.watch_lines()
        connection.take_head(head)  # (what came of its body came along otherwise)
        if moved.body is not None:
            connection.slow = None
            connection.input = Input.unpack(connection, moved.body)
        return Request(connection, head, connection.host, interpreter.pipeline.clock, now)

    def tell(self, connection: Connection, req: Request) -> None:
        """The request is over: tell the interpreter before this one, where that waits for it."""
        rope, connection.rope = connection.rope, -1
        if rope >= 0:
            tell(rope, transfer.answered(req))

    # ---- to others

    def send_on(self, connection: Connection, req: Request, buffer: bytes, move: Moves) -> None:
        """The request goes on in another interpreter.

        :param buffer: what was read of the connection before the request was taken.
        """
        interpreter = self._interpreter
        if move.stage in AFTER:
            self._send_after(connection, req, buffer, move)
            return
        try:
            connection.await_sent()  # (within the request: others are given to siblings meanwhile)
        except ClientGone:
            pass  # (it is raised again below)
        interpreter.ended()
        connection.leave_stream()  # (what an application that read the connection itself left goes along)
        last = req.mp_last
        self._judge(req, last.mp_status >= 500)
        try:
            state = transfer.pack(last, move.stage, move.step, self._shares(move))
            connection.await_sent()
            interpreter.pipeline.depart(req, last)
            if last is not req or req.mp_cleanups:
                connection.rope = self._retain(req, connection.rope)
        except ClientGone as gone:
            interpreter.pipeline.gone(req, gone)
            self._give_up(connection, req)
            return
        except OSError as error:
            if not is_crowded(error):
                raise
            self._give_up(connection, req)
            return
        connection.buffer = buffer[: req.mp_head.size] + connection.buffer
        connection.served -= 1
        connection.input = None
        interpreter.give_back(connection, messages.Kind.MOVED, plain_data.pack((move.interpreter_id, state)))

    def _shares(self, move: Moves) -> bool:
        """Whether the interpreter that a request goes to runs under the account of this one."""
        _kind, _name, environment = move.interpreter_id
        return not (has_account(environment) or has_account(self._interpreter.interpreter_id.environment))

    def _retain(self, req: Request, upstream: int) -> int:
        """Keep what a request leaves here until it is over elsewhere. :returns: the rope that goes along.

        :raises OSError: there is no descriptor left.
        """
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        self._interpreter.in_loop(Retained(self._interpreter, self.end, req, ours, upstream).begin)
        return theirs

    def _give_up(self, connection: Connection, req: Request) -> None:
        """End a request here that can't go on: its client is gone, or there is no room for it on its way."""
        last: Request | None = req
        while last is not None:
            last.mp_is_shadow, last.mp_move, last = False, None, last.mp_next
        connection.keep_alive = False
        connection.connection().mp_aborted = 1
        req.mp_drop_parts()
        self._interpreter.pipeline.close(req)
        self.tell(connection, req)
        connection.done()

    # ---- after the answer

    def _send_after(self, connection: Connection, req: Request, buffer: bytes, move: Moves) -> None:
        """The handlers after the answer belong to another interpreter."""
        self._pass_on(connection, req, buffer[: req.mp_head.size], move)
        self._interpreter.ended(req)
        connection.done()

    def _pass_on(self, connection: Connection, req: Request, head: bytes, move: Moves) -> None:
        """Send an answered request to the interpreter of its next handler, or end it where there is no room for it.

        :param connection: what it came on; its rope goes along.
        """
        interpreter = self._interpreter
        state = transfer.pack(req.mp_last, move.stage, move.step, self._shares(move))
        served = connection.served & messages.SERVED
        number = 1 << 63 | (served & 0x7FFF) << 48 | connection.number & _NUMBER
        ends: tuple[_socket.socket, ...] = ()
        try:
            ends = _socket.socketpair()  # (in the place of the client's)
            if req.mp_cleanups or req.mp_next is not None:
                connection.rope = self._retain(req, connection.rope)
            interpreter.pipeline.depart(req, req)
            interpreter.send(
                messages.Message(
                    messages.Kind.MOVED, ends[0].fileno(), head, messages.ANSWERED | served,
                    number, connection.accepted, plain_data.pack((move.interpreter_id, state)),
                    origin=_origin(connection), rope=connection.rope,
                )
            )  # fmt: skip
            connection.let_go()
        except OSError as error:
            if not is_crowded(error):
                raise
            self._end_without(connection, req, move, os.strerror(errno.EMFILE))
        finally:
            for end in ends:
                end.close()

    def _end_without(self, connection: Connection, req: Request, move: Moves, why: str) -> None:
        """End an answered request whose handlers can't run elsewhere."""
        log_error(req, f"a handler of {req.mp_uri} was not run in the interpreter {move.interpreter_id[1]}: {why}")
        if move.stage == Stage.LOG:
            self._interpreter.pipeline.log(req)
        req.mp_is_shadow = True  # (only its cleanups are left)
        self._interpreter.pipeline.close(req)
        self.tell(connection, req)

    def take(self, message: messages.Message) -> None:
        """A request whose handlers after the answer run here."""
        moved = transfer.unpack(message.state)
        link = Connection(
            self._interpreter, _socket.socket(fileno=message.fd), message.number, message.served & messages.SERVED,
            message.data, *moved.addresses,
        )  # fmt: skip
        link.rope, link.luggage = message.rope, message.luggage
        if message.origin:
            link.come_from(message.origin)
        self._interpreter.apart(lambda: self._finish(link, moved))

    def _finish(self, link: Connection, moved: transfer.Moved) -> None:
        interpreter = self._interpreter
        buffer = link.buffer
        head = parse_head(buffer, link.default.limits, None)
        assert head is not None  # (it was one elsewhere)
        link.choose_host(head)
        req = self._begin(link, head, moved, time.time())
        try:
            interpreter.pipeline.end_moved(req, moved)
        except Moves as move:
            self._send_after(link, req.mp_first, buffer, move)
        else:
            self.tell(link, req)
            interpreter.ended()
            self._judge(req, False)
        finally:
            interpreter.released(link)

    def end(self, req: Request, facts: bytes | None, upstream: int) -> int:
        """A request that went on elsewhere is over: log it, where it began here, and call its cleanups.

        :param facts: what was answered, empty where nobody could tell; None: this interpreter ends before it is known.
        :param upstream: the rope that it came with, -1: it began here.
        :returns: the same; or -1 where the rope went along with it, for its log handlers belong to another interpreter.
        """
        interpreter = self._interpreter
        now = interpreter.began = time.time()
        interpreter.scoreboard_entry.working(now, req.mp_head.raw)
        interpreter.watch_lines()
        try:
            interpreter.pipeline.ended_elsewhere(req, facts or b"")
        except Moves as move:
            connection = req.mp_link
            assert isinstance(connection, Connection)
            connection.rope, upstream = upstream, -1
            if facts is None:
                self._end_without(connection, req, move, "the interpreter that it began in has ended")
            else:
                self._pass_on(connection, req, req.mp_head.raw, move)
        finally:
            interpreter.ended()
            self._judge(req, False)
        return upstream

    def _judge(self, req: Request, failed: bool) -> None:
        """A request's part here is over: act on what a subinterpreter has refused to it."""
        loader = self._interpreter.loader
        if loader.doubts:
            loader.judge(req, failed)


def _origin(connection: Connection) -> bytes:
    """Where a connection comes from, if that is not its own end: whoever speaks TLS for it."""
    if connection.channel is None:
        return connection.origin
    from mpserver.tls.session import pack_origin  # (those that speak TLS have it already)

    return pack_origin(connection.client, connection.local, connection.tls, connection.agent)
