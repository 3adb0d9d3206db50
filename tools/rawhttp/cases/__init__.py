"""The table of all cases, by what they are about."""

from __future__ import annotations

from collections.abc import Mapping

from rawhttp.case import Case
from rawhttp.cases import bodies, chunks, connections, fields, files, framing, hosts, lines, methods, targets

CASES: Mapping[str, tuple[Case, ...]] = {
    "Lines of the head": lines.CASES,
    "Methods and versions": methods.CASES,
    "Targets": targets.CASES,
    "Hosts": hosts.CASES,
    "Fields": fields.CASES,
    "Content-Length": framing.LENGTHS,
    "Transfer-Encoding": framing.CODINGS,
    "Chunks": chunks.CASES,
    "Bodies and Expect": bodies.CASES,
    "Connections": connections.CASES,
    "Conditions and ranges": files.CASES,
}
