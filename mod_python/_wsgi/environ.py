"""The environ of WSGI applications (PEP 3333; api 3.5 1.15): CGI's variables, each byte one character.

It stands on the api alone. What stays the same from request to request is kept: the facts of the
server by `Environment`, the variables of a header block for as long as clients repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mpserver.api import cgi_variables
from mpserver.api.sent_text import as_sent, encoded
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: An environ, a dict as the PEP demands.
Environ = dict[str, Any]

#: Of the common variables, those that belong to the server and not to a request.
SERVER_FACTS = (
    "PATH", "LD_LIBRARY_PATH", "SERVER_SOFTWARE", "DOCUMENT_ROOT", "CONTEXT_PREFIX",
    "CONTEXT_DOCUMENT_ROOT", "SERVER_ADMIN",
)  # fmt: skip

#: Variables that every request has with a value of its own. A dict that has room for them is not made larger for them.
OWN_VALUES = (
    "REQUEST_METHOD", "REQUEST_URI", "RAW_URI", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL", "REMOTE_ADDR",
    "REMOTE_PORT", "SERVER_ADDR",
)  # fmt: skip

#: What the variable HTTPS says where the client's connection is encrypted, as far as a proxy before us.
HTTPS_ON = frozenset({"on", "1", "yes"})

#: So many header blocks are remembered: about one for each connection that is kept alive. And the longest head of one,
#: in bytes: clients choose them.
BLOCKS, LONGEST = 256, 4096


def header_variables(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The variables of a request's raw headers, the credentials included (api 3.5 1.15)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        variable = cgi_variables.OWN_NAMES.get(lower)
        if variable is None:
            if lower == "transfer-encoding":
                continue  # it is about the connection: applications get a body without it (PEP 3333)
            if lower in cgi_variables.NOT_PASSED:
                if lower != "authorization":
                    continue
            elif not cgi_variables.VARIABLE.match(name):
                continue
            variable = "HTTP_" + lower.upper().replace("-", "_")
        if variable in found:
            # a repeated Cookie is one list all the same (RFC 6265 5.4, RFC 9113 8.2.3)
            value = f"{found[variable]}{'; ' if lower == 'cookie' else ', '}{value}"
        found[variable] = value
    return found


class Environment:
    """Makes the environs of one application at one place.

    ``fixed`` are variables that all of them get.
    """

    __slots__ = ("_blocks", "_by_socket", "_fixed", "_signed")

    def __init__(self, req: Request, fixed: Mapping[str, Any]) -> None:
        headers = req.mp_table_in
        req.add_common_vars()
        req.mp_table_in = headers  # looking at them was ours: nobody can have changed them yet
        known = req.subprocess_env
        self._fixed: Environ = dict.fromkeys(OWN_VALUES, "")
        self._fixed |= {name: encoded(known.get(name)) for name in SERVER_FACTS if name in known}
        self._fixed["GATEWAY_INTERFACE"] = "CGI/1.1"
        self._fixed["wsgi.url_scheme"] = self._fixed["REQUEST_SCHEME"] = "http"
        self._fixed.update(fixed)
        plan = req.mp_plan
        #: Whether the server's name or port may depend on the socket; whether pages end with them (ServerSignature).
        self._by_socket, self._signed = bool(plan.canonical_name or plan.physical_port), plan.signature != "off"
        self._fixed["SERVER_SIGNATURE"] = ""
        #: By the identity of a block's fields: these, the host that the request names, the variables.
        self._blocks: dict[int, tuple[tuple[tuple[str, str], ...], str | None, Environ]] = {}

    def make(self, req: Request, path: str) -> Environ:
        """The environ of a request; ``path`` is what follows the application's own."""
        head = req.mp_head
        fields = head.fields
        kept = self._blocks.get(id(fields))
        if kept is not None and kept[0] is fields and kept[1] == head.host and req.mp_table_in is None:
            environ = kept[2].copy()
        else:
            environ = self._block(req, fields)
        args, target = req.mp_args, head.target
        environ["REQUEST_METHOD"] = req.mp_method
        plain = target.isascii()
        if plain and target[0] == "/":
            environ["REQUEST_URI"] = environ["RAW_URI"] = target
        else:
            environ["REQUEST_URI"] = cgi_variables.request_uri(req)
            environ["RAW_URI"] = target
        if not path.isascii():
            path = encoded(path)
        # present when empty, too, unlike mod_python's: applications and wsgiref.validate rely on it
        environ["PATH_INFO"] = path
        environ["QUERY_STRING"] = args or ""
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if head.minor else "HTTP/1.0"
        connection = req.mp_link.connection()
        client, port = connection.mp_client_addr
        environ["REMOTE_ADDR"] = client
        environ["REMOTE_PORT"] = f"{port}"
        environ["SERVER_ADDR"] = connection.mp_local_addr[0]
        host = connection.mp_remote_host
        if req.mp_agent is not None:  # (the port stays the connection's, as httpd has it)
            environ["REMOTE_ADDR"] = req.mp_agent[0]
            host = None if req.mp_agent_object is None else req.mp_agent_object.mp_remote_host
        if host:
            environ["REMOTE_HOST"] = host
        if req.mp_filename is not None:
            environ["SCRIPT_FILENAME"] = encoded(req.mp_filename)
        if req.mp_user is not None:
            environ["REMOTE_USER"] = encoded(req.mp_user)
            if req.mp_ap_auth_type is not None:
                environ["AUTH_TYPE"] = req.mp_ap_auth_type
        if req.mp_prev is not None:
            _redirected(environ, req.mp_prev)
        if req.mp_env is not None:
            # what handlers before have set, wherever it is no variable of the server's own
            for name, value in req.mp_env.pairs():
                if value is not None:
                    environ.setdefault(name, as_sent(req, value))
            environ.pop("HTTP_TRANSFER_ENCODING", None)  # (as in `header_variables`)
            if environ.get("HTTPS", "off").lower() in HTTPS_ON:
                environ["wsgi.url_scheme"] = "https"
        if req.mp_host.trace is not None:
            _traced(environ, req)
        return environ

    def _block(self, req: Request, fields: tuple[tuple[str, str], ...]) -> Environ:
        """The server's facts and the variables of the headers; kept if the next such block has the same ones."""
        host = req.mp_head.host
        secure = req.is_https()
        untouched = req.mp_table_in is None
        environ = self._fixed.copy()
        pairs = fields if untouched else [(name, as_sent(req, value)) for name, value in req.headers_in.pairs()]
        environ.update(header_variables(pairs))
        if host and not req.mp_head.target.startswith("/"):
            environ["HTTP_HOST"] = host  # the target's own beats the header (RFC 9112 3.2.2)
        environ["SERVER_NAME"] = cgi_variables.server_name(req)
        environ["SERVER_PORT"] = str(cgi_variables.server_port(req))
        if self._signed:
            environ["SERVER_SIGNATURE"] = encoded(cgi_variables.signature(req))
        if secure:
            environ["wsgi.url_scheme"] = environ["REQUEST_SCHEME"] = "https"
            environ["HTTPS"] = "on"
        elif untouched and host and not self._by_socket and len(req.mp_head.raw) <= LONGEST:
            if len(self._blocks) >= BLOCKS:
                self._blocks.clear()
            self._blocks[id(fields)] = (fields, host, environ.copy())
        return environ


def _traced(environ: Environ, req: Request) -> None:
    """What a request's trace puts in the place of what the client has told of one."""
    text, parent = req.mp_traced() or ("", "")
    if req.mp_table_in is None:  # (else the headers have it)
        environ["HTTP_TRACEPARENT"] = text
        if not parent:
            environ.pop("HTTP_TRACESTATE", None)
    environ.setdefault("TRACEPARENT", text)


def _redirected(environ: Environ, before: Request) -> None:
    """What an internal redirect tells of the request before."""
    facts = {
        "REDIRECT_URL": encoded(before.mp_uri),
        "REDIRECT_QUERY_STRING": before.mp_args,
        "REDIRECT_REMOTE_USER": None if before.mp_user is None else encoded(before.mp_user),
        "REDIRECT_STATUS": str(before.status),
    }
    environ.update((name, fact) for name, fact in facts.items() if fact is not None)
