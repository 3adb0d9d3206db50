"""The tables of a request: its headers, its environment, its notes; and what its trace adds to them."""

from __future__ import annotations

from mpserver.api.error_log import first_of
from mpserver.api.members import ReadOnly
from mpserver.api.table import Table
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.http1.head import Head

#: The headers, in lower case, that are about the client's own request alone: sub-requests don't have them.
OWN = frozenset(
    (
        "content-encoding", "content-language", "content-length", "content-location", "content-range", "content-type",
        "transfer-encoding", "expect", "range", "if-match", "if-none-match", "if-modified-since", "if-range",
        "if-unmodified-since",
    )
)  # fmt: skip


class TraceContext(Protocol):
    """How the requests of a server come to their traces."""

    def begin(self, head: Head) -> tuple[str, str]:
        """The traceparent of a request's own span, and the id of the span above it, "" where there is none."""


class RequestTables:
    """The tables, which are made when they are first looked at."""

    if not TYPE_CHECKING:
        __slots__ = ()

    mp_head: Head
    mp_host: Any
    mp_main: Any
    mp_table_in: Table | None
    mp_env: Table | None = None
    mp_notes: Table | None = None
    #: See `mp_traced`, once that was asked for; of the request from the client.
    mp_trace: tuple[str, str] | None = None

    def mp_traced(self) -> tuple[str, str] | None:
        """Its traceparent (W3C Trace Context), and the id of the span above, "" for none; None: it has no trace.

        It is the same for what it is redirected to and for the parts of its page.
        """
        context: TraceContext | None = self.mp_host.trace
        if context is None:
            return None
        first: RequestTables = first_of(self)
        if first.mp_trace is None:
            first.mp_trace = context.begin(first.mp_head)
        return first.mp_trace

    def mp_tell_trace(self, headers: Table) -> None:
        """What the client has told of a trace becomes what is passed on."""
        traced = self.mp_traced()
        if traced is not None:
            headers["traceparent"] = traced[0]
            if not traced[1]:  # (it is about a trace that does not go on here)
                del headers["tracestate"]

    @ReadOnly
    def headers_in(self) -> Table:
        """The headers of the request."""
        if self.mp_table_in is None:
            if self.mp_main is None:
                table = Table.from_pairs(*self.mp_head.merged())
                if self.mp_host.trace is not None:
                    self.mp_tell_trace(table)
                self.mp_table_in = table
            else:
                pairs = self.mp_main.headers_in.pairs()
                self.mp_table_in = Table.from_pairs([pair for pair in pairs if pair[0].lower() not in OWN])
        return self.mp_table_in

    @ReadOnly
    def subprocess_env(self) -> Table:
        """The CGI environment; see `add_common_vars`."""
        if self.mp_env is None:
            outer = None if self.mp_main is None else self.mp_main.mp_env
            self.mp_env = Table.from_pairs(outer.pairs()) if outer else Table()
            if self.mp_host.trace is not None and (traced := self.mp_traced()) is not None:
                self.mp_env["TRACEPARENT"] = traced[0]
        return self.mp_env

    @property
    def mp_variables(self) -> Table | None:
        """`subprocess_env`, for who only looks into it; None: there is nothing in it."""
        return self.mp_env if self.mp_env is not None or self.mp_host.trace is None else self.subprocess_env

    @ReadOnly
    def notes(self) -> Table:
        """A table for whatever applications want, as long as the request."""
        if self.mp_notes is None:
            self.mp_notes = Table()
        return self.mp_notes
