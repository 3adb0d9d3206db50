"""What httpd's expressions can ask of a request: its variables, headers and tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from mpserver.api import cgi_variables
from mpserver.config.expression_names import HEADERS
from mpserver.modules import clients
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    import re

    from mpserver.api.request import Request
    from mpserver.api.table import Table

#: A header that answers always depend on: no Vary names it.
HOST = "host"
#: httpd's, as modules have it.
API_VERSION = "20120211:141"


class RequestFacts:
    """A request, for expressions; they share the last match of a regular expression.

    Texts are those of UTF-8, bytes that are none being surrogate escapes, as in ``req.uri``.
    """

    __slots__ = ("match", "req", "vary")

    def __init__(self, req: Request) -> None:
        self.req = req
        #: The last match of a regular expression.
        self.match: re.Match[str] | None = None
        #: The headers of the request that were looked at, as they were called.
        self.vary: tuple[str, ...] = ()

    def variable(self, name: str) -> str:
        """The value of one of httpd's variables; its name is in capital letters. "" for one that has none."""
        header = HEADERS.get(name)
        if header is not None:
            return self.header(header.title())
        find = _VARIABLES.get(name)
        if find is not None:
            return find(self.req) or ""
        if name.startswith("SSL_"):
            return self.req.ssl_var_lookup(name) or ""
        return ""

    def header(self, name: str) -> str:
        """A header of the request, whose answer depends on it from now on."""
        if name.lower() != HOST and name not in self.vary:
            self.vary += (name,)
        return self.header_unsaid(name)

    def header_unsaid(self, name: str) -> str:
        """A header of the request."""
        table = self.req.mp_table_in
        value = self.req.mp_head.text(name.lower()) if table is None else table.get(name)
        return _text(value)

    def response(self, name: str) -> str:
        """A header of the response, as far as it is made; its type is in no table, as in httpd: see CONTENT_TYPE."""
        return _of(self.req.mp_headers_out, name) or _of(self.req.mp_err_headers_out, name)

    def environment(self, name: str) -> str:
        """A variable of the request's environment."""
        table = self.req.mp_variables
        return "" if table is None else table.get(name) or ""

    def note(self, name: str) -> str:
        """One of the request's notes."""
        table = self.req.mp_notes
        return "" if table is None else table.get(name) or ""

    def reachable(self, uri: str) -> bool:
        """Whether the client may have what a path of the server leads to; it need not exist."""
        allowed: bool = self.req.mp_plan.subrequests.may_have(self.req, uri)
        return allowed

    def tell_caches(self) -> None:
        """Name in the answer's Vary the headers that were looked at."""
        if self.vary:
            add_vary(self.req, self.vary)


def add_vary(req: Request, names: tuple[str, ...]) -> None:
    """Name headers in the Vary of an answer, beside those that it names already (RFC 9110 12.5.5)."""
    table = req.mp_headers_out_table()
    told = ",".join(str(value) for name, value in table.pairs() if name.lower() == "vary")
    present = [name for part in told.split(",") if (name := part.strip())]
    known = {name.lower() for name in present}
    table["Vary"] = ",".join([*present, *(name for name in names if name.lower() not in known)])


def _of(table: Table | None, name: str) -> str:
    return "" if table is None else _text(table.get(name))


def _text(value: str | None) -> str:
    """A header's value as text: it has its bytes as latin-1."""
    if value is None:
        return ""
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "surrogateescape")


def _when(seconds: float | None = None) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.localtime(seconds))


def _now(format: str) -> Callable[[Request], str]:
    return lambda _req: time.strftime(format)


def _connection(find: Callable[[Any], Any]) -> Callable[[Request], str]:
    """Asks the connection, without letting the response know that it was looked at."""
    return lambda req: str(find(req.mp_link.connection()))


def _unseen(find: Callable[[Request], str | None]) -> Callable[[Request], str | None]:
    """The same for what looks at the connection on its way."""

    def ask(req: Request) -> str | None:
        seen = req.mp_head_depends
        try:
            return find(req)
        finally:
            req.mp_head_depends = seen

    return ask


def _owner(req: Request) -> str:
    import pwd  # (few ask)

    return _known(req.mp_stat, lambda found: pwd.getpwuid(found.st_uid).pw_name)


def _group(req: Request) -> str:
    import grp

    return _known(req.mp_stat, lambda found: grp.getgrgid(found.st_gid).gr_name)


def _known(found: os.stat_result | None, name: Callable[[os.stat_result], str]) -> str:
    try:
        return "" if found is None else name(found)
    except KeyError:
        return ""


_VARIABLES: Mapping[str, Callable[[Any], str | None]] = {
    "API_VERSION": lambda _req: API_VERSION,
    "AUTH_TYPE": lambda req: req.mp_ap_auth_type,
    "CONN_LOG_ID": lambda _req: "",
    "CONN_REMOTE_ADDR": _connection(lambda connection: connection.client_addr[0]),
    "CONTENT_TYPE": lambda req: req.mp_content_type,
    "CONTEXT_DOCUMENT_ROOT": lambda req: req.mp_plan.document_root,
    "CONTEXT_PREFIX": lambda _req: "",
    "DOCUMENT_ROOT": lambda req: req.mp_plan.document_root,
    "DOCUMENT_URI": lambda req: req.mp_uri,
    "HANDLER": lambda req: req.mp_handler,
    "HTTP2": lambda _req: "off",
    "HTTPS": lambda req: "on" if req.mp_is_https() else "off",
    "IPV6": _connection(lambda connection: "on" if ":" in connection.client_addr[0] else "off"),
    "IS_SUBREQ": lambda req: "false" if req.mp_main is None else "true",
    "LAST_MODIFIED": lambda req: _when(req.mp_mtime),
    "PATH_INFO": lambda req: req.mp_path_info,
    "QUERY_STRING": lambda req: req.args,
    "REMOTE_ADDR": clients.address,
    "REMOTE_HOST": _unseen(lambda req: req.mp_get_agent_host()),
    "REMOTE_IDENT": lambda _req: "",
    "REMOTE_PORT": _connection(lambda connection: connection.client_addr[1]),
    "REMOTE_USER": lambda req: req.mp_user,
    "REQUEST_FILENAME": lambda req: req.mp_filename,
    "REQUEST_LOG_ID": lambda req: req.mp_log_id,
    "REQUEST_METHOD": lambda req: req.mp_method,
    "REQUEST_SCHEME": lambda req: cgi_variables.scheme(req),
    "REQUEST_STATUS": lambda req: str(req.mp_status),
    "REQUEST_URI": lambda req: req.mp_uri,
    "SCRIPT_FILENAME": lambda req: req.mp_filename,
    "SCRIPT_GROUP": _group,
    "SCRIPT_USER": _owner,
    "SERVER_ADDR": _connection(lambda connection: connection.local_addr[0]),
    "SERVER_ADMIN": lambda req: req.mp_server_object.server_admin,
    "SERVER_NAME": _unseen(cgi_variables.server_name),
    "SERVER_PORT": lambda req: str(cgi_variables.server_port(req)),
    "SERVER_PROTOCOL": lambda req: req.mp_protocol,
    "SERVER_PROTOCOL_VERSION": lambda req: str(1000 + req.mp_head.minor),
    "SERVER_PROTOCOL_VERSION_MAJOR": lambda _req: "1",
    "SERVER_PROTOCOL_VERSION_MINOR": lambda req: str(req.mp_head.minor),
    "SERVER_SOFTWARE": lambda req: req.mp_plan.server_software,
    "THE_REQUEST": lambda req: req.the_request,
    "TIME": lambda _req: _when(),
    "TIME_DAY": _now("%d"),
    "TIME_HOUR": _now("%H"),
    "TIME_MIN": _now("%M"),
    "TIME_MON": _now("%m"),
    "TIME_SEC": _now("%S"),
    "TIME_WDAY": _now("%w"),
    "TIME_YEAR": _now("%Y"),
}


def server_variable(req: Request, name: str) -> str | None:
    """A variable that a request has beside its environment and headers; None where it has none of that name."""
    find = _VARIABLES.get(name)
    return None if find is None else find(req) or ""
