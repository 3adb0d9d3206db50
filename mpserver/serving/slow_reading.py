"""A part of a request that comes in pieces: how long the rest may take (RequestReadTimeout)."""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.modules.reqtimeout import Stage


class SlowReading:
    """A head or a body under way."""

    __slots__ = ("_begun", "received", "stage")

    def __init__(self, stage: Stage, begun: float) -> None:
        """``begun``: when its first bytes came, or could have come, ``time.monotonic()``."""
        self.stage = stage
        self._begun = begun
        #: How many bytes of it have come.
        self.received = 0

    @property
    def until(self) -> float:
        """When the rest has to be here, ``time.monotonic()``."""
        return self._begun + self.stage.lasts(self.received)


def first_line(data: bytes, limit: int) -> tuple[str, bool]:
    """What has come of a request's first line, up to a limit in bytes; and whether its end has come."""
    line, end, _ = data.lstrip(b"\r\n").partition(b"\n")
    return line[:limit].rstrip(b"\r").decode("latin-1"), bool(end)
