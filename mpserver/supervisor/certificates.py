"""The process that gets certificates, as the master sees it."""

from __future__ import annotations

import socket

from mpserver.ipc import plain_data
from mpserver.supervisor.companion import Companion
from mpserver.supervisor.engine import Renew
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.watched import Watched
from mpserver.typing import Any

#: What it tells of a domain; so many domains are kept, and so much of a text.
TOLD = plain_data.row(plain_data.of(str), plain_data.of(int), plain_data.of(float), plain_data.of(str))
MOST, LONGEST = 20, 300


class CertificateProcess(Companion):
    """The process of the current generation, where that has domains."""

    __slots__ = ("_failing", "_renew")

    name, title, module = "certificates", "mpserver: certificates", "md"

    def __init__(self, renew: Renew | None, watched: Watched) -> None:
        """``renew`` is the process's life."""
        super().__init__(watched)
        self._renew = renew
        #: What it has told of domains without a new certificate, by their names.
        self._failing: dict[str, dict[str, Any]] = {}

    def failing(self) -> list[dict[str, Any]]:
        """The domains whose certificates could not be had, for the status: some, if there are many."""
        return list(self._failing.values())

    def is_needed(self, generation: Generation) -> bool:
        """See `Companion.is_needed`."""
        return generation.domains is not None and self._renew is not None

    def live(self, generation: Generation, control: socket.socket, fresh: bool) -> None:
        """See `Companion.live`."""
        assert generation.domains is not None and self._renew is not None
        self._renew(generation.domains, generation.error_log, fresh, lambda *told: _say(control, told))

    def end(self) -> None:
        """See `Companion.end`."""
        self._failing.clear()
        super().end()

    def heard(self, data: bytes) -> None:
        """It tells how domains stand; what it says need not be true, for applications run as the same account."""
        try:
            name, errors, again, why = plain_data.shaped(data, TOLD)
        except ValueError:
            return
        if not errors:
            self._failing.pop(name, None)
        elif name in self._failing or len(self._failing) < MOST:
            self._failing[name] = {"name": name[:LONGEST], "errors": errors, "again": again, "why": why[:LONGEST]}


def _say(control: socket.socket, told: tuple[Any, ...]) -> None:
    """Tell the master; it learns the next time what finds no room now, and a server of one process has none."""
    name, errors, again, why = told
    try:
        control.send(plain_data.pack((name, errors, again, why[:LONGEST])), socket.MSG_DONTWAIT)
    except OSError:
        pass
