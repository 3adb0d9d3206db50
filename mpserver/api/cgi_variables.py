"""The CGI environment and other facts worked out from a request (api 3.5 3.6; RFC 3875)."""

from __future__ import annotations

import os

from mpserver import lazyre
from mpserver.api.constants import REMOTE_HOST
from mpserver.http1 import wire
from mpserver.http1.html import escape
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request_config import RequestConfig

#: Header names that may become HTTP_* variables: anything else could pose as another header.
VARIABLE = lazyre.compile(r"[A-Za-z0-9-]+\Z")
#: Headers whose variables have names of their own.
OWN_NAMES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
#: Headers that never become variables: secrets, and one that would redirect the program's own requests.
NOT_PASSED = frozenset({"proxy", "authorization", "proxy-authorization"})
#: Variables that are there without a value, too (None), as long as the request has none: in early phases.
PRESENT = frozenset({"SCRIPT_FILENAME"})
#: What stands before the path in a target that names its server (RFC 9112 3.2.2).
AUTHORITY = lazyre.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
DEFAULT_PORTS = {"http": 80, "https": 443}
#: What ServerAdmin is where nobody says, as in httpd; pages had better say nothing then.
NOBODY = "[no address given]"


def server_port(req: RequestConfig) -> int:
    """The port that the request was sent to, by UseCanonicalName and UseCanonicalPhysicalPort.

    That of the client's Host where that counts, else ServerName's, or that of the socket.
    """
    plan, host = req.mp_plan, req.mp_head.host
    if host and plan.canonical_name != "on":
        _, colon, port = host.rpartition(":")
        if colon and port.isdecimal():
            return int(port)
    named, physical = req.mp_server_object.port, 0
    if plan.physical_port:
        physical = req.connection.local_addr[1]
        if plan.canonical_name != "on":
            named, physical = physical, named
    return named or physical or default_port(req)


def default_port(req: RequestConfig) -> int:
    """The port that URLs of the request's scheme leave out."""
    return DEFAULT_PORTS.get(scheme(req), 80)


def scheme(req: RequestConfig) -> str:
    """https on an encrypted connection; else that of ServerName, or http."""
    return "https" if req.mp_is_https() else req.mp_plan.scheme or "http"


def server_name(req: RequestConfig) -> str:
    """SERVER_NAME: the host that the client asked for; with UseCanonicalName On ServerName, with DNS the address's."""
    if req.mp_plan.canonical_name == "dns":
        return req.connection.mp_look_up_local()
    named = req.mp_server_object.server_hostname
    if req.mp_plan.canonical_name and named:
        return named
    return req.hostname or named or req.connection.local_ip


def signature(req: RequestConfig) -> str:
    """What the server's own pages end with, as HTML (ServerSignature); empty where they tell nothing."""
    kind = req.mp_plan.signature
    if kind == "off":
        return ""
    name = escape(server_name(req))
    admin = req.mp_server_object.server_admin
    if kind == "email" and admin != NOBODY:
        scheme = "" if AUTHORITY.match(admin) else "mailto:"
        name = f'<a href="{scheme}{escape(admin)}">{name}</a>'
    return f"<address>{escape(req.mp_plan.server_software)} Server at {name} Port {server_port(req)}</address>\n"


def request_uri(req: RequestConfig) -> str:
    """REQUEST_URI: the target as the client sent it, with its query, without what names the server; raw.

    It stays so for what the request is redirected to internally, as in httpd.
    """
    return AUTHORITY.sub("", req.mp_head.target, count=1) or "/"


def script_name(req: RequestConfig) -> str:
    """SCRIPT_NAME: the path without what follows the file's name; bytes that are not UTF-8 are surrogate escapes."""
    uri = req.mp_uri
    return uri.removesuffix(req.mp_path_info) if req.mp_path_info else uri


def construct_url(req: RequestConfig, path: str) -> str:
    """scheme://host[:port]path; a default port is left out."""
    port = server_port(req)
    shown = "" if port == default_port(req) else f":{port}"
    return f"{scheme(req)}://{server_name(req)}{shown}{path}"


def add_common_vars(req: RequestConfig) -> None:
    """Give a request's environment CGI's variables but those of the request line."""
    req.subprocess_env.put(common_vars(req))
    req.subprocess_env.settle()


def common_vars(req: RequestConfig) -> dict[str, Any]:
    """CGI's variables but those of the request line; see `PRESENT`."""
    headers: dict[str, Any] = {}
    for name, value in req.headers_in.pairs():
        lower = name.lower()
        variable = OWN_NAMES.get(lower)
        if variable is None:
            if not VARIABLE.match(name) or (lower in NOT_PASSED and (lower == "proxy" or not req.mp_plan.pass_auth)):
                continue
            variable = "HTTP_" + name.upper().replace("-", "_")
        headers[variable] = f"{headers[variable]}, {value}" if variable in headers else value
    for name in ("PATH", "LD_LIBRARY_PATH"):
        if name in os.environ:
            headers[name] = os.environ[name]
    connection, server = req.connection, req.mp_server_object
    previous = req.prev
    facts = {
        "SERVER_SIGNATURE": signature(req),
        "SERVER_SOFTWARE": req.mp_plan.server_software,
        "SERVER_NAME": server_name(req),
        "SERVER_ADDR": connection.local_ip,
        "SERVER_PORT": str(server_port(req)),
        "REMOTE_HOST": req.mp_get_agent_host(REMOTE_HOST),
        "REMOTE_ADDR": req.useragent_ip,
        "DOCUMENT_ROOT": req.mp_plan.document_root,
        "REQUEST_SCHEME": scheme(req),
        "CONTEXT_PREFIX": "",
        "CONTEXT_DOCUMENT_ROOT": req.mp_plan.document_root,
        "SERVER_ADMIN": server.server_admin,
        "SCRIPT_FILENAME": req.filename,
        "REMOTE_PORT": str(connection.client_addr[1]),
        "REMOTE_USER": req.user,
        "AUTH_TYPE": req.ap_auth_type if req.user else None,
        "REDIRECT_URL": previous.uri if previous else None,
        "REDIRECT_QUERY_STRING": previous.args if previous else None,
        "REDIRECT_REMOTE_USER": previous.user if previous else None,
    }
    headers.update({name: fact for name, fact in facts.items() if fact is not None or name in PRESENT})
    return headers


def add_cgi_vars(req: RequestConfig) -> None:
    """Give a request's environment all of CGI's variables."""
    found = common_vars(req)
    path_info = req.path_info
    found["GATEWAY_INTERFACE"] = "CGI/1.1"
    found["SERVER_PROTOCOL"] = req.protocol
    found["REQUEST_METHOD"] = req.method
    found["QUERY_STRING"] = req.args or ""
    found["REQUEST_URI"] = wire.decoded(request_uri(req))
    found["SCRIPT_NAME"] = wire.shown(script_name(req))
    if path_info:
        found["PATH_INFO"] = path_info
    req.subprocess_env.put(found)
    req.subprocess_env.settle()
