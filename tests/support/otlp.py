"""A small receiver of OTLP over HTTP (protobuf), as a collector is one."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    """A span as it came; ids are texts of digits of 16, "" for no parent."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    attributes: dict[str, Any]
    error: bool


class Collector:
    """What has come."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []
        #: What it answers with.
        self.status = 200
        #: So many bytes are taken at a time: more are refused (413).
        self.most = 1 << 30
        #: Answers wait for it.
        self.free = threading.Event()
        self.free.set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it takes spans."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def take(self, data: bytes) -> None:
        """Take what was posted."""
        request = ExportTraceServiceRequest.FromString(data)
        found: list[Span] = []
        for resource_spans in request.resource_spans:
            service = _values(resource_spans.resource.attributes)["service.name"]
            for scope_spans in resource_spans.scope_spans:
                found += [
                    Span(
                        service, span.name, span.kind, span.trace_id.hex(), span.span_id.hex(),
                        span.parent_span_id.hex(), span.start_time_unix_nano, span.end_time_unix_nano,
                        _values(span.attributes), span.status.code == 2,
                    )
                    for span in scope_spans.spans
                ]  # fmt: skip
        self.spans += found  # (at once: who finds a request's own span finds those below it)

    def of(self, path: str) -> list[Span]:
        """The spans of requests for a path that have come so far."""
        traces = {span.trace for span in list(self.spans) if span.attributes.get("url.path") == path}
        return [span for span in list(self.spans) if span.trace in traces]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextlib.contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """One that takes spans meanwhile."""
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            made.free.wait(60)
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            status = 413 if len(data) > made.most else made.status
            if status == 200:
                made.take(data)
                made.headers.append(dict(self.headers))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Listening(ThreadingHTTPServer):
        daemon_threads = True

    with Listening(("127.0.0.1", port), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            made.free.set()
            server.shutdown()
            thread.join()
