"""Calling a connection handler (manual 4.4, 5.3; api 3.5 1.5)."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.connection import Connection
from mpserver.api.connection_stream import Wire
from mpserver.api.handler_list import HandlerEntry, HandlerList
from mpserver.api.loader import Loader
from mpserver.api.protocol_connection import ProtocolConnection
from mpserver.errors import ClientGone
from mpserver.modules import python
from mpserver.modules.python import application_errors, guard, moving
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.plan import RequestPlan

PHASE = "PythonConnectionHandler"


class ConnectionHandlers:
    """The connection handlers of one server. As in httpd's hook only the first of them is called."""

    __slots__ = ("_handlers", "_plan")

    def __init__(self, plan: RequestPlan) -> None:
        self._plan = plan
        self._handlers = [
            plan.handler(HandlerEntry(spec.handler, spec.directory, False, False), PHASE)
            for spec in plan.server.conf[python.CONNECTION_HANDLERS]
        ]

    def connection(self, plain: Connection, wire: Wire) -> ProtocolConnection:
        """The object that the handler gets."""
        return ProtocolConnection(plain, wire, HandlerList(self._handlers))

    def call(self, connection: ProtocolConnection, loader: Loader) -> int:
        """Call the handler.

        :returns: its result; DECLINED where the connection is to be one of HTTP.
        :raises Misplaced: it can't run in this interpreter.
        """
        result = guard.call(CONNECTION_HANDLERS, self._handlers[0], None, self._plan, loader, connection)
        assert result is not None  # (only silent handlers have none)
        return result


class ConnectionHandlerKind(guard.CodeKind):
    """Connection handlers; what they are called with is the `ProtocolConnection`."""

    __slots__ = ()

    def checked(self, code: guard.Code, result: Any) -> int:
        """See `CodeKind.checked`."""
        raise AssertionError(f"ConnectionHandler '{code.entry.handler}' returned invalid return code.")

    def left(self, code: guard.Code, argument: ProtocolConnection, gone: ClientGone) -> int:
        """See `CodeKind.left`; nothing is wrong with the handler."""
        text = f"ConnectionHandler {code.entry.handler}: {gone}"
        argument.mp_log.log(constants.APLOG_INFO, text, module="python", about=argument)
        return constants.HTTP_INTERNAL_SERVER_ERROR

    def failed(
        self, code: guard.Code, plan: RequestPlan, argument: ProtocolConnection, error: BaseException, repeated: bool
    ) -> int:
        """See `CodeKind.failed`."""
        prefix = f"ConnectionHandler {code.entry.handler}"
        loading = moving.is_loading(error.__traceback__)
        application_errors.tell(error, prefix, argument.mp_log, argument, loading=loading)
        return constants.HTTP_INTERNAL_SERVER_ERROR


CONNECTION_HANDLERS = ConnectionHandlerKind()
