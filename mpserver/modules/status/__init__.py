"""What the server does right now, for people and programs (httpd's mod_status), and its metrics."""

from __future__ import annotations

from mpserver.config.settings import Setting

#: The names of the content handlers: the page of httpd's name, and the metrics.
HANDLER, METRICS_HANDLER = "server-status", "server-metrics"

#: Whether the end of a long request line is shown in place of its beginning.
SEE_REQUEST_TAIL = Setting("SeeRequestTail", False)

#: Where the master itself answers: ADDRESS:PORT, or unix: with an absolute path; "": nowhere.
MANAGEMENT_LISTEN = Setting("ManagementListen", "")
