"""When something is to be done for a certificate: decisions as pure functions. Times in seconds since the epoch."""

from __future__ import annotations

from mpserver.modules.md import Window
from mpserver.typing import NamedTuple

#: The longest wait after errors in a row.
LONGEST_DELAY = 24 * 3600.0
#: What share of the interval between two looks a new certificate is not renewed for, whatever an authority says.
REST = 1 / 12
#: An error is told to programs once in so many seconds, and that a certificate ends once a day.
TELL_ERRORS, TELL_ENDS = 3600.0, 86400.0


class Life(NamedTuple):
    """From when and until when a certificate is good."""

    begins: float
    ends: float

    def renewed_from(self, window: Window) -> float:
        """When its renewal begins."""
        return self.ends - window.seconds(self.ends - self.begins)


def delay(first: float, errors: int) -> float:
    """How long to wait after so many errors in a row: doubled by each."""
    return min(first * 2.0 ** min(max(errors - 1, 0), 30), LONGEST_DELAY)


def authority(count: int, errors: int, failover: int) -> int:
    """Which of so many authorities is asked: another one after so many errors in a row."""
    return errors // failover % count
