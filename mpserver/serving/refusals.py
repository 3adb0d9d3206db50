"""What routers and interpreters both do with connections that they can't serve, or have no room for."""

from __future__ import annotations

import errno
import os
import time

from mpserver.api.error_log import CRIT, ERROR
from mpserver.errors import ConfigError, RequestError, Unavailable
from mpserver.ipc import messages
from mpserver.modules.python.application_errors import describe
from mpserver.serving.states import READING, TLS, WAITING
from mpserver.system.loop import READ
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.phases.pipeline import Pipeline
    from mpserver.serving.connection import Connection
    from mpserver.serving.interpreter_owner import InterpreterOwner
    from mpserver.system.loop import Loop

#: How long a client may be silent on a new connection while there is no room for others, in seconds.
NEW_AND_SILENT = 1.0

#: For how long a process whose worker is gone begins with requests that have come by then, in seconds.
LAST_REQUESTS = 5.0

#: How many idle connections an interpreter closes where there was no room for another descriptor.
SHED_WHERE_FULL = 4


class Refusals:
    """This part of `mpserver.serving.connection.Owner`."""

    pipeline: Pipeline
    loop: Loop
    draining: bool
    connections: set[Connection]

    def shed(self, count: int) -> None:
        """Make room: close up to ``count`` idle connections, the oldest kept ones first, then the silent new ones."""
        now = time.monotonic()
        idle = sorted(
            (connection.state != WAITING, _since(connection), connection.number, connection)
            for connection in self.connections
            if connection.state == WAITING or _is_silent(connection, now)
        )[:count]
        for _new, _when, _number, connection in idle:
            connection.close()

    def refuse(self, connection: Connection, error: RequestError) -> None:
        """Answer a request that can't be served as it came, then close."""
        self.pipeline.refuse(connection, connection.host, error, time.time(), len(connection.buffer))
        connection.buffer = b""
        connection.keep_alive = False
        connection.done()

    def crowd_out(self, connection: Connection) -> None:
        """A request can't go where it belongs, for want of descriptors."""
        self.refuse(connection, Unavailable(f"it can't be handed over: {os.strerror(errno.EMFILE)}", 1))

    def broken(self, connection: Connection, error: Exception) -> None:
        """The server itself failed on a connection: that one ends, with all there is to know in the log."""
        for line in describe(error):
            connection.host.log.log(CRIT, f"internal error: {line.rstrip()}", client=connection.client)
        connection.close()


def give_up(interpreter: InterpreterOwner, message: messages.Message) -> None:
    """Send back what is left of a message whose descriptor found no room here, so that its client is answered."""
    interpreter.shed(SHED_WHERE_FULL)
    if message.served == messages.Kind.LEASE:
        if not interpreter.has_leases():
            interpreter.tell(messages.Kind.LEASE_OVER, number=message.number)
        return
    if message.served == messages.Kind.ASK:  # (who has asked sees that there is no answer)
        interpreter.log.log(
            ERROR, "a log could not be reopened, for there are no descriptors left: the former one goes on"
        )
        return
    if interpreter.taken is not None and message.served == messages.Kind.CONNECTION:
        interpreter.taken.one_more()  # (it waits no more)
    try:
        interpreter.send(message)
    finally:
        message.close()


def end_orphaned(interpreter: InterpreterOwner) -> None:
    """The worker is gone, and has left an interpreter that is a process: serve what was asked for by now, and end."""
    interpreter.loop.remove(interpreter.inbox.fileno())  # (nobody says anything there any more)
    if interpreter.boot.kind == "process":
        interpreter.drain()
        until = time.monotonic() + LAST_REQUESTS
        for connection in list(interpreter.connections):
            if connection.state in (WAITING, READING) and time.monotonic() < until:
                connection.on_event(READ)
    interpreter.loop.stop()


def reach_ceiling(interpreter: InterpreterOwner) -> None:
    """Make room: a descriptor that was handed over is one of the reserve (`mpserver.system.descriptors`)."""
    if interpreter.boot.kind == "process":
        interpreter.shed(SHED_WHERE_FULL)
    else:  # it is the worker's, too
        interpreter.tell(messages.Kind.CROWDED)


def unusable(error: ConfigError, line: str) -> RequestError:
    """The answer to a request whose configuration can't be used."""
    if error.status == 503:
        return Unavailable("the configuration of this directory can't be read now", 1, line)
    return RequestError(error.status, "the configuration of this directory is faulty", line)


def _since(connection: Connection) -> float:
    """Since when its client is silent, ``time.monotonic()``."""
    allowed = connection.keep_alive_timeout if connection.state == WAITING else connection.default.head_timeout
    return connection.deadline - allowed


def _is_silent(connection: Connection, now: float) -> bool:
    """Whether nothing has come on it yet, for some time."""
    if connection.state == TLS:
        return now - _since(connection) >= NEW_AND_SILENT
    if connection.state != READING or connection.served or connection.buffer or connection.reader is not None:
        return False
    return now - _since(connection) >= NEW_AND_SILENT
