"""What is told of a request becomes spans, by the semantic conventions of OpenTelemetry for HTTP servers (stable).

Nothing secret leaves: of a query only the names, of the headers only the user agent and the host.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from mpserver.ipc.span_records import Record
from mpserver.typing import Any, NamedTuple
from mpserver.version import VERSION

SCOPE = InstrumentationScope("mpserver", VERSION)
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
#: Others are told as _OTHER.
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY"})
#: What the value of a query's name is replaced by.
REDACTED = "REDACTED"
_PORTS = {"http": 80, "https": 443}
#: What is told by who runs applications: a place, and of each kind of fact so much.
_PLACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01] ([0-9a-f]{16})?")
LONGEST = 1000
#: Seconds since the epoch that spans may have (a collector takes nanoseconds of 64 bits).
LATEST = 1e10
#: The facts that are no text, or may be missing.
_KINDS: dict[str, tuple[type, ...]] = {
    "minor": (int,), "port": (int,),
    **dict.fromkeys(("query", "agent", "user_agent", "interpreter"), (str, type(None)))
}  # fmt: skip


class Facts(NamedTuple):
    """What many requests have in common, as `mpserver.modules.tracing.collecting` tells it."""

    service: str
    method: str
    path: str
    query: str | None
    minor: int
    host: str
    agent: str | None
    user_agent: str | None
    server: str
    interpreter: str | None


class Peer(NamedTuple):
    """What requests of one connection have in common."""

    scheme: str
    address: str
    port: int


class Maker:
    """Makes spans."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}

    def spans(self, record: Record) -> Iterator[ReadableSpan]:
        """Those of a request: its own, and those of what ran for it.

        :raises ValueError: the record is malformed.
        """
        try:
            facts: Facts = _read(Facts, record.facts)
            peer: Peer = _read(Peer, record.peer)
            resource = self._resource(facts.service)
            trace, span, parent = _ids(record.place)
            own = SpanContext(trace, span, is_remote=False, trace_flags=SAMPLED)
            above = None if parent is None else SpanContext(trace, parent, is_remote=True, trace_flags=SAMPLED)
            method = facts.method if facts.method in METHODS else "HTTP"
            yield ReadableSpan(
                name=method,
                context=own,
                parent=above,
                resource=resource,
                attributes=_attributes(facts, peer, record),
                kind=SpanKind.SERVER,
                instrumentation_scope=SCOPE,
                status=_status(record.status),
                start_time=_nanoseconds(record.begin),
                end_time=_nanoseconds(record.end),
            )
            # (each is within what began before it and has not ended yet)
            around = [(own, record.end)]
            for name, begin, end, result in sorted(record.spans, key=lambda its: (its[1], -its[2])):
                while len(around) > 1 and begin >= around[-1][1]:
                    around.pop()
                context = SpanContext(trace, _number(8), is_remote=False, trace_flags=SAMPLED)
                yield ReadableSpan(
                    name=_text(name),
                    context=context,
                    parent=around[-1][0],
                    resource=resource,
                    attributes={"mpserver.result": result},
                    kind=SpanKind.INTERNAL,
                    instrumentation_scope=SCOPE,
                    status=_status(result),
                    start_time=_nanoseconds(begin),
                    end_time=_nanoseconds(end),
                )
                around.append((context, end))
        except (TypeError, OverflowError) as error:
            raise ValueError(f"a record is malformed: {error}") from error

    def _resource(self, service: str) -> Resource:
        """What a service is called; the environment variables of OpenTelemetry may add to it."""
        resource = self._resources.get(service)
        if resource is None:
            if len(self._resources) >= 1000:
                self._resources.clear()
            resource = Resource.create({"service.name": service})
            # (OTEL_SERVICE_NAME would be that of all services of this server)
            resource = self._resources[service] = resource.merge(Resource({"service.name": service}))
        return resource


def _read(kind: Any, told: Any) -> Any:
    """What was told, which need not be true, as facts of a kind. :raises ValueError: it can't be."""
    facts = kind(*(_text(its) if type(its) is str else its for its in told))
    for name, its in zip(kind._fields, facts, strict=True):
        if not isinstance(its, _KINDS.get(name, (str,))):
            raise ValueError(f"a record is malformed: {name} is none")
    return facts


def _text(told: str) -> str:
    """So much of a text, as can be sent."""
    return told[:LONGEST].encode("utf-8", "replace").decode()


def _ids(place: tuple[str, str] | None) -> tuple[int, int, int | None]:
    """The ids of trace, span, and the span above; a request that nobody asked for its place has none yet."""
    if place is None:
        return _number(16), _number(8), None
    match = _PLACE.fullmatch(" ".join(place))
    if match is None or not (int(match[1], 16) and int(match[2], 16)):
        raise ValueError("a record is malformed: its place is none")
    return int(match[1], 16), int(match[2], 16), int(match[3], 16) if match[3] else None


def _number(size: int) -> int:
    """A number by chance that is not 0."""
    return int.from_bytes(os.urandom(size)) or 1


def _attributes(facts: Facts, peer: Peer, record: Record) -> dict[str, Any]:
    host, port = _authority(facts.host or facts.server)
    found: dict[str, Any] = {
        "http.request.method": facts.method if facts.method in METHODS else "_OTHER",
        "url.scheme": peer.scheme,
        "url.path": facts.path,
        "server.address": host,
        "server.port": port or _PORTS.get(peer.scheme, 80),
        "client.address": facts.agent or peer.address,
        "network.peer.address": peer.address,
        "network.peer.port": peer.port,
        "network.protocol.version": "1.1" if facts.minor else "1.0",
        "http.response.status_code": record.status,
        "http.response.body.size": record.sent,
        "mpserver.virtual_host": facts.server,
    }
    if facts.method not in METHODS:
        found["http.request.method_original"] = facts.method
    if facts.query is not None:
        found["url.query"] = redacted(facts.query)
    if facts.user_agent is not None:
        found["user_agent.original"] = facts.user_agent
    if facts.interpreter is not None:
        found["mpserver.interpreter"] = facts.interpreter
    if record.status >= 500:
        found["error.type"] = str(record.status)
    return found


def redacted(query: str) -> str:
    """A query without its values, which may be passwords and keys; what has no name is a value, too."""
    parts = []
    for part in query.split("&"):
        name, equals, _value = part.partition("=")
        parts.append(f"{name}={REDACTED}" if equals else REDACTED if part else "")
    return "&".join(parts)


def _authority(host: str) -> tuple[str, int]:
    """A host's name and port; 0 for none."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit() and not name.endswith(":"):
        return name.strip("[]"), int(port)
    return host.strip("[]"), 0


def _status(status: int) -> Status:
    return Status(StatusCode.ERROR if status >= 500 else StatusCode.UNSET)


def _nanoseconds(seconds: float) -> int:
    if not 0.0 <= seconds < LATEST:
        raise ValueError(f"a record is malformed: {seconds} is no time")
    return int(seconds * 1e9)
