"""What the configuration says about processes: the one place where the master reads settings."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Iterator, Mapping

from mpserver.api import error_log
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError, StartError
from mpserver.modules import core, log_config, mpm, python, status, tracing, unixd
from mpserver.supervisor.maintenance import SpareRules
from mpserver.system import log_files, log_targets
from mpserver.system.account import Account, can_keep_from_gaining
from mpserver.system.listeners import Address
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.error_log import Style
    from mpserver.config.configuration import Configuration
    from mpserver.config.server import Server


#: What a restart tells where PythonOptimize is On; a start begins anew as ``python -O``.
UNOPTIMIZED = "PythonOptimize On acts when the server is started, not when it is restarted: stop and start it"
#: What is told where a Python lacks what asks the kernel for no_new_privs (`mpserver.system.account.assume`).
NO_CTYPES = (
    "NoNewPrivileges has no effect: this Python has no ctypes, so a setuid program gives applications its owner's "
    "rights. Take another Python, set NoNewPrivileges=true in the unit of systemd, or write NoNewPrivileges Off"
)


class ProcessSettings(NamedTuple):
    """The settings of the processes, ready for use: paths absolute, accounts looked up, numbers corrected."""

    file: str
    pid_file: str
    addresses: tuple[Address, ...]
    backlog: int
    error_log: str
    log_level: int
    log_levels: Mapping[str, int]
    log_targets: tuple[str, ...]
    error_style: Style | None
    #: What programs of the server's own are told (`mpserver.telemetry.__main__`).
    own_programs: str
    rules: SpareRules
    server_limit: int
    #: Seconds that a graceful stop waits; 0: for ever.
    graceful_timeout: float
    #: Seconds that the server goes on serving after a SIGTERM; 0: it ends at once.
    shutdown_delay: float
    #: Seconds that a worker may hang; 0: for ever.
    worker_timeout: float
    #: Bytes of resident memory beyond which a worker is replaced; 0: any.
    worker_memory: int
    #: Whom the workers become; None: they stay who we are.
    account: Account | None
    #: Where the master answers for the server (`mpserver.modules.status.MANAGEMENT_LISTEN`).
    management: str
    #: The interpreters that are to be loaded before the server is ready, by their names.
    imports: tuple[str, ...]
    #: What to tell in the log once it is open: (level, text).
    notices: tuple[tuple[int, str], ...]


def process_settings(configuration: Configuration, euid: int | None = None) -> ProcessSettings:
    """Read the settings of the processes for a server started as ``euid`` (default: who we are).

    :raises StartError: started by root without an account for the workers, or with one that does not exist.
    """
    conf, root = configuration.main.conf, configuration.root
    decision = decide(conf, configuration.file, os.geteuid() if euid is None else euid)
    limits = mpm.limits_of(configuration)
    levels = conf[core.LOG_LEVEL]
    return ProcessSettings(
        file=configuration.file,
        pid_file=core.pid_file(conf),
        addresses=tuple(_address(listen, decision.account) for listen in conf[core.LISTEN]),
        backlog=conf[mpm.LISTEN_BACKLOG],
        error_log=log_targets.log_key(root, core.error_log(conf)),
        log_level=error_log.DEFAULT_LEVEL if levels.level is None else levels.level,
        log_levels=levels.modules,
        log_targets=tuple(targets(configuration)),
        error_style=core.error_style(conf, configuration.main.name or os.uname().nodename),
        own_programs=_own_programs(conf, decision.account, configuration.main.name or os.uname().nodename),
        rules=SpareRules(limits.start, limits.min_spare, limits.max_spare, limits.workers, limits.threads),
        server_limit=limits.server_limit,
        graceful_timeout=conf[mpm.GRACEFUL_SHUTDOWN_TIMEOUT],
        shutdown_delay=conf[mpm.SHUTDOWN_DELAY],
        worker_timeout=conf[mpm.WORKER_TIMEOUT],
        worker_memory=conf[mpm.MAX_MEMORY_PER_CHILD],
        account=decision.account,
        management=conf[status.MANAGEMENT_LISTEN],
        imports=_imports(configuration),
        notices=(
            *decision.notices,
            *((error_log.WARN, warning) for warning in configuration.warnings),
            *([(error_log.WARN, UNOPTIMIZED)] if python.wants_optimizing(configuration) else ()),
            *((error_log.WARN, text) for text in limits.warnings),
            *((error_log.NOTICE, text) for text in _own_certificates(configuration)),
        ),
    )


def _own_certificates(configuration: Configuration) -> Iterator[str]:
    """What is told of certificates that were made for development."""
    made = [] if configuration.encryption is None else configuration.encryption.files.made
    if made:
        from mpserver.modules.ssl import auto  # (few servers have any)

        yield from (auto.told(path) for path in dict.fromkeys(made))


def _own_programs(conf: Conf, account: Account | None, name: str) -> str:
    """The account that programs of the server's own become, and how they write to its error log: as JSON."""
    target, formats, levels = core.error_log(conf), conf[core.ERROR_LOG_FORMAT], conf[core.LOG_LEVEL]
    style = None if core.error_style(conf, name) is None else (target, formats, name)
    return json.dumps({"account": account, "level": levels.level, "levels": levels.modules, "style": style})


def _address(listen: core.Listen, account: Account | None) -> Address:
    """What a Listen means here: a file is the workers' where nobody says whose it is.

    :raises StartError: it is to be somebody's whom there is not.
    """
    if not listen.file:
        return Address(listen.host, listen.port, name=listen.name)
    uid, gid = (-1, -1) if account is None else (account.uid, account.gid)
    try:
        if listen.owner:
            uid = pwd.getpwnam(listen.owner).pw_uid
        if listen.group:
            gid = grp.getgrnam(listen.group).gr_gid
    except KeyError as error:
        raise StartError(f"Listen unix:{listen.file}: {error.args[0]}") from error
    return Address(None, listen.port, listen.file, listen.mode, uid, gid)


def _imports(configuration: Configuration) -> tuple[str, ...]:
    main = configuration.main
    names = dict.fromkeys(interpreter for _name, interpreter in main.conf[python.PYTHON_IMPORTS])
    # (of the kind main there is one for all names)
    return (python.MAIN_INTERPRETER,) * bool(names) if main.base[python.INTERP_BACKEND] == "main" else tuple(names)


def targets(configuration: Configuration) -> list[str]:
    """Every target that ErrorLog and CustomLog of the main server and the virtual hosts name."""
    found: dict[str, None] = {}
    for server in (configuration.main, *configuration.hosts):
        for target in server_targets(server):
            found[target] = None
    return list(found)


def missing_folders(configuration: Configuration) -> Iterator[str]:
    """What is told of files that the configuration names, a start writes, and whose folders are not there."""
    main = configuration.main
    wanted: dict[str, str] = {}
    if core.PID_FILE in main.own_conf.values:
        wanted[core.pid_file(main.conf)] = "PidFile"
    for server in (main, *configuration.hosts):
        logs = [log.target for log in log_config.logs(server.conf)]
        if core.ERROR_LOG in server.own_conf.values:
            logs.append(core.error_log(server.conf))
        wanted |= {log_files.file_of(configuration.root, target): "the log" for target in logs}
    for file, what in wanted.items():
        folder = os.path.dirname(file)
        if file and not os.path.isdir(folder):
            yield f"{what} {file} can't be written: there is no folder {folder}; make it, or name another place"


def server_targets(server: Server) -> list[str]:
    """The targets of one server: its error log first."""
    exported = tracing.target(server.conf)
    return [
        core.error_log(server.conf),
        *(log.target for log in log_config.logs(server.conf)),
        *([] if exported is None else [exported]),
    ]


class AccountDecision(NamedTuple):
    """Whom the workers become (None: they stay who we are), and what to tell: (level, text) pairs."""

    account: Account | None
    notices: tuple[tuple[int, str], ...] = ()


def decide(conf: Conf, file: str, euid: int) -> AccountDecision:
    """What User and Group mean for a server started as ``euid``; ``file`` is the configuration, for the remedy.

    :raises StartError: started by root without User, or an unknown account.
    """
    if euid != 0:
        if unixd.USER not in conf and unixd.GROUP not in conf:
            return AccountDecision(None)
        text = "User and Group are ignored: the server was not started by root and can't change its account"
        return AccountDecision(None, ((error_log.NOTICE, text),))
    try:
        account = unixd.identity(conf)
    except ConfigError as error:
        raise StartError(error.message) from error
    if account is None:
        raise StartError(
            f"Started by root, but no User is configured for the workers. Add 'User' and 'Group' with an "
            f"unprivileged account to {file} (for example 'User www-data' and 'Group www-data'), or "
            f"'User root' to run every application as root."
        )
    if account.uid == 0:
        warning = "User root: applications run with all rights on this machine"
        return AccountDecision(account, ((error_log.WARN, warning),))
    if not account.gains and not can_keep_from_gaining():
        return AccountDecision(account, ((error_log.WARN, NO_CTYPES),))
    return AccountDecision(account)
