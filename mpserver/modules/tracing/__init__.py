"""Distributed traces (W3C Trace Context): which place a request has in one, and which are exported.

The module is this server's own; httpd has none for it.
"""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting

#: What TraceContext says: traces that clients tell go on here, or each request begins one; without it none are made.
ON, NEW, OFF = "on", "new", "off"

#: None where nothing says it: it is on wherever another directive of the module stands.
CONTEXT: Setting[str | None] = Setting("TraceContext", None)
#: The share of the traces that begin here which are sampled, from 0 to 1.
SAMPLING = Setting("TraceSampling", 1.0)


def context(conf: Conf) -> str:
    """What TraceContext means for a server: one of its words."""
    return conf[CONTEXT] or (ON if SAMPLING in conf else OFF)
