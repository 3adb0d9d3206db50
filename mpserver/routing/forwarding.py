"""Connections that go from one interpreter to another one, without the router's reading what they carry.

The interpreter that had such a connection has read the head of its request, so it knows where that belongs: it has
begun and goes on there (`mpserver.phases.transfer`), or nothing of it was done. Clients behind a reverse proxy that
keeps its connections change the interpreter with most requests.
"""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api import error_log as levels
from mpserver.errors import RequestError
from mpserver.interpreters.handle import InterpreterState
from mpserver.interpreters.pool import Pool
from mpserver.ipc import messages, plain_data
from mpserver.ipc.worker_messages import ADDRESSED
from mpserver.phases.plan import InterpreterId
from mpserver.routing.siblings import Siblings
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog


class Forwarding:
    """Hands them on, in a worker's main thread."""

    __slots__ = ("_known", "_log", "_loop", "_pool", "_refuse", "_returned", "_siblings")

    def __init__(
        self, pool: Pool, siblings: Siblings, loop: Loop, log: ErrorLog, returned: Callable[[messages.Message], None],
        refuse: Callable[[messages.Message, RequestError], None],
    ) -> None:  # fmt: skip
        """``returned``: begins with a connection anew; ``refuse``: answers its request."""
        self._pool, self._siblings, self._loop, self._log = pool, siblings, loop, log
        self._returned, self._refuse = returned, refuse
        #: The interpreters of connections that have come, by the words for them.
        self._known: dict[bytes, InterpreterId] = {}

    def go_on(self, message: messages.Message, passed: bool = False) -> None:
        """Give a connection to the interpreter that its state names, with the rest of its state.

        :param passed: it stays in this worker.
        """
        interpreter_id, state = self._known.get(message.state), b""
        if interpreter_id is None:
            try:
                interpreter_id, state = self._read(message)
            except ValueError as error:
                self._log.log(levels.ERROR, f"a request could not go on elsewhere: {error}")
                self._refuse(message, RequestError(500, "it can't go on", request_line(message)))
                return
        named, message = message.state, message._replace(kind=messages.Kind.CONNECTION, state=state)
        if not state:
            if not self._is_usual(message, interpreter_id):
                self._returned(message)
                return
            self._known[named] = interpreter_id
        busy = None if passed or message.luggage else self._pool.busy(interpreter_id)
        # (a sibling's router has to be told where a request goes on; of one that is new it reads the head)
        whole = message._replace(state=named) if state else message
        if busy is None or not self._siblings.pass_on(busy, whole, self._loop.now):
            self._pool.use(interpreter_id).hand_over(message)

    def _read(self, message: messages.Message) -> tuple[InterpreterId, bytes]:
        """The interpreter that a connection is for, and what goes along. :raises ValueError: it is for none."""
        key, state = plain_data.shaped(message.state, ADDRESSED)
        interpreter_id = InterpreterId(*key)
        if not self._pool.may_be(interpreter_id):
            raise ValueError("it is for no interpreter of this configuration")
        return interpreter_id, state

    def _is_usual(self, message: messages.Message, interpreter_id: InterpreterId) -> bool:
        """Whether nothing has to be looked at but who serves a connection, of whose request nothing was done yet."""
        pool = self._pool
        interp = pool.interpreters.get(interpreter_id)
        return bool(
            message.fd >= 0 and message.served and interp is not None and interp.state is InterpreterState.SERVING
            and not (pool.closing or pool.held_back or pool.queue)
        )  # fmt: skip


def request_line(message: messages.Message) -> str:
    """The request line that came along with a connection."""
    return message.data.partition(b"\r\n")[0].decode("latin-1")
