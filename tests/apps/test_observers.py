"""What watches applications, as people install it: metrics of all processes together, spans, and reports of errors."""

from __future__ import annotations

import gzip
import http.server
import importlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from support.apps import loads, needs
from support.otlp import collector
from support.waiting import wait_for

pytestmark = pytest.mark.apps

#: The kinds of interpreters that have no daemon threads.
WITHOUT_DAEMONS = ("own",) if sys.version_info >= (3, 14) else ("own", "shared")

CONF = """
<Location />
    {environ}
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonPath "sys.path + ['${{WWW}}']"
    PythonInterpreter site
    PythonOption mod_python.wsgi.application watched
</Location>
"""

METRICS = """
import os
from mod_python import apache
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

seen = Counter("seen", "requests", ["path"])
sizes = Histogram("sizes", "of answers", buckets=[10, 100])
alive = Gauge("alive", "processes", multiprocess_mode="livesum")
registry = CollectorRegistry()
MultiProcessCollector(registry)
metrics = make_wsgi_app(registry)
apache.register_cleanup(mark_process_dead, os.getpid())


def application(environ, start_response):
    if environ["PATH_INFO"] == "/metrics":
        return metrics(environ, start_response)
    seen.labels(environ["PATH_INFO"]).inc()
    sizes.observe(50)
    alive.set(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]
"""


def test_prometheus_adds_up_all_processes(kind: str, mpm: str, start_server: StartServer, tmp_path: Path) -> None:
    """Its multiprocess mode: a file of each process, and whichever is asked tells the sum."""
    needs("prometheus_client")
    folder = tmp_path / "metrics"
    folder.mkdir()
    conf = CONF.format(environ=f"PythonInterpEnv PROMETHEUS_MULTIPROC_DIR {folder}")
    server = start_server(conf, {"watched.py": METRICS}, backend=kind, mpm=mpm, workers=3, mode="foreground")
    pids: list[str] = []

    def ask(threads: ThreadPoolExecutor) -> bool:
        pids.extend(threads.map(lambda _number: server.get("/a").text, range(8)))
        return len(set(pids)) > 1

    with ThreadPoolExecutor(8) as threads:
        wait_for(lambda: ask(threads), "two processes to have served")
    pids.extend(server.get("/b%20c").text for _ in range(5))
    text = server.get("/metrics").text
    assert f'seen_total{{path="/a"}} {len(pids) - 5}.0' in text
    assert 'seen_total{path="/b c"} 5.0' in text
    assert f'sizes_bucket{{le="100.0"}} {len(pids)}.0' in text
    assert re.findall(r"^alive ([\d.]+)$", text, re.MULTILINE) == [f"{len(set(pids))}.0"]
    server.stop()
    left = {path.name for path in folder.iterdir()}
    assert left >= {f"counter_{pid}.db" for pid in pids}
    assert not left & {f"gauge_livesum_{pid}.db" for pid in pids}


SPANS = """
from flask import Flask
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import {processor}

provider = TracerProvider(resource=Resource.create({{"service.name": "the shop"}}))
provider.add_span_processor({processor}(OTLPSpanExporter(endpoint="{url}")))
application = Flask(__name__)


@application.get("/buy/<thing>")
def buy(thing):
    with trace.get_tracer(__name__, tracer_provider=provider).start_as_current_span("pays"):
        return f"{{thing}} is bought"


@application.get("/fails")
def fails():
    raise LookupError("a fault of the page")


application.wsgi_app = OpenTelemetryMiddleware(application.wsgi_app, tracer_provider=provider)
"""


@pytest.mark.parametrize("processor", ["SimpleSpanProcessor", "BatchSpanProcessor"])
def test_opentelemetry_exports_spans(kind: str, mpm: str, start_server: StartServer, processor: str) -> None:
    needs("flask", "opentelemetry.instrumentation.wsgi", "opentelemetry.exporter.otlp.proto.http")
    if kind in WITHOUT_DAEMONS and processor == "BatchSpanProcessor":
        pytest.skip("it exports in a daemon thread: auto gives it a process")
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with collector() as sink:
        source = SPANS.format(processor=processor, url=sink.url)
        environ = "PythonInterpEnv OTEL_BSP_SCHEDULE_DELAY 200"
        server = start_server(CONF.format(environ=environ), {"watched.py": source}, backend=kind, mpm=mpm)
        reply = server.get("/buy/tea", {"traceparent": caller})
        assert reply.text == "tea is bought"
        assert server.get("/fails").status == 500
        wait_for(lambda: len(sink.spans) >= 3, "the spans", 60)
    spans = {span.name: span for span in sink.spans}
    pays = spans.pop("pays")
    (fails,) = [span for span in spans.values() if span.attributes.get("http.status_code") == 500]
    (asked,) = [span for span in spans.values() if span is not fails]
    assert (pays.service, pays.trace, pays.parent) == ("the shop", caller.split("-")[1], asked.id)
    assert (asked.kind, asked.parent, asked.trace) == (2, caller.split("-")[2], pays.trace)
    assert (asked.attributes["http.target"], asked.attributes["http.status_code"]) == ("/buy/tea", 200)
    assert fails.error


REPORTS = """
import logging
import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

sentry_sdk.init(dsn="http://key@127.0.0.1:{port}/1", send_default_pii=True)


def site(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if environ["PATH_INFO"] == "/fails":
        sentry_sdk.set_tag("name", "Zo\u00eb")
        raise LookupError("a fault of the page")
    if environ["PATH_INFO"] == "/logs":
        logging.error("it is %s", "logged")
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield environ["wsgi.input"].read(length)
    yield b"!"


application = SentryWsgiMiddleware(site)
"""


@pytest.fixture
def reports() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A port that takes Sentry's envelopes, and the events that have come."""
    events: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = iter(lambda: int(self.rfile.readline(), 16), 0)
                data = b"".join((self.rfile.read(size), self.rfile.readline())[0] for size in parts)
            else:
                data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            elif self.headers.get("Content-Encoding") == "br":
                data = importlib.import_module("brotli").decompress(data)
            events.extend(found for line in data.splitlines() if "exception" in (found := json.loads(line)))
            events.extend(found for line in data.splitlines() if "logentry" in (found := json.loads(line)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    class Listening(http.server.ThreadingHTTPServer):
        daemon_threads = True

    with Listening(("127.0.0.1", 0), Handler) as sink:
        thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield sink.server_address[1], events
        finally:
            sink.shutdown()
            thread.join()


def test_sentry_hears_of_errors(
    kind: str, mpm: str, start_server: StartServer, reports: tuple[int, list[dict[str, Any]]]
) -> None:
    needs("sentry_sdk")
    if kind in WITHOUT_DAEMONS:
        pytest.skip("it sends in a daemon thread: auto gives it a process")
    port, events = reports
    server = start_server(CONF.format(environ=""), {"watched.py": REPORTS.format(port=port)}, backend=kind, mpm=mpm)
    assert loads(server.port) == 200
    assert server.request("POST", "/", b"text").text == "text!"

    def heard(path: str, kind_of_event: str) -> dict[str, Any]:
        """The event that a request makes; what an application would have sent before auto moves it is lost."""

        def look() -> dict[str, Any]:
            found = next((event for event in list(events) if kind_of_event in event), {})
            if not found and kind == "auto":
                server.request("POST", path, b"a=b", headers)
            return found

        server.request("POST", path, b"a=b", headers)
        return wait_for(look, "the event", 60)

    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "a browser"}
    event = heard("/fails?q=1", "exception")
    (raised,) = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("LookupError", "a fault of the page")
    assert raised["stacktrace"]["frames"][-1]["function"] == "site"
    asked = event["request"]
    assert (asked["url"], asked["query_string"]) == (f"http://127.0.0.1:{server.port}/fails", "q=1")
    assert (asked["method"], asked["headers"]["User-Agent"]) == ("POST", "a browser")
    assert (event["tags"]["name"], event["user"]["ip_address"]) == ("Zoë", "127.0.0.1")
    server.wait_for_log("LookupError: a fault of the page")
    assert heard("/logs", "logentry")["logentry"]["message"] == "it is %s"
