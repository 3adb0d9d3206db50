"""Logs of requests, as modules tell the server of them (the hook ``open_logs``)."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.typing import Any, NamedTuple, Protocol


class TransactionLog(Protocol):
    """What is written about each request."""

    @property
    def is_conditional(self) -> bool:
        """Whether not every request is written down: see `wants`."""

    @property
    def line(self) -> Callable[[Any], Any]:
        """Makes a request's line, without its end; or adds it to a `mpserver.system.log_lines.Batch`.

        None: there is nothing to be written, for the batch waits already.
        """

    def wants(self, req: Any) -> bool:
        """Whether a request is written down."""


class OpenLog(NamedTuple):
    """A log of requests, and the descriptor that its lines go to."""

    fd: int
    log: TransactionLog
