"""What the configuration says about processes: the one place where the master reads settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mpserver.api import error_log
from mpserver.api import error_log as error_log_module
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError, StartError
from mpserver.modules import core, mpm, python, unixd
from mpserver.supervisor.maintenance import Rules
from mpserver.system import log_files
from mpserver.system.listeners import BACKLOG, Address
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration
    from mpserver.config.server import Server
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
    decision = decide(conf, configuration.file, os.geteuid() if euid is None else euid)
    limits = mpm.limits_of(configuration)
    levels = conf[core.LOG_LEVEL]
    return ProcessConf(
        file=configuration.file,
        pid_file=core.pid_file(conf),
        addresses=tuple(Address(host, port) for host, port, *_ in conf[core.LISTEN]),
        backlog=BACKLOG,
        error_log=log_files.log_key(root, core.error_log(conf)),
        log_level=error_log_module.DEFAULT_LEVEL if levels.level is None else levels.level,
        log_levels=levels.modules,
        log_targets=tuple(targets(configuration)),
        rules=Rules(limits.start, limits.min_spare, limits.max_spare, limits.workers, limits.threads),
        server_limit=limits.server_limit,
        graceful_timeout=conf[mpm.GRACEFUL_SHUTDOWN_TIMEOUT],
        identity=decision.identity,
        notices=(
            *decision.notices,
            *((error_log_module.WARN, warning) for warning in configuration.warnings),
            *([(error_log_module.WARN, UNOPTIMIZED)] if python.wants_optimizing(configuration) else ()),
            *((error_log_module.WARN, text) for text in limits.warnings),
        ),
    )


def targets(configuration: Configuration) -> list[str]:
    """Every target that ErrorLog and CustomLog of the main server and the virtual hosts name."""
    found: dict[str, None] = {}
    for server in (configuration.main, *configuration.hosts):
        for target in server_targets(server):
            found[target] = None
    return list(found)


def server_targets(server: Server) -> list[str]:
    """The targets of one server: its error log first."""
    from mpserver.modules import core, log_config

    return [core.error_log(server.conf), *(log.target for log in server.conf[log_config.CUSTOM_LOGS])]


class Decision(NamedTuple):
    """The account to assume (None: stay who we are), and what to tell: (level, text) pairs."""

    identity: Identity | None
    notices: tuple[tuple[int, str], ...] = ()


def decide(conf: Conf, file: str, euid: int) -> Decision:
    """What User and Group mean for a server started as ``euid``; ``file`` is the configuration, for the remedy.

    :raises StartError: started by root without User, or an unknown account.
    """
    if euid != 0:
        if unixd.USER not in conf and unixd.GROUP not in conf:
            return Decision(None)
        text = "User and Group are ignored: the server was not started by root and can't change its account"
        return Decision(None, ((error_log.NOTICE, text),))
    try:
        identity = unixd.identity(conf)
    except ConfigError as error:
        raise StartError(error.message) from error
    if identity is None:
        raise StartError(
            f"Started by root, but no User is configured for the workers. Add 'User' and 'Group' with an "
            f"unprivileged account to {file} (for example 'User www-data' and 'Group www-data'), or "
            f"'User root' to run every application as root."
        )
    if identity.uid == 0:
        return Decision(identity, ((error_log.WARN, "User root: applications run with all rights on this machine"),))
    return Decision(identity)
