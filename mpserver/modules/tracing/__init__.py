"""Distributed traces (W3C Trace Context): which place a request has in one, and which are exported.

The module is this server's own; httpd has none for it.
"""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting
from mpserver.system.log_targets import QUEUE

#: What TraceContext says: traces that clients tell go on here, or each request begins one; without it none are made.
ON, NEW, OFF = "on", "new", "off"

#: None where nothing says it: it is on wherever another directive of the module stands.
CONTEXT: Setting[str | None] = Setting("TraceContext", None)
#: The share of the traces that begin here which are sampled, from 0 to 1.
SAMPLING = Setting("TraceSampling", 1.0)
#: The URL that sampled spans are sent to by OTLP; None: nowhere. Of the main server alone.
EXPORT: Setting[str | None] = Setting("TraceExport", None)
#: What the server is called in traces (``service.name``).
SERVICE = Setting("TraceServiceName", "mpserver")

#: Whether ``mpserver --trace`` is told of requests. No directive sets it: a server that it asks has a twin with it.
TOLD = Setting("--trace", False, travels=False)
#: In the place of the descriptor of a log: what is told goes to who asked.
TO_WHO_ASKED = -1

#: What sends them, a program of the server's own.
EXPORTER = "mpserver.telemetry"
#: What that needs, an extra: mpserver[opentelemetry].
LIBRARY = "opentelemetry.exporter.otlp.proto.http"


def context(conf: Conf) -> str:
    """What TraceContext means for a server: one of its words."""
    return conf[CONTEXT] or (ON if conf[EXPORT] or SAMPLING in conf or SERVICE in conf else OFF)


def target(conf: Conf) -> str | None:
    """Where the records of a server's requests go, as a target of `mpserver.system.log_files`; None: nowhere."""
    url = conf[EXPORT]
    return None if url is None or context(conf) == OFF else f"{QUEUE}{EXPORTER} {url}"
