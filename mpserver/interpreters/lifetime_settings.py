"""How long an interpreter lives: PythonInterpMaxRequests, PythonInterpIdleTimeout, PythonInterpReload.

An interpreter is found by its name, and a name may be that of several sections. What counts is the first that
says something: of the main server, then of the virtual hosts, the sections before the server's own level.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from mpserver.config.configuration import Configuration
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules import python
from mpserver.phases.plan import InterpreterId
from mpserver.phases.plan_compiler import MAIN, identify
from mpserver.serving.lifetime import UNLIMITED, InterpreterLifetime


def lifetime(configuration: Configuration, where: InterpreterId) -> InterpreterLifetime:
    """The lifetime of an interpreter; that of the main server where no section shows its name."""
    for server in (configuration.main, *configuration.hosts):
        for conf in _scopes(server):
            told = _told(conf)
            if told != UNLIMITED and _runs(server, conf, where):
                return told
    return _told(configuration.main.base)


def _told(conf: Conf) -> InterpreterLifetime:
    return InterpreterLifetime(
        conf[python.INTERP_MAX_REQUESTS], conf[python.INTERP_IDLE_TIMEOUT], conf[python.INTERP_RELOAD]
    )


def _scopes(server: Server) -> Iterator[Conf]:
    """Each section with what holds around it: sections of the same path, or one above. The narrowest come first."""
    sections = server.sections
    directories = (*sections.directories, *sections.directory_matches)
    if any(_told(entry.conf) != UNLIMITED for entry in (*directories, *sections.locations)):
        for entries in (sections.locations, directories):
            for entry in reversed(entries):
                conf = server.base
                for outer in entries:
                    if entry.pattern.startswith(outer.pattern):
                        conf = conf.merged(outer.conf)
                yield conf
    yield server.base


def _runs(server: Server, conf: Conf, where: InterpreterId) -> bool:
    """Whether a scope's requests run in an interpreter, as far as it shows without a request."""
    backend = conf[python.INTERP_BACKEND]
    named = conf[python.PYTHON_INTERPRETER]
    if named is None and not (conf[python.INTERP_PER_DIRECTORY] or conf[python.INTERP_PER_DIRECTIVE]):
        named = server.name or os.uname().nodename
    if named is not None:
        return identify(named, backend).name == where.name
    specs = (spec for specs in conf[python.HANDLERS].values() for spec in specs)
    if conf[python.INTERP_PER_DIRECTORY]:  # folders below have their own
        return any(where.name.startswith(spec.directory or "//") for spec in specs)
    return any(identify(spec.directory or MAIN, backend).name == where.name for spec in specs)
