"""When the first byte of a response leaves (LogIOTrackTTFB)."""

from __future__ import annotations

import time

from mpserver.api import constants
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.modules.logio import TRACK_TTFB
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

ORDER = {"head": Order.LAST, "error_head": Order.LAST}

PLAIN = frozenset({"head"})


def head(planning: Planning) -> Step | None:
    """Note the time at which the head is made, which is sent at once."""
    return _note if planning.conf[TRACK_TTFB] else None


error_head = head


def _note(req: Request) -> int:
    req.mp_first_byte = time.time()
    return constants.OK
