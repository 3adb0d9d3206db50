"""Calling a connection handler (manual 4.4, 5.3; api 3.5 1.5)."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.connection import Connection
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.handler_list import HandlerEntry, HandlerList
from mpserver.api.loader import Loader
from mpserver.api.protocol_connection import ProtocolConnection, Wire
from mpserver.config.configuration import Configuration
from mpserver.errors import ClientGone, Misplaced
from mpserver.modules import python
from mpserver.phases.application_errors import describe, refusing
from mpserver.phases.moving import is_loading
from mpserver.phases.plan import Handler
from mpserver.phases.timeouts import RequestTimeout
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.phases.plan import Plan

PHASE = "PythonConnectionHandler"


def wanted(configuration: Configuration) -> bool:
    """Whether any server has connection handlers; only then connections are looked at before their first request."""
    servers = (configuration.main, *configuration.hosts)
    return any(server.conf[python.CONNECTION_HANDLERS] for server in servers)


class Protocol:
    """The connection handlers of one server. As in httpd's hook only the first of them is called."""

    __slots__ = ("_handlers", "_plan")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._handlers = [
            plan.handler(HandlerEntry(spec.handler, spec.directory, False, False), PHASE)
            for spec in plan.site.server.conf[python.CONNECTION_HANDLERS]
        ]

    def connection(self, plain: Connection, wire: Wire) -> ProtocolConnection:
        """The object that the handler gets."""
        return ProtocolConnection(plain, wire, HandlerList(self._handlers))

    def call(self, connection: ProtocolConnection, loader: Loader, now: float) -> int:
        """Call the handler. :returns: its result; DECLINED where the connection is to be one of HTTP.

        :raises Misplaced: it can't run in this interpreter.
        """
        handler = self._handlers[0]
        try:
            function = handler.resolve(_Moment(now), self._plan, loader, connection)  # type: ignore[arg-type]
            if function is None:
                raise TypeError(f"'{handler.entry.handler}' is None, and can't be called as a handler")
            try:
                result: Any = function(connection)
            except SERVER_RETURN as raised:
                result = raised.args[0] if raised.args else None
            if type(result) is not int:
                raise AssertionError(f"ConnectionHandler '{handler.entry.handler}' returned invalid return code.")
            return result
        except RequestTimeout:
            raise
        except ClientGone as gone:
            self._log(connection, constants.APLOG_INFO, handler, str(gone))
        except BaseException as error:  # an application may raise anything; it harms only its own connection
            if loader.may_move:
                module = refusing(error)
                if module is not None:
                    loader.refused(module)
                    if is_loading(error.__traceback__):  # (once it was called, it must not be so again)
                        raise Misplaced(module) from error
            for part in describe(error):
                self._log(connection, constants.APLOG_ERR, handler, part.rstrip())
        return constants.HTTP_INTERNAL_SERVER_ERROR

    @staticmethod
    def _log(connection: ProtocolConnection, level: int, handler: Handler, text: str) -> None:
        connection.mp_log.log(
            level,
            f"ConnectionHandler {handler.entry.handler}: {text}",
            module="python",
            client=connection.client_addr,
        )


class _Moment:
    """What resolving a handler asks of a request: when it is."""

    __slots__ = ("_request_time",)

    def __init__(self, now: float) -> None:
        self._request_time = now
