"""The place of a request in a trace: read of its head, or made (W3C Trace Context, 2 and 3).

``traceparent`` is ``00-<trace-id>-<parent-id>-<trace-flags>``, all in lower-case digits of 16. What the server passes
on has its own span as the parent: what an application does is a part of that.
"""

from __future__ import annotations

import os

from mpserver import lazyre
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.http1.head import Head

#: What a client may send: version ff is none, and neither are ids of zeros. Later versions may add fields behind.
_given = lazyre.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<parent>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
#: How many bytes of a trace's id decide whether it is sampled, and of how many values.
_BYTES = 7
_VALUES = 1 << 8 * _BYTES


class Context:
    """How the requests of a server come to their traces."""

    __slots__ = ("_believes", "_limit")

    def __init__(self, *, believes: bool, share: float) -> None:
        """:param believes: whether traces that clients tell go on here.

        :param share: of the traces that begin here, those that are sampled, from 0 to 1.
        """
        self._believes, self._limit = believes, int(share * _VALUES)

    def begin(self, head: Head) -> tuple[str, str]:
        """The traceparent of a request's own span, and the id of the one above it; "" where the trace begins here.

        A trace that goes on is sampled if the client samples it.
        """
        given = head.get("traceparent") if self._believes else None
        match = None if given is None else _given.fullmatch(given)
        if match is not None and (match["version"] != "00" or match["more"] is None):
            flags = "01" if int(match["flags"], 16) & 1 else "00"
            return f"00-{match['trace']}-{_span()}-{flags}", match["parent"]
        trace = os.urandom(16)
        sampled = int.from_bytes(trace[-_BYTES:]) < self._limit
        return f"00-{trace.hex()}-{_span()}-{'01' if sampled else '00'}", ""


def _span() -> str:
    return os.urandom(8).hex()
