"""Gives each request its id, as the variable UNIQUE_ID."""

from __future__ import annotations

import os
import struct
import time
from base64 import b64encode
from itertools import count

from mpserver.api import constants
from mpserver.modules.hooks import Step
from mpserver.modules.known import Order
from mpserver.modules.unique_id import ACTIVE
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.server import Server

#: (other modules may use it from the beginning)
ORDER = {"begin": Order.FIRST}

#: The second, who makes it (a random number), his process, and how many he has made: 20 bytes, 27 letters.
_ID = struct.Struct("!I8sII")


def begin(server: Server) -> Step | None:
    """For the requests of a server, where the module is loaded."""
    if not server.conf[ACTIVE]:
        return None
    numbers = count(int.from_bytes(os.urandom(3)))
    #: Made for the first request: a process may be forked from one that has this step already.
    makers: dict[int, bytes] = {}

    def give(req: Request) -> int:
        before = req.mp_prev
        if before is not None and before.mp_env is not None and (known := before.mp_env.get("UNIQUE_ID")) is not None:
            req.subprocess_env["UNIQUE_ID"] = known  # (it is the same request of the client)
            return constants.OK
        if req.mp_env is not None and "UNIQUE_ID" in req.mp_env:
            return constants.OK  # (it got one in another interpreter)
        process = os.getpid()
        maker = makers.get(process)
        if maker is None:
            maker = makers.setdefault(process, os.urandom(8))
        data = _ID.pack(int(time.time()), maker, process & 0xFFFFFFFF, next(numbers) & 0xFFFFFFFF)
        req.subprocess_env["UNIQUE_ID"] = b64encode(data, b"@-").decode().rstrip("=")
        return constants.OK

    return give
