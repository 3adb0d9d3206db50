"""What makes the traces of a server's requests."""

from __future__ import annotations

from mpserver.modules.tracing import NEW, OFF, SAMPLING, context
from mpserver.modules.tracing.places import Context
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.server import Server


def trace_context(server: Server) -> Context | None:
    """How the requests of a server come to their traces; None where it knows of none."""
    kind = context(server.conf)
    return None if kind == OFF else Context(believes=kind != NEW, share=server.conf[SAMPLING])
