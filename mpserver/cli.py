"""The command ``mpserver``: httpd's options."""

from __future__ import annotations

import getopt
import os
import select
import shlex
import signal
import sys
from collections.abc import Callable, Sequence

from mpserver import pidfile
from mpserver.api import log
from mpserver.errors import ConfigError, ConfigErrors, StartError
from mpserver.notify import Notifier
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.child import Engine
    from mpserver.config.compile import Configuration

#: Seconds that -k stop waits for the server's end: longer than the master gives its workers.
STOP_PATIENCE = 20.0

_COMMANDS = ("start", "stop", "restart", "graceful", "graceful-stop")
_SIGNALS = {
    "stop": signal.SIGTERM,
    "restart": signal.SIGHUP,
    "graceful": signal.SIGUSR1,
    "graceful-stop": signal.SIGWINCH,
}

#: Options that stand for other ones.
_SHORTCUTS: dict[str, tuple[tuple[str, str], ...]] = {
    "-S": (("-t", ""), ("-D", "DUMP_VHOSTS"), ("-D", "DUMP_RUN_CFG")),
    "-M": (("-t", ""), ("-D", "DUMP_MODULES")),
    "-X": (("-D", "DEBUG"),),
}


class UsageError(Exception):
    """The command line can't be understood."""


class Options(NamedTuple):
    """The command line, understood. ``level``: startup messages up to it are shown."""

    file: str
    root: str
    defines: dict[str, str]
    before: tuple[str, ...]
    after: tuple[str, ...]
    command: str
    test: bool
    checks: bool
    show: str
    level: int
    messages: str
    status: bool
    json: bool
    recycle: str

    @property
    def begins(self) -> bool:
        """Whether it is to start a server, or to tell whether it would: who only ends one needs to read nothing."""
        return self.command not in ("stop", "graceful-stop") and not self.status and not self.recycle

    @property
    def one_process(self) -> bool:
        """-X, -D ONE_PROCESS."""
        return "DEBUG" in self.defines or "ONE_PROCESS" in self.defines


def parse(arguments: Sequence[str]) -> Options:
    """Understand the command line.

    :raises UsageError: it holds what we don't know.
    """
    from mpserver.modules.core import DEFAULT_ROOT
    from mpserver.reports import CONFIG_FILE

    try:
        given, rest = getopt.getopt(
            list(arguments), "D:C:c:Xd:f:vVlLtTSMh?k:e:E:", ["status", "json", "recycle="]
        )
    except getopt.GetoptError as error:
        raise UsageError(f"illegal option -- {error.opt}") from error
    if rest:
        raise UsageError(f"illegal argument -- {rest[0]}")
    pairs = [pair for option, value in given for pair in _SHORTCUTS.get(option, ((option, value),))]
    last = dict(pairs)
    command, level = last.get("-k", "start"), last.get("-e", "warn").lower()
    if command not in _COMMANDS:
        raise UsageError("illegal option -- k")
    if level not in log.LEVELS:
        raise UsageError("illegal option -- e")
    if "--json" in last and "--status" not in last:
        raise UsageError("illegal option -- json goes with --status")
    if last.get("--recycle") == "":
        raise UsageError("illegal option -- recycle needs the name of an interpreter, or all")
    root, file = last.get("-d"), last.get("-f")
    if file is None:
        file = CONFIG_FILE
    elif root is None and os.path.exists(file):
        # Without -d a file is looked for where we are, and its folder is the ServerRoot to begin with.
        file = os.path.abspath(file)
        root = os.path.dirname(file)
    root = os.path.abspath(root or DEFAULT_ROOT)
    return Options(
        file=os.path.join(root, file),
        root=root,
        defines={value: "" for option, value in pairs if option == "-D"},
        before=(f'ServerRoot "{root}"', *(value for option, value in pairs if option == "-C")),
        after=tuple(value for option, value in pairs if option == "-c"),
        command=command,
        test="-t" in last,
        checks="-T" not in last,
        show=next((option for option, _ in pairs if option in _SHOWN), ""),
        level=log.LEVELS[level],
        messages=last.get("-E", ""),
        status="--status" in last,
        json="--json" in last,
        recycle=last.get("--recycle", ""),
    )


def read(options: Options) -> Configuration:
    """Read the configuration, and check what it says about the machine.

    :raises ConfigErrors: every fault that was found.
    """
    from mpserver import readable
    from mpserver.config.compile import load
    from mpserver.modules import registry, values
    from mpserver.phases.applications import environments

    configuration = load(
        options.file,
        registry(),
        root=options.root,
        defines=dict(options.defines),
        before=options.before,
        after=options.after,
    )
    found = environments(configuration)
    faults = found.faults
    if options.checks:
        confs = [configuration.main.own_conf, *(host.own_conf for host in configuration.hosts)]
        faults += values.check(confs)
        if options.begins:
            unreadable, warnings = readable.check(configuration, found.by_name)
            faults += unreadable
            configuration.warnings += warnings
    if faults:
        raise ConfigErrors(faults)
    return configuration


# ---- what needs no configuration (-V looks into it if there is one)


def _show_version(_options: Options) -> str:
    from mpserver import reports

    return reports.version()


def _show_settings(options: Options) -> str:
    """-V: with the MPM that the configuration chooses, where there is one."""
    from mpserver import reports
    from mpserver.modules import registry

    unread = options._replace(checks=False)
    return reports.settings(read(unread).registry if os.path.exists(options.file) else registry())


def _show_built_in(_options: Options) -> str:
    from mpserver import reports
    from mpserver.modules import registry

    return reports.built_in(registry())


def _show_directives(_options: Options) -> str:
    from mpserver import reports
    from mpserver.modules import registry

    return reports.directives(registry())


def _show_help(_options: Options) -> str:
    from mpserver import reports

    return reports.USAGE.rstrip()


_SHOWN: dict[str, Callable[[Options], str]] = {
    "-v": _show_version,
    "-V": _show_settings,
    "-l": _show_built_in,
    "-L": _show_directives,
    "-h": _show_help,
    "-?": _show_help,
}


# ---- what does


def _test(configuration: Configuration) -> int:
    """-t, with what DUMP_... asks for."""
    from mpserver import reports

    dumps: dict[str, Callable[[], str]] = {
        "DUMP_VHOSTS": lambda: reports.virtual_hosts(configuration),
        "DUMP_RUN_CFG": lambda: reports.run_settings(configuration),
        "DUMP_MODULES": lambda: reports.loaded(configuration.registry),
    }
    asked = [dump for name, dump in dumps.items() if name in configuration.defines]
    for dump in asked:
        print(dump())
    if not asked:
        log.to_terminal("Syntax OK")
    return 0


def _signal(options: Options, found: pidfile.Found) -> int:
    """-k with anything but start: tell the running server. -k stop waits for its end."""
    assert found.pid is not None
    try:
        process = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return 0  # it ended between two looks
    try:
        signal.pidfd_send_signal(process, _SIGNALS[options.command])
    except ProcessLookupError:
        return 0
    except PermissionError as error:
        log.to_terminal(f"sending signal to server (pid {found.pid})", error=error)
        return 1
    if options.command != "stop":
        return 0
    waiter = select.poll()
    waiter.register(process, select.POLLIN)
    if waiter.poll(STOP_PATIENCE * 1000):
        return 0
    log.to_terminal(f"mpserver (pid {found.pid}) has not ended within {STOP_PATIENCE:.0f} seconds")
    return 1


def engine() -> Engine:
    """The real engine: the worker and the keeper of process interpreters."""
    from mpserver import worker, zygote
    from mpserver.child import Engine

    return Engine(worker.WorkerStart, worker.serve, zygote.Keeper, zygote.keeper_process)


def start(options: Options, configuration: Configuration, make_engine: Callable[[], Engine]) -> int:
    """Start the server the way that the options ask for; returns when it has ended, or runs in the background.

    :raises StartError: it can't start.
    """
    from mpserver.daemon import detach, detach_in_place
    from mpserver.master import Master

    notifier = Notifier.take(os.environ)
    if options.one_process:
        from mpserver import oneprocess

        oneprocess.run(configuration, make_engine(), notifier)
        return 0

    foreground = "FOREGROUND" in configuration.defines
    no_detach = "NO_DETACH" in configuration.defines
    master = Master(
        configuration,
        lambda: read(options),
        make_engine(),
        notifier,
        replace_output=not foreground,
        command_line=shlex.join(sys.orig_argv),
    )

    def run(started: Callable[[], object]) -> None:
        master.open()
        started()
        master.run()

    if not foreground and not no_detach:
        return detach(run)
    if no_detach:
        detach_in_place()
    run(lambda: None)
    return 0


def run(options: Options, make_engine: Callable[[], Engine]) -> int:
    """Do what the options ask for. :returns: the exit status."""
    if options.show:
        print(_SHOWN[options.show](options))
        return 0
    configuration = read(options)
    _warn(options, configuration)
    if options.test:
        return _test(configuration)
    from mpserver.modules import core, python

    pid_file = core.pid_file(configuration.main.conf)
    if options.status or options.recycle:
        from mpserver import remote

        return remote.status(pid_file, options.json) if options.status else remote.recycle(pid_file, options.recycle)
    found = pidfile.look(pid_file)
    if options.command == "start":
        if found.running:
            print(f"mpserver (pid {found.pid}) already running")
            return 0
    elif found.running:
        return _signal(options, found)
    elif options.command in ("stop", "graceful-stop"):
        print(f"mpserver ({'no pid file' if found.pid is None else f'pid {found.pid}?'}) not running")
        return 0
    else:
        print("mpserver not running, trying to start")
    if python.wants_optimizing(configuration):
        _begin_optimized()
    return start(options, configuration, make_engine)


def _begin_optimized() -> None:
    """Begin again as ``python -O`` (PythonOptimize): that is settled when a Python starts, for all its interpreters."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-O", *sys.orig_argv[1:]])


def _warn(options: Options, configuration: Configuration) -> None:
    """Show the warnings of the configuration."""
    if options.level >= log.WARN and options.command == "start":
        for warning in configuration.warnings:
            log.to_terminal(f"Warning: {warning}")


def complain(error: ConfigErrors | ConfigError) -> None:
    """Show the faults of the configuration as httpd does."""
    for fault in error.errors if isinstance(error, ConfigErrors) else (error,):
        log.to_terminal(f"mpserver: {fault}" if fault.file is None else f"AH00526: {fault}")


def main(arguments: Sequence[str] | None = None, make_engine: Callable[[], Engine] = engine) -> int:
    """The command. :returns: the exit status: 0, or 1 for whatever went wrong (it was told on stderr)."""
    from mpserver import reports

    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["check-interp"]:
        from mpserver import checkinterp

        return checkinterp.main(words[1:])
    try:
        options = parse(words)
    except UsageError as error:
        sys.stderr.write(f"mpserver: {error}\n{reports.USAGE}")
        return 1
    try:
        if options.messages:
            _write_messages_to(options.messages)
        status = run(options, make_engine)
    except (ConfigErrors, ConfigError) as error:
        complain(error)
        status = 1
    except StartError as error:
        log.to_terminal(str(error))
        status = 1
    if options.one_process:
        # Interpreters and their threads don't outlive this call, whatever the application left running.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _write_messages_to(path: str) -> None:
    """-E: stderr becomes this file."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise StartError(f"({error.errno}){error.strerror}: could not open {path} for startup messages") from error
    os.dup2(fd, 2)
    os.close(fd)
