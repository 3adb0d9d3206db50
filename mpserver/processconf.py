"""What the configuration says about processes: the one place where the master reads settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mpserver import logs, privileges
from mpserver.api import log
from mpserver.listeners import BACKLOG, Address
from mpserver.maintenance import Rules
from mpserver.modules import core, mpm, python
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.compile import Configuration
    from mpserver.modules.unixd import Identity


#: After a reload; at the start the server begins anew as it is told.
UNOPTIMIZED = "PythonOptimize On acts when the server is started, not when it is restarted: stop and start it"


class ProcessConf(NamedTuple):
    """The settings of the processes, ready for use: paths absolute, accounts looked up, numbers corrected."""

    file: str
    pid_file: str
    addresses: tuple[Address, ...]
    backlog: int
    error_log: str
    log_level: int
    log_levels: Mapping[str, int]
    log_targets: tuple[str, ...]
    rules: Rules
    server_limit: int
    #: Seconds that a graceful stop waits; 0: for ever.
    graceful_timeout: float
    identity: Identity | None
    #: What to tell in the log once it is open: (level, text).
    notices: tuple[tuple[int, str], ...]


def process_conf(configuration: Configuration, euid: int | None = None) -> ProcessConf:
    """Read the settings of the processes for a server started as ``euid`` (default: who we are).

    :raises StartError: started by root without an account for the workers, or with one that does not exist.
    """
    conf, root = configuration.main.conf, configuration.root
    decision = privileges.decide(conf, configuration.file, os.geteuid() if euid is None else euid)
    limits = mpm.limits_of(configuration)
    levels = conf[core.LOG_LEVEL]
    return ProcessConf(
        file=configuration.file,
        pid_file=core.pid_file(conf),
        addresses=tuple(Address(host, port) for host, port, *_ in conf[core.LISTEN]),
        backlog=BACKLOG,
        error_log=log.log_key(root, core.error_log(conf)),
        log_level=log.DEFAULT_LEVEL if levels.level is None else levels.level,
        log_levels=levels.modules,
        log_targets=tuple(logs.targets(configuration)),
        rules=Rules(limits.start, limits.min_spare, limits.max_spare, limits.workers, limits.threads),
        server_limit=limits.server_limit,
        graceful_timeout=conf[mpm.GRACEFUL_SHUTDOWN_TIMEOUT],
        identity=decision.identity,
        notices=(
            *decision.notices,
            *((log.WARN, warning) for warning in configuration.warnings),
            *([(log.WARN, UNOPTIMIZED)] if python.wants_optimizing(configuration) else ()),
            *((log.WARN, text) for text in limits.warnings),
        ),
    )
