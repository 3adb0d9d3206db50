"""The head of a request as another server gets it."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api.cgi_variables import server_port
from mpserver.api.input import Input
from mpserver.api.kept_body import KeptBody
from mpserver.api.sent_text import as_sent
from mpserver.errors import ClientGone
from mpserver.http1 import percent
from mpserver.http1.fields import is_token
from mpserver.http1.wire import encoded
from mpserver.modules.proxy import ADD_HEADERS, PRESERVE_HOST, VIA
from mpserver.modules.proxy.backends import Refused
from mpserver.modules.proxy.targets import PORTS, UPGRADING, Target
from mpserver.typing import TYPE_CHECKING, NamedTuple
from mpserver.version import VERSION

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: What is about the client's own connection, and what the server itself says.
OWN = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
        "expect", "content-length", "host", "proxy",
    }
)  # fmt: skip
#: What a client says to who asks for it: as long as nobody here has, that may be the server behind.
OWN_WITH_CREDENTIALS = OWN | {"proxy-authorization"}
_LINE_ENDS = lazyre.compile(r"[\r\n\x00]")

#: The length of a body that goes on in chunks, and of none.
IN_CHUNKS, NONE = -1, -2


class Ways(NamedTuple):
    """How a request goes on, as variables of its environment say (httpd's documentation of mod_proxy_http)."""

    #: As HTTP/1.0 (force-proxy-request-1.0).
    old: bool = False
    #: On a connection that has no other request after this one (proxy-nokeepalive).
    closes: bool = False
    #: On a connection that had none before it (proxy-initial-not-pooled, for the first of a client's connection).
    fresh: bool = False
    #: Its body with its length, not in chunks (proxy-sendcl).
    measured: bool = False


USUAL = Ways()
#: With one of these, both words about the body's framing mean nothing (as in httpd).
_CHUNKED = ("proxy-sendchunked", "proxy-sendchunks")
_WAYS = ("force-proxy-request-1.0", "proxy-nokeepalive", "proxy-initial-not-pooled", "proxy-sendcl")


def ways_of(req: Request) -> Ways:
    """What the variables of a request say of how it goes on."""
    env = req.mp_env
    if not env or not any(name in env for name in _WAYS):
        return USUAL
    old = "force-proxy-request-1.0" in env
    return Ways(
        old,
        old or "proxy-nokeepalive" in env,
        "proxy-initial-not-pooled" in env and not req.mp_link.connection().keepalives,
        old or ("proxy-sendcl" in env and not any(name in env for name in _CHUNKED)),
    )


def body_of(req: Request) -> Input | None:
    """The body that goes on with a request; None: none does, or it was thrown away before."""
    body = req.mp_input
    return None if body is None or body.is_dropped else body


def body_length(req: Request) -> int:
    """The length of a request's body as it goes on, `IN_CHUNKS` or `NONE`.

    An error document is asked for with what is left of the body of the request that failed, as by httpd: of one that
    another server got already, that is nothing.
    """
    body = req.mp_input
    length = req.mp_head.length
    if body is None or not length:
        told = req.mp_head.get("content-length")
        return NONE if told is None else 0
    if body.is_dropped or (body.complete and not body.waiting and body.count):
        return 0
    measured = length > 0 or (body.was_kept and body.complete)
    return body.waiting + body.missing if measured and type(body) is Input else IN_CHUNKS


def measured_length(req: Request) -> int:
    """Take all of a body in that came in chunks, and may wait for the client for it. :returns: its length.

    :raises Refused: it is longer than what is kept of bodies, or there is no room for it.
    """
    body, room = req.mp_input, req.mp_plan.body_room
    if type(body) is not Input or body.was_kept:
        raise Refused(constants.HTTP_LENGTH_REQUIRED, "the length of a body that goes through filters is not known")
    try:
        if not body.take_all(KeptBody(room), room.most):
            reason = f"a body in chunks is longer than {room.most} bytes (RequestBodySpool): its length can't be told"
            raise Refused(constants.HTTP_REQUEST_ENTITY_TOO_LARGE, reason)
    except ClientGone:
        raise
    except OSError as error:
        req.err_headers_out["Retry-After"] = "1"
        raise Refused(503, f"a body can't be kept in {room.directory}: {error.strerror}") from error
    return body.waiting


def field(req: Request, name: str) -> str | None:
    """A field of a request, by its lower-case name: that of its head, as long as nobody has changed any."""
    table = req.mp_table_in
    return req.mp_head.get(name) if table is None else table.get(name)


def file_path(req: Request) -> str:
    """The path of a request's file as a part of a URL; as in httpd without what follows it in the request's path."""
    return percent.encode_path(req.mp_filename or "")


def forwarded_fields(req: Request) -> list[tuple[str, str]]:
    """The fields of a request that go on to another server, with what is told of where it comes from.

    :returns: their bytes as latin-1.
    """
    table = req.headers_in
    named = str(table.get("Connection") or "").lower().split(",")
    was_asked = req.mp_user is not None and "proxy-chain-auth" not in (req.mp_env or ())
    left = (OWN_WITH_CREDENTIALS if was_asked else OWN).union(word.strip() for word in named)
    if req.mp_host.trace is not None:  # (it is the server's own word, which no client takes away)
        left -= {"traceparent", "tracestate"}
    conf = req.mp_plan.conf
    if req.mp_host.server.conf[VIA] == "block":
        left = left.union(("via",))
    pairs = [(name, value) for name, value in table.pairs() if name.lower() not in left]
    told = []
    if conf[ADD_HEADERS]:
        told.append(("X-Forwarded-For", (req.mp_agent or req.mp_link.client)[0]))
        if (host := table.get("Host")) is not None:
            told.append(("X-Forwarded-Host", str(host)))
        told.append(("X-Forwarded-Server", req.mp_host.name))
    if (by := via(req, req.mp_head.minor)) is not None:
        told.append(("Via", by))
    return [(name, as_sent(req, value)) for name, value in _merged(pairs, told) if is_token(name) and _is_line(value)]


def via(req: Request, minor: int) -> str | None:
    """What a message that came by such a minor version has passed here (ProxyVia); None: that is not told."""
    kind = req.mp_host.server.conf[VIA]
    if kind not in ("on", "full"):
        return None
    port = server_port(req)
    software = f" (mpserver/{VERSION})" if kind == "full" else ""
    where = req.mp_host.name + (f":{port}" if port != (443 if req.mp_link.tls is not None else 80) else "")
    return f"1.{minor} {where}{software}"


def _is_line(value: str) -> bool:
    """Whether a value ends with its line; most are told by the two methods, which are quick."""
    return (value.isascii() and value.isprintable()) or not _LINE_ENDS.search(value)


def _merged(pairs: list[tuple[str, str]], told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Fields, and those that are told: behind what there is of the same name (RFC 9110 5.3)."""
    names = {name.lower() for name, _ in told}
    before: dict[str, list[str]] = {}
    others = []
    for pair in pairs:
        lower = pair[0].lower()
        if lower in names:
            before.setdefault(lower, []).append(pair[1])
        else:
            others.append(pair)
    if not before:
        return others + told
    return others + [(name, ", ".join([*before.get(name.lower(), ()), value])) for name, value in told]


def host_of(req: Request, target: Target) -> str:
    """The Host field."""
    if req.mp_plan.conf[PRESERVE_HOST] and (own := req.headers_in.get("Host")) is not None:
        return str(own)
    return host_in_url(target)


def host_in_url(target: Target) -> str:
    """The host of a URL, with the port where it is not the scheme's own."""
    port = PORTS[UPGRADING.get(target.scheme, target.scheme)]
    written = target.authority.removesuffix(f":{port}").removesuffix(":")
    return written or "localhost"


def head(
    req: Request, target: Target, length: int, upgrade: str, fields: list[tuple[str, str]], ways: Ways = USUAL
) -> bytes:
    """The head for a server that speaks HTTP.

    :param length: of the body, see `body_length`.
    :param upgrade: the protocol that the connection is to have from then on; "": HTTP.
    :param fields: those that go on.
    """
    minor = 0 if ways.old and not upgrade else 1
    lines = [f"{req.mp_method} {target.rest or '/'} HTTP/1.{minor}", f"Host: {encoded(host_of(req, target))}"]
    lines += [f"{name}: {value}" for name, value in fields]
    if length == IN_CHUNKS:
        lines.append("Transfer-Encoding: chunked")
    elif length != NONE:
        lines.append(f"Content-Length: {length}")
    if upgrade:
        lines += [f"Upgrade: {upgrade}", "Connection: Upgrade"]
    elif minor:
        lines.append(f"Connection: {'close' if ways.closes else 'Keep-Alive'}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
