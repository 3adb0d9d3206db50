"""What the master knows of the server's health: for ManagementListen, and for the status pages of workers."""

from __future__ import annotations

import json
import socket
import struct
import time

from mpserver.api.error_log import ERROR
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules.status import metrics
from mpserver.modules.status.report import report
from mpserver.supervisor.management import Answer, Respond
from mpserver.system.listeners import Listeners
from mpserver.typing import Any, Protocol

#: For how long a report serves those who ask, in seconds: so asking can't keep the master from its work.
FRESH = 0.25

#: Pages that tell nothing but whether to send clients here, so that whoever asks may name the server as he likes.
OPEN = ("/livez", "/readyz")

#: Where the length of the accept queue is in the kernel's ``struct tcp_info`` of a listener.
_QUEUE = struct.Struct("=24xI")


class Supervisor(Protocol):
    """What is asked of the master."""

    def tell_facts(self) -> None:
        """Publish what it knows beside the scoreboard."""

    def tell(self, level: int, text: str) -> None:
        """Write to the error log."""

    def unready(self) -> str:
        """Why clients should not be sent here; "": they should."""

    @property
    def scoreboard(self) -> Scoreboard:
        """The scoreboard."""

    @property
    def threads(self) -> int:
        """How many requests an interpreter serves at a time."""


class Health:
    """The pages."""

    __slots__ = ("_at", "_known", "_master")

    def __init__(self, master: Supervisor) -> None:
        self._master = master
        self._known: dict[str, Any] = {}
        self._at = float("-inf")

    def pages(self) -> dict[str, Respond]:
        """By path."""
        made = {"/livez": _live, "/readyz": self._ready, "/metrics": self._metrics, "/status.json": self._status}
        return {path: self._guarded(path, respond) for path, respond in made.items()}

    def _guarded(self, path: str, respond: Respond) -> Respond:
        def guard(accept: str) -> Answer:
            try:
                return respond(accept)
            except Exception as error:  # what a page is made of stands in memory that applications may write to
                self._master.tell(ERROR, f"ManagementListen: there is no {path} now: {type(error).__name__}: {error}")
                return Answer(500, b"what this is made of makes no sense\n")

        return guard

    def _ready(self, _accept: str) -> Answer:
        why = self._master.unready()
        return Answer(503, f"{why}\n".encode()) if why else Answer(200, b"ready\n")

    def _report(self) -> dict[str, Any]:
        now = time.monotonic()
        if now - self._at > FRESH:
            self._master.tell_facts()
            self._known, self._at = report(self._master.scoreboard, self._master.threads), now
        return self._known

    def _metrics(self, accept: str) -> Answer:
        kind, text = metrics.answer(self._report(), accept)
        return Answer(200, text, kind)

    def _status(self, _accept: str) -> Answer:
        return Answer(200, json.dumps(self._report()).encode() + b"\n", "application/json")


def _live(_accept: str) -> Answer:
    return Answer(200, b"ok\n")


def queues(listeners: Listeners) -> list[dict[str, Any]]:
    """How many connections wait at each address."""
    found = []
    for address, socks in listeners.by_address.items():
        waiting = 0
        for sock in socks:
            try:
                waiting += _QUEUE.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _QUEUE.size))[0]
            except OSError:
                pass  # it is no TCP socket, or is closed
        found.append({"address": str(address), "waiting": waiting})
    return found
