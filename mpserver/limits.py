"""How long an interpreter lives: PythonInterpMaxRequests, PythonInterpIdleTimeout, PythonInterpReload.

An interpreter is found by its name, and a name may be that of several sections. What counts is the first that
says something: of the main server, then of the virtual hosts, the sections before the server's own level.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

from mpserver.config.compile import Configuration, Server
from mpserver.config.settings import Conf
from mpserver.modules import python
from mpserver.phases.plan import MAIN, Place, place
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: MaxRequests is spread over this part of itself, so that the workers' interpreters don't all end at once.
JITTER = 10


class Limits(NamedTuple):
    """``requests`` and ``idle`` (seconds) are 0 where there is no limit; ``reload``: changed files replace it."""

    requests: int
    idle: float
    reload: bool


NONE = Limits(0, 0.0, False)


def limits(configuration: Configuration, where: Place) -> Limits:
    """The limits of an interpreter; those of the main server where no section shows its name."""
    for server in (configuration.main, *configuration.hosts):
        for conf in _scopes(server):
            told = _told(conf)
            if told != NONE and _runs(server, conf, where):
                return told
    return _told(configuration.main.base)


def _told(conf: Conf) -> Limits:
    return Limits(conf[python.INTERP_MAX_REQUESTS], conf[python.INTERP_IDLE_TIMEOUT], conf[python.INTERP_RELOAD])


class Wear:
    """What happens at the end of each request of an interpreter that wants a successor after so many."""

    __slots__ = ("_count", "_ended", "_requests", "_worn")

    def __init__(self, ended: Callable[[Request | None], None], requests: int, worn: Callable[[int], None]) -> None:
        self._ended, self._requests, self._worn = ended, requests, worn
        self._count = itertools.count(1)

    def __call__(self, req: Request | None = None) -> None:
        self._ended(req)
        if next(self._count) % self._requests == 0:  # (again, where there was no successor)
            self._worn(self._requests)


def spread(requests: int) -> int:
    """A number of requests, or somewhat less."""
    import random  # (only where there is such a limit)

    return requests - random.randrange(requests // JITTER + 1)


def _scopes(server: Server) -> Iterator[Conf]:
    """Each section with what holds around it: sections of the same path, or one above. The narrowest come first."""
    sections = server.sections
    directories = (*sections.directories, *sections.directory_matches)
    if any(_told(entry.conf) != NONE for entry in (*directories, *sections.locations)):
        for entries in (sections.locations, directories):
            for entry in reversed(entries):
                conf = server.base
                for outer in entries:
                    if entry.pattern.startswith(outer.pattern):
                        conf = conf.merged(outer.conf)
                yield conf
    yield server.base


def _runs(server: Server, conf: Conf, where: Place) -> bool:
    """Whether a scope's requests run in an interpreter, as far as it shows without a request."""
    backend = conf[python.INTERP_BACKEND]
    named = conf[python.PYTHON_INTERPRETER]
    if named is None and not (conf[python.INTERP_PER_DIRECTORY] or conf[python.INTERP_PER_DIRECTIVE]):
        named = server.name or os.uname().nodename
    if named is not None:
        return place(named, backend).name == where.name
    specs = (spec for specs in conf[python.HANDLERS].values() for spec in specs)
    if conf[python.INTERP_PER_DIRECTORY]:  # folders below have their own
        return any(where.name.startswith(spec.directory or "//") for spec in specs)
    return any(place(spec.directory or MAIN, backend).name == where.name for spec in specs)
