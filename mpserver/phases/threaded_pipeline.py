"""The pipeline of an interpreter with several request threads, which share what it finds and keeps."""

from __future__ import annotations

import threading

from mpserver.api.response_head import Clock
from mpserver.api.server import Server as ServerObject
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.planner import Planner
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.config.server import Server
    from mpserver.config.settings import Conf
    from mpserver.phases.host import Host
    from mpserver.phases.plan import Plan


class SharedPlanner(Planner):
    """What is found, made once for all threads."""

    def __init__(self, *arguments: Any) -> None:
        self._making = threading.RLock()
        super().__init__(*arguments)

    def host(self, server: Server) -> Host:
        """See `Planner.host`; threads that ask at once get the same."""
        host = self._hosts.get(server)
        if host is None:
            with self._making:
                host = super().host(server)
        return host

    def make_server(self, host: Host) -> ServerObject:
        """See `Planner.make_server`."""
        with self._making:
            return host.made or super().make_server(host)

    def compile(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        """See `Planner.compile`."""
        with self._making:
            return super().compile(host, conf, filename)


class SharedPipeline(Pipeline):
    """The phases, for several threads at a time."""

    planner_type = SharedPlanner

    def __init__(self, *arguments: Any) -> None:
        self._own = threading.local()
        super().__init__(*arguments)

    @property
    def clock(self) -> Clock:
        """Each thread has one of its own, for it keeps the heads of a second."""
        found: Clock | None = getattr(self._own, "clock", None)
        if found is None:
            found = self._own.clock = Clock(self.planner.software)
        return found

    @clock.setter
    def clock(self, clock: Clock) -> None:
        self._own.clock = clock
