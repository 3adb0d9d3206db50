"""RequestReadTimeout: how long clients may take to send a request (httpd's mod_reqtimeout)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.typing import NamedTuple


class Stage(NamedTuple):
    """The time for a part of a request, in seconds; without a first time, 0, there is no limit but Timeout.

    ``most``: data prolongs it up to that (0: without end), a second for each ``rate`` bytes (0: they don't).
    """

    first: float = 0.0
    most: float = 0.0
    rate: int = 0

    def lasts(self, received: int) -> float:
        """How long this part may take, in seconds from its begin, when so many bytes of it have come."""
        if not self.rate:
            return self.first
        wanted = self.first + received / self.rate
        return min(wanted, self.most) if self.most else wanted


class ReadTimeouts(NamedTuple):
    """The times for a handshake of TLS, for the head of a request, and for its body: httpd's defaults."""

    handshake: Stage = Stage()
    header: Stage = Stage(20.0, 40.0, 500)
    body: Stage = Stage(20.0, 0.0, 500)


READ_TIMEOUTS: Setting[ReadTimeouts] = Setting("RequestReadTimeout", ReadTimeouts())
