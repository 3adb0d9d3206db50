"""The server object (manual 4.5.6): one server, the main one or a virtual host, as applications see it."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from types import SimpleNamespace

from mpserver.api import constants
from mpserver.api.members import ReadOnly, named, readonly
from mpserver.api.members import message as log_text
from mpserver.api.runtime import current
from mpserver.api.table import Table
from mpserver.builtin import index
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog


@named("mp_server")
class Server:
    """``req.server``. All documented members are read-only; attributes of an application's own can be set.

    The engine has one object for each server, which applications never see: each request, connection and interpreter
    gets another `mp_view` of it, so that what is set on it is not there in the next request (api 3.5 2.3).
    ``facts`` gives the members below their values; a fact that is missing is a programming error.
    """

    __slots__ = (
        "__dict__", "__weakref__", "mp_config", "mp_facts", "mp_find_next", "mp_log", "mp_next", "mp_options",
    )  # fmt: skip

    def __init__(
        self, facts: Mapping[str, Any], log: ErrorLog, config: Mapping[str, str], options: Mapping[str, str]
    ) -> None:
        #: Finds the next server when it is asked for: there may be thousands.
        self.mp_find_next: Callable[[], Server | None] | None = None
        self.mp_next: Server | None = None
        self.mp_log = log
        self.mp_config = Table(dict(config))
        self.mp_options = Table(dict(options))
        self.mp_facts = SimpleNamespace(**facts)

    def mp_view(self) -> Server:
        """The same server without what applications have set on this object."""
        view = Server.__new__(Server)
        view.mp_find_next, view.mp_next = self.mp_find_next, None
        view.mp_log, view.mp_config, view.mp_options = self.mp_log, self.mp_config, self.mp_options
        view.mp_facts = self.mp_facts
        return view

    @ReadOnly
    def next(self) -> Server | None:
        """The next server of the configuration, or None: the virtual hosts follow the main server, the last first."""
        if self.mp_next is None and self.mp_find_next is not None:
            found = self.mp_find_next()
            self.mp_next = None if found is None else found.mp_view()
        return self.mp_next

    defn_name: str | None = readonly("mp_facts.defn_name", "The file that defines this server.")
    defn_line_number: int = readonly("mp_facts.defn_line_number", "The line of its definition; 0 for the main server.")
    server_admin: str = readonly("mp_facts.server_admin", "ServerAdmin.")
    server_hostname: str = readonly("mp_facts.server_hostname", "ServerName; CGI's SERVER_NAME.")
    port: int = readonly("mp_facts.port", "The port of ServerName, 0 when it has none.")
    error_fname: str | None = readonly("mp_facts.error_fname", "The error log's file.")
    loglevel: int = readonly("mp_facts.loglevel", "LogLevel as an APLOG_* number.")
    is_virtual: int = readonly("mp_facts.is_virtual", "1 for a virtual host.")
    timeout: float = readonly("mp_facts.timeout", "Timeout in seconds.")
    keep_alive_timeout: float = readonly("mp_facts.keep_alive_timeout", "KeepAliveTimeout in seconds.")
    keep_alive_max: int = readonly("mp_facts.keep_alive_max", "MaxKeepAliveRequests; 0 is no limit.")
    keep_alive: int = readonly("mp_facts.keep_alive", "1 where KeepAlive is On.")
    path: str | None = readonly("mp_facts.path", "ServerPath, or None.")
    pathlen: int = readonly("mp_facts.pathlen", "The length of path.")
    names: tuple[str, ...] = readonly("mp_facts.names", "ServerAlias names without wildcards.")
    wild_names: tuple[str, ...] = readonly("mp_facts.wild_names", "ServerAlias names with wildcards.")
    limit_req_line: int = readonly("mp_facts.limit_req_line", "LimitRequestLine in bytes.")
    limit_req_fieldsize: int = readonly("mp_facts.limit_req_fieldsize", "LimitRequestFieldSize in bytes.")
    limit_req_fields: int = readonly("mp_facts.limit_req_fields", "LimitRequestFields.")
    my_generation: int = readonly("mp_facts.my_generation", "How often the server was restarted.")
    restart_time: float = readonly("mp_facts.restart_time", "When the configuration was read, seconds since the epoch.")

    def get_config(self) -> Table:
        """The Python directives in effect at the server's own level (manual 4.5.6)."""
        return self.mp_config

    def get_options(self) -> Table:
        """The PythonOptions of the server's own level."""
        return self.mp_options

    def log_error(self, message: str, level: int = constants.APLOG_ERR) -> None:
        """Write a line to this server's error log."""
        self.mp_log.log(index(level), log_text(message), module="python")

    def register_cleanup(self, request: object, callable: Callable[[Any], Any], data: Any = None) -> None:
        """Call ``callable(data)`` when the worker ends (manual 4.5.6).

        :raises ValueError: the function can't be called.
        """
        if not hasattr(request, "register_cleanup"):
            raise ValueError("first argument must be a request object")
        if not builtins.callable(callable):
            raise ValueError("second argument must be a callable object")
        runtime = current()
        if runtime is None:
            raise RuntimeError("cleanups of a server need a running server")
        runtime.register_cleanup(callable, data)
